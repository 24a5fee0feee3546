//! Packets between containers and host, as soon as ADD has returned.

use ferrule_testkit::Namespace;
use ferrule_tests::{Network, answers_at_once, sends_router_advertisement};
use serde_json::json;

ferrule_testkit::test! {
    /// Containers and host reach each other over both families, without losing a packet.
    fn all_reach_each_other_at_once(host) {
        let network = Network::bridge();
        let first = network.attach(host, "c1");
        for position in [0, 1] {
            assert!(answers_at_once(host, first.address(position)));
        }
        let second = network.attach(host, "c2");
        for position in [0, 1] {
            assert!(answers_at_once(&first.container, second.address(position)));
            assert!(answers_at_once(&second.container, first.address(position)));
            assert!(answers_at_once(host, second.address(position)));
        }
        for gateway in ["10.1.2.1", "fd00:1:2::1"] {
            assert!(answers_at_once(&second.container, gateway));
        }
    }
}

ferrule_testkit::test! {
    /// Also if the container sends the first packet, over both families.
    fn the_container_may_send_first(host, gateway in ["10.1.2.1", "fd00:1:2::1"]) {
        let attachment = Network::bridge().attach(host, "c1");
        assert!(answers_at_once(&attachment.container, gateway));
    }
}

ferrule_testkit::test! {
    /// Forwarded packets reach a container at once: the neighbour solicitations of the host do not
    /// wait for duplicate address detection on the bridge.
    fn the_host_forwards_at_once(host, family in ["4", "6"]) {
        let near = Network::bridge();
        let far = near.clone().with(json!({
            "name": "far", "bridge": "cni1",
            "ipam": { "type": "host-local", "ranges": [
                [{ "subnet": "10.1.3.0/24" }], [{ "subnet": "fd00:1:3::/64" }],
            ], "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }] },
        }));
        let position = usize::from(family == "6");
        let far = far.attach(host, "far");
        let near = near.attach(host, "near");
        assert!(answers_at_once(&near.container, far.address(position)));
    }
}

ferrule_testkit::test! {
    /// `isDefaultGateway` adds a default route of both families through the bridge.
    fn the_bridge_is_the_default_gateway(host) {
        let ipam = json!({ "type": "host-local", "ranges": [
            [{ "subnet": "10.1.2.0/24" }], [{ "subnet": "fd00:1:2::/64" }],
        ] });
        let keys = json!({ "isGateway": null, "isDefaultGateway": true, "ipam": ipam });
        let attachment = Network::bridge().with(keys).attach(host, "c1");
        assert_eq!(attachment.result["routes"], json!([
            { "dst": "0.0.0.0/0", "gw": "10.1.2.1" }, { "dst": "::/0", "gw": "fd00:1:2::1" },
        ]));
        for (family, gateway) in [("-4", "10.1.2.1"), ("-6", "fd00:1:2::1")] {
            let routes = attachment.container.ip_json([family, "route", "show", "default"]);
            assert_eq!(routes.as_array().unwrap().len(), 1, "{routes}");
            assert_eq!((&routes[0]["gateway"], &routes[0]["prefsrc"]), (&json!(gateway), &json!(null)));
        }
        host.ip("address add 10.99.0.1/32 dev lo");
        host.ip("address add fd00:99::1/128 dev lo nodad");
        assert!(answers_at_once(&attachment.container, "10.99.0.1"));
        assert!(answers_at_once(&attachment.container, "fd00:99::1"));
        attachment.check().succeeds();
    }
}

ferrule_testkit::test! {
    /// A default route of the address plugin, with or without a gateway, is not added twice.
    fn a_default_route_is_not_doubled(host, route in [
        r#"{ "dst": "0.0.0.0/0" }"#, r#"{ "dst": "0.0.0.0/0", "gw": "10.1.2.1" }"#,
    ]) {
        let route: serde_json::Value = serde_json::from_str(route).unwrap();
        let ipam = json!({ "type": "host-local", "subnet": "10.1.2.0/24", "routes": [route] });
        let keys = json!({ "isDefaultGateway": true, "ipam": ipam });
        let attachment = Network::bridge().with(keys).attach(host, "c1");
        assert_eq!(attachment.result["routes"], json!([route]));
        let routes = attachment.container.ip_json("route show default");
        assert_eq!(routes.as_array().unwrap().len(), 1, "{routes}");
    }
}

ferrule_testkit::test! {
    /// Isolated ports do not reach each other in either direction, but all reach the gateway.
    fn isolated_ports_reach_only_the_gateway(host) {
        let network = Network::bridge();
        let isolated = network.clone().with(json!({ "portIsolation": true }));
        let (first, second) = (isolated.attach(host, "c1"), isolated.attach(host, "c2"));
        let open = network.attach(host, "c3");
        let reaches = |from: &Namespace, to: &str| answers_at_once(from, to);
        for position in [0, 1] {
            let [first_ip, second_ip, open_ip] = [&first, &second, &open].map(|one| one.address(position));
            assert!(!reaches(&first.container, second_ip) && !reaches(&second.container, first_ip));
            assert!(reaches(&first.container, open_ip) && reaches(&open.container, second_ip));
            let gateway = ["10.1.2.1", "fd00:1:2::1"][position];
            for attachment in [&first, &second, &open] {
                assert!(reaches(&attachment.container, gateway));
            }
        }
    }
}

ferrule_testkit::test! {
    /// With `hairpinMode` a frame is sent back through the port it came from, otherwise it is not.
    fn hairpin_mode_sends_frames_back(host, on in ["true", "false"]) {
        let network = Network::bridge().with(json!({ "hairpinMode": on == "true" }));
        let attachment = network.attach(host, "c1");
        let capture = attachment.container.capture();
        assert!(!answers_at_once(&attachment.container, "10.1.2.250"));
        let returned = capture.wait_for(std::time::Duration::from_millis(300), |frame| {
            let asked = frame.arp().is_some_and(|arp| arp.target.to_string() == "10.1.2.250");
            asked && !frame.outgoing
        });
        assert_eq!(returned.is_some(), on == "true", "{returned:?}");
    }
}

ferrule_testkit::test! {
    /// A container cannot add addresses or routes to the host by router advertisements.
    fn the_host_takes_no_router_advertisements(host) {
        // With forwarding the host would ignore them anyway.
        let network = Network::bridge().with(json!({ "isGateway": false, "ipam": {
            "type": "host-local", "subnet": "fd00:1:2::/64" } }));
        host.exec("sysctl -q -w net.ipv6.conf.all.forwarding=0").succeeds();
        // A link that accepts router advertisements shows that this one is valid.
        let listener = host.netns("listener");
        let settings = "net.ipv6.conf.default.accept_ra=1 net.ipv6.conf.default.accept_dad=0";
        listener.exec(format!("sysctl -q -w {settings}")).succeeds();
        let attachment = network.attach(host, "c1");
        host.ip("link add vl type veth peer name inside netns listener");
        host.ip("link set vl up master cni0");
        listener.ip("link set inside up");
        let heard = || {
            sends_router_advertisement(&attachment.container, "eth0")
                && listener.addresses("inside").iter().any(|address| address.starts_with("fd00:bad:"))
        };
        assert!((0..100).any(|_| heard() || {
            std::thread::sleep(std::time::Duration::from_millis(50));
            false
        }));
        for link in ["cni0", attachment.host_end()] {
            assert!(host.addresses(link).is_empty(), "{:?}", host.addresses(link));
        }
        let routes = host.ip_json("-6 route show proto ra");
        assert_eq!(routes, json!([]));
    }
}
