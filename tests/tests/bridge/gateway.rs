//! The bridge's own addresses.

use ferrule_testkit::Host;
use ferrule_tests::{Attachment, Network, answers_at_once};
use serde_json::{Value, json};

/// A network of one subnet.
fn network(subnet: &str) -> Network {
    let ipam = json!({ "type": "host-local", "subnet": subnet });
    Network::bridge().with(json!({ "ipam": ipam }))
}

fn forwarding(host: &Host) -> [String; 2] {
    ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"]
        .map(|name| host.tool("sysctl", ["-n", name]).trim().to_owned())
}

ferrule_testkit::test! {
    /// Without `isGateway` the bridge gets no address, and the host does not forward.
    fn a_bridge_without_a_gateway_has_no_address(host) {
        host.exec("sysctl -q -w net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0").succeeds();
        let network = Network::bridge().with(json!({ "isGateway": false }));
        let (first, second) = (network.attach(host, "c1"), network.attach(host, "c2"));
        assert!(host.addresses("cni0").is_empty());
        assert_eq!(forwarding(host), ["0", "0"]);
        assert!(answers_at_once(&first.container, second.address(0)));
        assert!(answers_at_once(&first.container, second.address(1)));
        Network::bridge().attach(host, "c3");
        assert_eq!(host.addresses("cni0"), ["10.1.2.1/24", "fd00:1:2::1/64"]);
        assert_eq!(forwarding(host), ["1", "1"]);
    }
}

ferrule_testkit::test! {
    /// The default gateway is the first address of the network.
    fn the_first_address_is_the_gateway(host) {
        let network = Network::bridge().with_addresses(&["10.1.2.77/25", "fd00:1:2::77/120"]);
        let attachment = network.attach(host, "c1");
        assert_eq!(host.addresses("cni0"), ["10.1.2.1/25", "fd00:1:2::1/120"]);
        let gateways = attachment.result["ips"].as_array().unwrap();
        let gateways = gateways.iter().map(|ip| ip["gateway"].as_str().unwrap());
        assert_eq!(gateways.collect::<Vec<_>>(), ["10.1.2.1", "fd00:1:2::1"]);
    }
}

ferrule_testkit::test! {
    /// Another IPv4 address on the bridge is an error, or is replaced with `forceAddress`.
    fn another_ipv4_address_conflicts(host) {
        network("10.1.2.0/24").attach(host, "c1");
        host.netns("c2");
        let other = network("10.9.0.0/16");
        let text = "\"cni0\" already has an IP address different from 10.9.0.1/16";
        other.call(host, "c2").add().fails_with_code(7).mentions(text).mentions("10.1.2.1/24");
        assert_eq!(host.addresses("cni0"), ["10.1.2.1/24"]);
        let newer = other.clone().with(json!({ "cniVersion": "1.1.0" }));
        newer.call(host, "c2").status().fails_with_code(50).mentions(text).mentions("10.1.2.1/24");
        newer.clone().with(json!({ "forceAddress": true })).call(host, "c2").status().succeeds();
        newer.clone().with(json!({ "isGateway": false })).call(host, "c2").status().succeeds();
        let either = json!({ "type": "host-local", "ranges": [[
            { "subnet": "10.9.0.0/16" }, { "subnet": "10.1.2.0/24" }]] });
        newer.clone().with(json!({ "ipam": either })).call(host, "c2").status().succeeds();
        let forced = other.with(json!({ "forceAddress": true })).attach(host, "c3");
        assert_eq!(host.addresses("cni0"), ["10.9.0.1/16"]);
        assert!(answers_at_once(&forced.container, "10.9.0.1"));
    }
}

ferrule_testkit::test! {
    /// IPv6 networks share a bridge unless one contains the other.
    fn only_overlapping_ipv6_networks_conflict(host, wanted in ["fd00:1:2:3::/80", "fd00:1::/32"]) {
        network("fd00:1:2:3::/64").attach(host, "c1");
        network("fd00:9::/64").attach(host, "c2");
        let addresses = ["fd00:1:2:3::1/64", "fd00:9::1/64"];
        let found = host.addresses("cni0");
        assert!(addresses.iter().all(|one| found.iter().any(|other| other == one)), "{found:?}");
        host.netns("c3");
        let other = network(wanted);
        other.call(host, "c3").add().fails_with_code(7).mentions("already has an IP address different");
        assert_eq!(host.addresses("cni0").len(), 2);
        other.with(json!({ "forceAddress": true })).attach(host, "c4");
        let found = host.addresses("cni0");
        assert!(!found.contains(&"fd00:1:2:3::1/64".to_owned()), "{found:?}");
        assert!(found.contains(&"fd00:9::1/64".to_owned()) && found.len() == 2, "{found:?}");
    }
}

ferrule_testkit::test! {
    /// The MAC address of the bridge does not change while containers are added and removed.
    fn the_bridge_keeps_its_mac_address(host, gateway in ["true", "false"]) {
        let network = Network::bridge().with(json!({ "isGateway": gateway == "true" }));
        let first = network.attach(host, "c0");
        let mac = host.link("cni0")["address"].clone();
        assert_ne!(mac, host.link(first.host_end())["address"]);
        let others: Vec<_> = (1..8).map(|number| network.attach(host, &format!("c{number}"))).collect();
        assert_eq!(host.link("cni0")["address"], mac);
        first.check().succeeds();
        for attachment in &others {
            attachment.detach();
        }
        assert_eq!(host.link("cni0")["address"], mac);
        first.check().succeeds();
        first.detach();
        assert_eq!(host.link("cni0")["address"], mac);
    }
}

ferrule_testkit::test! {
    /// A bridge that the administrator created is used unchanged, and brought up.
    fn an_existing_bridge_is_used(host) {
        host.ip("link add cni0 address 02:00:00:00:00:01 type bridge");
        host.ip("link set cni0 mtu 1280");
        host.ip("address add fd00:77::1/64 dev cni0");
        let before = host.link("cni0")["ifindex"].clone();
        let attachment = Network::bridge().attach(host, "c1");
        let bridge = host.link("cni0");
        assert_eq!((&bridge["ifindex"], &bridge["mtu"]), (&before, &json!(1280)));
        assert_eq!(bridge["address"], "02:00:00:00:00:01");
        assert!(host.addresses("cni0").contains(&"fd00:77::1/64".to_owned()));
        assert!(answers_at_once(&attachment.container, "10.1.2.1"));
        assert!(answers_at_once(&attachment.container, "fd00:1:2::1"));
    }
}

ferrule_testkit::test! {
    /// A bridge whose MAC address was not set by hand takes that of a port. A gateway's bridge
    /// keeps the address that it had before the port.
    fn the_mac_address_of_a_gateway_is_fixed(host) {
        host.ip("link add cni0 type bridge");
        let mac = host.link("cni0")["address"].clone();
        let first = Network::bridge().attach(host, "c1");
        assert_eq!(host.link("cni0")["address"], mac);
        assert_eq!(first.result["interfaces"][0]["mac"], mac);
        assert_ne!(host.link(first.host_end())["address"], mac);
        let second = Network::bridge().attach(host, "c2");
        first.check().succeeds();
        first.detach();
        second.check().succeeds();
        second.detach();
        assert_eq!(host.link("cni0")["address"], mac);
    }
}

ferrule_testkit::test! {
    /// A bridge that is not a gateway takes the MAC address of a port. When it becomes a gateway,
    /// it gets an address of its own, which stays when the port is removed.
    fn a_gateway_does_not_share_the_mac_address_of_a_port(host) {
        host.ip("link add cni0 type bridge");
        let plain = Network::bridge().with(json!({ "isGateway": false })).attach(host, "plain");
        let port = |attachment: &Attachment| host.link(attachment.host_end())["address"].clone();
        assert_eq!(host.link("cni0")["address"], port(&plain));
        let gateway = Network::bridge().attach(host, "gateway");
        let mac = host.link("cni0")["address"].clone();
        assert!(mac != port(&plain) && mac != port(&gateway), "{mac}");
        assert_eq!(gateway.result["interfaces"][0]["mac"], mac);
        gateway.check().succeeds();
        assert!(answers_at_once(&gateway.container, "10.1.2.1"));
        plain.detach();
        gateway.check().succeeds();
        gateway.detach();
        assert_eq!(host.link("cni0")["address"], mac);
    }
}

ferrule_testkit::test! {
    /// Two addresses of one family with the same gateway: one gateway address, one default route.
    fn two_addresses_of_a_network(host) {
        let network = Network::bridge().with_addresses(&["10.1.2.7/24", "10.1.2.8/24"]);
        let attachment = network.with(json!({ "isDefaultGateway": true })).attach(host, "c1");
        assert_eq!(host.addresses("cni0"), ["10.1.2.1/24"]);
        assert_eq!(attachment.container.addresses("eth0"), ["10.1.2.7/24", "10.1.2.8/24"]);
        let routes: Value = attachment.container.ip_json("route show default");
        assert_eq!(routes.as_array().unwrap().len(), 1, "{routes}");
        for address in ["10.1.2.7", "10.1.2.8"] {
            assert!(answers_at_once(host, address));
        }
        attachment.check().succeeds();
    }
}
