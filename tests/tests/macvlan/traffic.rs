//! Packets on the wire and between containers, as soon as ADD has returned.

use std::time::Duration;

use ferrule_testkit::{Container, Host};
use ferrule_tests::{Attachment, Network, Wire, answers_at_once};
use serde_json::json;

/// Addresses of the peer on the wire.
const FAR: [&str; 2] = ["10.1.2.1", "fd00:1:2::1"];

fn attach(host: &Host, mode: &str, container: &str) -> Attachment {
    let network = Network::on_wire("macvlan").with(json!({ "mode": mode }));
    let attachment = network.attach(host, container);
    let link = attachment.container.link("eth0");
    assert_eq!(link["linkinfo"]["info_kind"], "macvlan");
    assert_eq!(link["linkinfo"]["info_data"]["mode"], mode);
    attachment
}

fn reaches_far(container: &Container) {
    for address in FAR {
        assert!(answers_at_once(container, address), "{address}");
    }
}

ferrule_testkit::test! {
    /// In each mode container and peer reach each other at once over both families; other
    /// containers of the master are reached in mode bridge only.
    fn modes_select_the_reachable_containers(host, mode in ["bridge", "private", "vepa"])
        needs [Macvlan] {
        let wire = Wire::new(host);
        let (first, second) = (attach(host, mode, "c1"), attach(host, mode, "c2"));
        reaches_far(&first.container);
        reaches_far(&second.container);
        for position in [0, 1] {
            assert!(answers_at_once(&wire.far, second.address(position)));
            let between = answers_at_once(&first.container, second.address(position));
            assert_eq!(between, mode == "bridge");
        }
    }
}

ferrule_testkit::test! {
    /// In mode vepa containers reach each other through a switch that sends frames back; in mode
    /// private they do not.
    fn a_reflecting_switch_connects_only_vepa(host, mode in ["vepa", "private"]) needs [Macvlan] {
        let wire = Wire::without_addresses(host);
        wire.far.ip("link add reflector type bridge");
        wire.far.ip("link set wire1 master reflector");
        wire.far.ip("link set wire1 type bridge_slave hairpin on");
        wire.far.ip("link set reflector up");
        wire.answer_on("reflector");
        let (first, second) = (attach(host, mode, "c1"), attach(host, mode, "c2"));
        reaches_far(&first.container);
        assert_eq!(answers_at_once(&first.container, second.address(0)), mode == "vepa");
    }
}

ferrule_testkit::test! {
    /// In mode passthru the container has the master's MAC address, and no other link can be
    /// created on the master.
    fn passthru_owns_the_master(host) needs [Macvlan] {
        let wire = Wire::new(host);
        let attachment = attach(host, "passthru", "c1");
        let mac = host.link("wire0")["address"].clone();
        assert_eq!(attachment.result["interfaces"][0]["mac"], mac);
        assert_eq!(attachment.container.link("eth0")["address"], mac);
        reaches_far(&attachment.container);
        assert!(answers_at_once(&wire.far, attachment.address(0)));

        let network = Network::on_wire("macvlan");
        for mode in ["passthru", "bridge"] {
            let container = host.netns(mode);
            let second = network.clone().with(json!({ "mode": mode })).call(host, mode);
            second.add().fails().mentions("passthru");
            second.del().succeeds();
            assert!(!container.has_link("eth0"));
        }
        attachment.check().succeeds();
    }
}

ferrule_testkit::test! {
    /// Without an address plugin the link is up and usable.
    fn a_link_without_addresses(host) needs [Macvlan] {
        let wire = Wire::new(host);
        let attachment = Network::on_wire("macvlan").without_ipam().attach(host, "c1");
        assert_eq!(attachment.result["ips"], json!(null));
        let link = attachment.container.link("eth0");
        assert_eq!(link["operstate"], "UP");
        assert_eq!(attachment.container.addresses("eth0"), Vec::<String>::new());
        attachment.container.ip("address add 10.1.2.77/24 dev eth0");
        assert!(answers_at_once(&wire.far, "10.1.2.77"));
        attachment.check().succeeds();
        attachment.container.ip("link set eth0 down");
        attachment.check().fails().mentions("down");
        attachment.detach();
        assert!(!attachment.container.has_link("eth0"));
    }
}

ferrule_testkit::test! {
    /// ADD announces an address to a peer that has an earlier owner in its cache, over both
    /// families.
    fn reused_addresses_are_announced(host) needs [Macvlan] {
        let wire = Wire::new(host);
        for address in ["10.1.2.2", "fd00:1:2::2"] {
            wire.far.ip(["neigh", "add", address, "lladdr", "02:00:00:00:00:99", "dev", "wire1",
                         "nud", "stale"]);
        }
        let capture = wire.far.capture();
        let attachment = Network::on_wire("macvlan").attach(host, "c1");
        assert_eq!([attachment.address(0), attachment.address(1)], ["10.1.2.2", "fd00:1:2::2"]);
        let mac = attachment.result["interfaces"][0]["mac"].as_str().unwrap();
        let announced = capture.wait_for(Duration::from_secs(2), |frame| {
            let arp = frame.arp().filter(|arp| arp.sender == arp.target);
            arp.is_some_and(|arp| arp.sender_mac == mac && arp.sender.to_string() == "10.1.2.2")
        });
        assert!(announced.is_some());
        for address in ["10.1.2.2", "fd00:1:2::2"] {
            let known = wire.far.ip(["neigh", "show", address, "dev", "wire1"]);
            assert!(known.contains(mac), "{known}");
        }
    }
}

ferrule_testkit::test! {
    /// `linkInContainer` creates the link on an interface of the container.
    fn the_master_may_be_in_the_container(host) needs [Macvlan] {
        let wire = Wire::new(host);
        let network = Network::on_wire("macvlan").with(json!({ "linkInContainer": true }));
        let call = network.call(host, "c1");
        let container = host.netns("c1");
        call.add().fails().mentions("wire0");
        host.ip("link set wire0 netns c1");
        container.ip("link set wire0 up");
        let result = call.add().succeeds().json();
        reaches_far(&container);
        let checked = network.with(json!({ "prevResult": result })).call(host, "c1");
        checked.check().succeeds();
        call.del().succeeds();
        assert!(!container.has_link("eth0") && container.has_link("wire0"));
        drop(wire);
    }
}
