//! Rules of the Go plugins and ours on one node: each finds and removes the other's.

use cni_types::{Attachment, Attachments};
use ferrule_net::masquerade::{Masquerade, gc};
use ferrule_netfilter::Backend;
use ferrule_testkit::{Call, Container, Host};
use serde_json::json;

use super::place::{addresses, choose, id, ruleset};

/// The variants of iptables; the release of the Go plugins at hand knows no nftables.
const VARIANTS: [&str; 2] = ["iptables-nft", "iptables-legacy"];

/// A container and the call of the Go plugin that masquerades it.
fn peer(host: &Host) -> (Container, Call) {
    let container = host.netns("c");
    let config = json!({
        "cniVersion": "1.0.0", "name": "net", "type": "ptp", "ipMasq": true,
        "ipam": {
            "type": "host-local",
            "ranges": [[{ "subnet": "10.1.2.0/24" }], [{ "subnet": "fd00:1::/64" }]],
        },
    });
    let call = host
        .peer_plugin("ptp")
        .container("c")
        .netns(&container)
        .ifname("eth0");
    (container, call.config(&config))
}

const ADDRESSES: [&str; 2] = ["10.1.2.2/24", "fd00:1::2/64"];

ferrule_testkit::test! {
    /// What the Go plugin made passes our CHECK and goes with our DEL.
    fn rules_of_the_go_plugin_are_checked_and_removed(host, variant in VARIANTS)
        needs [Nftables, Iptables, Ip6tables, PeerPlugins] {
        choose(host, variant);
        let (_container, call) = peer(host);
        call.add().succeeds();
        let id = id("c", "eth0");
        let masquerade = Masquerade::of(&id);
        masquerade.check(None, &addresses(&ADDRESSES)).unwrap();
        masquerade.remove().unwrap();
        assert_eq!(ruleset(), "");
    }
}

ferrule_testkit::test! {
    /// What the Go plugin made for a container nobody knows any more goes with our GC.
    fn rules_of_the_go_plugin_are_collected(host, variant in VARIANTS)
        needs [Nftables, Iptables, Ip6tables, PeerPlugins] {
        choose(host, variant);
        let (_container, call) = peer(host);
        call.add().succeeds();
        let theirs = ruleset();
        gc("other", &Attachments::default()).unwrap();
        let alive = Attachment { container_id: "c".to_owned(), ifname: "eth0".to_owned() };
        gc("net", &[alive].into_iter().collect()).unwrap();
        assert_eq!(ruleset(), theirs);
        gc("net", &Attachments::default()).unwrap();
        assert_eq!(ruleset(), "");
    }
}

ferrule_testkit::test! {
    /// What we made goes with the DEL of the Go plugin; what that made is taken over by our ADD.
    fn the_go_plugin_removes_our_rules(host, variant in VARIANTS)
        needs [Nftables, Iptables, Ip6tables, PeerPlugins] {
        choose(host, variant);
        let (_container, call) = peer(host);
        call.add().succeeds();
        let id = id("c", "eth0");
        let ours = addresses(&ADDRESSES);
        let masquerade = Masquerade::of(&id);
        masquerade.add(Some(Backend::Iptables), &ours).unwrap();
        masquerade.check(None, &ours).unwrap();
        let entries = ruleset().lines().filter(|line| line.contains("POSTROUTING")).count();
        assert_eq!(entries, 2);
        call.del().succeeds();
        assert_eq!(ruleset(), "");
    }
}
