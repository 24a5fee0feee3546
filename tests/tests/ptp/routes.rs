//! Routes of other containers, and of the address plugin.

use ferrule_testkit::Host;
use ferrule_tests::{Network, answers_at_once};
use serde_json::{Value, json};

/// The address of both containers.
const SHARED: [&str; 2] = ["10.1.2.7", "fd00:1:2::7"];

fn shared() -> Network {
    let addresses = json!([
        { "address": "10.1.2.7/24", "gateway": "10.1.2.1" },
        { "address": "fd00:1:2::7/64", "gateway": "fd00:1:2::1" },
    ]);
    Network::ptp().with(json!({ "ipam": { "type": "static", "addresses": addresses } }))
}

/// The links through which the host sends to the addresses.
fn ways(host: &Host) -> [Value; 2] {
    SHARED.map(|address| host.ip_json(["route", "get", address])[0]["dev"].clone())
}

ferrule_testkit::test! {
    /// A container that gets the address of a running one does not disconnect it, neither by its
    /// ADD, nor by a failed ADD, nor by its DEL. When the first one is removed, the second has the
    /// address.
    fn a_running_container_keeps_its_routes(host) {
        let first = shared().attach(host, "first");
        let firsts_way = [json!(first.host_end()), json!(first.host_end())];
        host.netns("failing");
        // The container's kernel refuses the route after all changes on the host.
        let mut keys = shared().config;
        keys["ipam"]["routes"] = json!([{ "dst": "10.77.0.0/16", "gw": "10.9.9.9" }]);
        let failing = shared().with(keys).call(host, "failing");
        let second = shared().attach(host, "second");
        let reached = |what: &str| {
            assert_eq!(ways(host), firsts_way, "{what}");
            for address in SHARED {
                assert!(answers_at_once(host, address), "{address} {what}");
            }
        };
        reached("after the ADD of a second container");
        failing.add().fails().mentions("10.9.9.9");
        reached("after an ADD that failed");
        failing.del().succeeds();
        reached("after its DEL");
        first.check().succeeds();
        second.detach();
        reached("after the DEL of the second");
        let third = shared().attach(host, "third");
        reached("after the ADD of a third");
        first.detach();
        assert_eq!(ways(host), [json!(third.host_end()), json!(third.host_end())]);
        for address in SHARED {
            assert!(answers_at_once(host, address));
        }
        third.check().succeeds();
    }
}

ferrule_testkit::test! {
    /// A router of the container's network that is not its gateway: it is on the link, but only the
    /// route itself shows that.
    fn a_route_may_use_another_router_of_the_network(host) {
        let routes = json!([
            { "dst": "10.77.0.0/16", "gw": "10.1.2.9" }, { "dst": "10.78.0.0/16", "gw": "10.1.2.9" },
            { "dst": "fd00:77::/32", "gw": "fd00:1:2::9" }, { "dst": "0.0.0.0/0" },
        ]);
        let ranges = json!([[{ "subnet": "10.1.2.0/24" }], [{ "subnet": "fd00:1:2::/64" }]]);
        let ipam = json!({ "type": "host-local", "ranges": ranges, "routes": routes });
        let attachment = Network::ptp().with(json!({ "ipam": ipam })).attach(host, "c1");
        let inside = &attachment.container;
        for (family, route, gateway) in [
            ("-4", "10.77.0.0/16", "10.1.2.9"), ("-4", "10.78.0.0/16", "10.1.2.9"),
            ("-6", "fd00:77::/32", "fd00:1:2::9"), ("-4", "default", "10.1.2.1"),
        ] {
            let found = inside.ip_json([family, "route", "show", route]);
            assert_eq!((&found[0]["gateway"], &found[0]["flags"]), (&json!(gateway), &json!([])));
            assert_eq!(found.as_array().unwrap().len(), 1);
        }
        for (family, router) in [("-4", "10.1.2.9"), ("-6", "fd00:1:2::9")] {
            assert_eq!(inside.ip_json([family, "route", "show", router]), json!([]));
        }
        attachment.check().succeeds();

        // A router in none of the container's networks is unreachable.
        let ipam = json!({ "type": "host-local", "subnet": "10.1.2.0/24",
                           "routes": [{ "dst": "10.77.0.0/16", "gw": "10.9.9.9" }] });
        host.netns("c2");
        let call = Network::ptp().with(json!({ "ipam": ipam })).call(host, "c2");
        call.add().fails().mentions("10.9.9.9");
    }
}
