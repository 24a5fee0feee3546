//! `macspoofchk`: a container sends only from its own MAC address.

use ferrule_tests::{Attachment, Network, answers_at_once};
use serde_json::json;

fn network() -> Network {
    Network::bridge().with(json!({ "macspoofchk": true }))
}

/// Changes the MAC address of the container end, as the container could.
fn change_mac(pod: &Attachment, mac: &str) {
    pod.container
        .ip(format!("link set eth0 address {mac}").as_str());
}

ferrule_testkit::test! {
    /// Frames from another MAC address are dropped, and accepted again from the right one.
    fn foreign_source_addresses_are_dropped(host) needs [Nftables] {
        let pod = network().attach(host, "c1");
        let mac = pod.container.link("eth0")["address"].as_str().unwrap().to_owned();
        assert!(answers_at_once(&pod.container, "10.1.2.1"));
        change_mac(&pod, "02:00:00:00:00:77");
        assert!(!answers_at_once(&pod.container, "10.1.2.1"));
        change_mac(&pod, &mac);
        assert!(pod.container.ping("10.1.2.1"));
    }
}

ferrule_testkit::test! {
    /// CHECK detects a missing rule; DEL leaves none, also without the namespace; GC removes the
    /// rest.
    fn rules_are_added_checked_and_removed(host) needs [Nftables] {
        let rules = || host.exec("nft list table bridge nat").stdout;
        let pod = network().attach(host, "c1");
        assert!(rules().contains("macspoofchk-c1-eth0"));
        pod.check().succeeds();
        host.exec("nft flush chain bridge nat cni-br-iface-c1-eth0-mac").succeeds();
        pod.check().fails().mentions("cni-br-iface-c1-eth0-mac");
        pod.detach();
        pod.detach();
        assert!(!rules().contains("c1"), "{}", rules());

        let gone = network().attach(host, "c2");
        gone.container.remove();
        gone.call.del().succeeds();
        assert!(!rules().contains("c2"), "{}", rules());

        network().attach(host, "c3");
        let valid = network().with(json!({ "cni.dev/valid-attachments": [] }));
        valid.call(host, "c3").gc().succeeds();
        assert!(!rules().contains("c3"), "{}", rules());
    }
}
