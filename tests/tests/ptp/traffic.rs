//! Packets between a container and other hosts, as soon as ADD has returned.

use ferrule_testkit::assert_same;
use ferrule_tests::{Network, answers_at_once, sends_router_advertisement};
use serde_json::json;

ferrule_testkit::test! {
    /// Container and host reach each other over both families, without losing a packet. Both ends
    /// have the same index, with which old kernels notice the carrier late.
    fn the_host_is_reached_at_once(host, first in ["host", "container"]) {
        let attachment = Network::ptp().attach(host, "c1");
        let index = |link: serde_json::Value| link["ifindex"].clone();
        assert_eq!(index(host.link(attachment.host_end())), index(attachment.container.link("eth0")));
        for (position, gateway) in ["10.1.2.1", "fd00:1:2::1"].into_iter().enumerate() {
            if first == "host" {
                assert!(answers_at_once(host, attachment.address(position)));
            }
            assert!(answers_at_once(&attachment.container, gateway));
            assert!(answers_at_once(host, attachment.address(position)));
        }
        assert_eq!(attachment.container.link("eth0")["operstate"], "UP");
    }
}

ferrule_testkit::test! {
    /// Containers of one network reach each other through the host, at once.
    fn containers_reach_each_other_at_once(host, position in ["0", "1"]) {
        let position = position.parse().unwrap();
        let network = Network::ptp();
        let (first, second) = (network.attach(host, "c1"), network.attach(host, "c2"));
        assert!(answers_at_once(&second.container, first.address(position)));
        assert!(answers_at_once(&first.container, second.address(position)));
    }
}

ferrule_testkit::test! {
    /// The host is the only neighbour of a container: its frames do not reach other containers.
    fn frames_stay_on_the_pair(host) {
        let network = Network::ptp();
        let (first, second) = (network.attach(host, "c1"), network.attach(host, "c2"));
        let capture = first.container.capture();
        assert!(!answers_at_once(&second.container, "10.1.2.200"));
        let target = |frame: &ferrule_testkit::Frame| {
            frame.arp().is_some_and(|arp| arp.target.to_string() == "10.1.2.200")
        };
        assert_eq!(capture.wait_for(std::time::Duration::from_millis(200), target), None);
        assert!(answers_at_once(&first.container, second.address(0)));
    }
}

ferrule_testkit::test! {
    /// Each end has the routes of the reference: the host its own kind of host routes, the
    /// container everything inside the network through the gateway.
    fn routes_of_both_ends(host) {
        let attachment = Network::ptp().attach(host, "c1");
        let port = attachment.host_end();
        assert_eq!(host.addresses(port), ["10.1.2.1/32", "fd00:1:2::1/128"]);
        let route = &host.ip_json("route show 10.1.2.2")[0];
        assert_eq!((&route["dev"], &route["scope"]), (&json!(port), &json!("host")));
        assert_eq!(host.ip_json("-6 route show fd00:1:2::2")[0]["dev"], port);
        let inside = &attachment.container;
        assert_eq!(inside.ip_json("route show 10.1.2.0/24")[0]["gateway"], "10.1.2.1");
        assert_eq!(inside.ip_json("route show 10.1.2.1")[0]["scope"], "link");
        assert_eq!(inside.ip_json("-6 route show fd00:1:2::/64")[0]["gateway"], "fd00:1:2::1");
        for route in ["10.1.2.0/24", "default"] {
            assert_eq!(inside.ip_json(["route", "show", route]).as_array().unwrap().len(), 1);
        }
        attachment.check().succeeds();
    }
}

ferrule_testkit::test! {
    /// The MTU applies to both ends.
    fn mtu(host) {
        let attachment = Network::ptp().with(json!({ "mtu": 5000 })).attach(host, "c1");
        assert_eq!(host.link(attachment.host_end())["mtu"], 5000);
        assert_eq!(attachment.container.link("eth0")["mtu"], 5000);
    }
}

ferrule_testkit::test! {
    /// Several addresses of one network with one gateway, and one address that is its own network.
    fn several_addresses(host) {
        let addresses = json!([
            { "address": "10.1.2.7/24", "gateway": "10.1.2.1" },
            { "address": "10.1.2.8/24", "gateway": "10.1.2.1" },
            { "address": "10.7.7.7/32", "gateway": "169.254.1.1" },
        ]);
        let ipam = json!({ "type": "static", "addresses": addresses });
        let attachment = Network::ptp().with(json!({ "ipam": ipam })).attach(host, "c1");
        for address in ["10.1.2.7", "10.1.2.8", "10.7.7.7"] {
            assert!(answers_at_once(host, address), "{address}");
        }
        for gateway in ["10.1.2.1", "169.254.1.1"] {
            assert!(answers_at_once(&attachment.container, gateway), "{gateway}");
        }
        attachment.check().succeeds();
    }
}

ferrule_testkit::test! {
    /// An address plugin is required, and a gateway for each address; otherwise nothing is left.
    fn ipam_and_gateways_are_required(host) {
        host.netns("c1");
        let before = host.snapshot();
        let call = Network::ptp().without_ipam().call(host, "c1");
        call.add().fails_with_code(7).mentions("ipam.type");
        call.del().succeeds();
        let call = Network::ptp().with_addresses(&["10.1.2.7/24"]).call(host, "c1");
        call.add().fails_with_code(7).mentions("10.1.2.7/24").mentions("gateway");
        assert_same(&before, &host.snapshot());
    }
}

ferrule_testkit::test! {
    /// A container cannot add addresses or routes to the host by router advertisements.
    fn the_host_takes_no_router_advertisements(host) {
        let ipam = json!({ "type": "host-local", "subnet": "10.1.2.0/24" });
        let attachment = Network::ptp().with(json!({ "ipam": ipam })).attach(host, "c1");
        // With forwarding the host would ignore them anyway.
        host.exec("sysctl -q -w net.ipv6.conf.all.forwarding=0").succeeds();
        // The kernel's own link-local address is tentative for a while.
        attachment.container.ip("address add fe80::77/64 dev eth0 nodad");
        // A link that accepts router advertisements shows that this one is valid.
        let listener = host.netns("listener");
        let settings = "net.ipv6.conf.default.accept_ra=1 net.ipv6.conf.default.accept_dad=0";
        listener.exec(format!("sysctl -q -w {settings}")).succeeds();
        listener.ip("link add va type veth peer name inside");
        listener.ip("link set va up");
        listener.ip("link set inside up");
        let port = attachment.host_end();
        let heard = || {
            sends_router_advertisement(&attachment.container, "eth0")
                && sends_router_advertisement(&listener, "va")
                && listener.addresses("inside").iter().any(|address| address.starts_with("fd00:bad:"))
        };
        assert!((0..100).any(|_| heard() || {
            std::thread::sleep(std::time::Duration::from_millis(50));
            false
        }));
        assert_eq!(host.addresses(port), ["10.1.2.1/32"]);
        assert_eq!(host.ip_json("-6 route show proto ra"), json!([]));
    }
}
