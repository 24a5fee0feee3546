//! What DEL leaves: nothing that is the container's.

use ferrule_testkit::{Host, Snapshot, assert_same, binaries_folder};
use serde_json::{Value, json};

use crate::firewall::node::{CASES, Node, needs};

const ADDRESSES: [&str; 2] = ["10.1.1.2", "fd00:1:1::2"];

/// The host once all that stays is there: chains without the containers' rules, and folders.
fn settled(node: &Node) -> Snapshot {
    let first = node.call(1, "first", &["10.1.1.99", "fd00:1:1::99"], &json!({}));
    first.add().succeeds();
    first.del().succeeds();
    node.host.snapshot()
}

#[track_caller]
fn assert_clean(node: &Node, before: &Snapshot) {
    assert_same(before, &node.host.snapshot());
    for address in ADDRESSES {
        assert_eq!(node.rules_about(address), Vec::<String>::new());
    }
}

ferrule_testkit::test! {
    /// With the result of ADD or without, once or twice, and with the namespace gone.
    fn del_leaves_nothing(host, case in CASES => needs)
    needs [Iptables, Ip6tables, Nftables] {
        let node = Node::new(host, case);
        let before = settled(&node);
        let call = node.call(1, "c1", &ADDRESSES, &json!({}));
        let nameless = node.call_without_result(1, "c1");
        let nowhere = nameless.clone().without_env("CNI_NETNS");
        let recycled = nameless.clone().netns(host.path());
        for del in [&call, &nameless, &nowhere, &recycled] {
            call.add().succeeds();
            call.add().succeeds();
            assert!(!node.rules_about(ADDRESSES[0]).is_empty());
            del.del().succeeds().stdout_is("");
            assert_clean(&node, &before);
            del.del().succeeds();
            call.del().succeeds();
            assert_clean(&node, &before);
        }
    }
}

ferrule_testkit::test! {
    /// Whatever the configuration says now, what ADD did is undone.
    fn del_does_not_care_for_the_configuration_of_today(host, case in CASES => needs)
    needs [Iptables, Ip6tables, Nftables] {
        let node = Node::new(host, case);
        let before = settled(&node);
        let call = node.call(1, "c1", &ADDRESSES, &json!({}));
        for keys in [
            json!({ "backend": "iptables" }), json!({ "backend": "nftables" }), json!({ "backend": "" }),
            json!({ "backend": "no such thing" }), json!({ "backend": 7 }), json!({ "ingressPolicy": "none" }),
            json!({ "firewalldZone": "public", "iptablesAdminChainName": "X" }),
            json!({ "prevResult": { "cniVersion": "0.2.0" } }), json!({ "prevResult": 3 }),
        ] {
            call.add().succeeds();
            let mut config = node.config(1, &keys);
            config["cniVersion"] = json!("1.0.0");
            call.clone().config(&config).del().succeeds();
            assert_clean(&node, &before);
        }
    }
}

ferrule_testkit::test! {
    /// An ADD whose result cannot be told takes everything back.
    fn a_failed_add_leaves_nothing(host, case in CASES => needs)
    needs [Iptables, Ip6tables, Nftables] {
        let node = Node::new(host, case);
        let before = settled(&node);
        let plugin = binaries_folder().join("firewall");
        let words = ["-c", "exec \"$0\" >/dev/full", plugin.to_str().unwrap()];
        let call = host.executable("/bin/sh", words).cni_path(binaries_folder());
        let call = call.container("c1").netns("/run/netns/c1").ifname("eth0");
        let mut config = node.config(1, &json!({}));
        config["prevResult"] = crate::firewall::node::result(1, &ADDRESSES);
        call.config(&config).add().fails();
        assert_clean(&node, &before);
    }
}

ferrule_testkit::test! {
    /// An ADD for other addresses, or with another back end, replaces the one before.
    fn an_add_replaces_the_one_before(host, case in CASES => needs)
    needs [Iptables, Ip6tables, Nftables] {
        let node = Node::new(host, case);
        let before = settled(&node);
        node.call(1, "c1", &ADDRESSES, &json!({})).add().succeeds();
        let moved = node.call(1, "c1", &["10.1.1.3"], &json!({}));
        moved.add().succeeds();
        for address in ADDRESSES {
            assert_eq!(node.rules_about(address), Vec::<String>::new());
        }
        assert!(!node.rules_about("10.1.1.3").is_empty());
        moved.check().succeeds();
        moved.del().succeeds();
        assert_clean(&node, &before);
    }
}

/// ADD for one container, then for another one with the same address, then DEL of the first, in
/// whatever form it comes: the second one keeps its rules.
fn reuse(host: &Host, case: &str, late: impl Fn(&Node, &Value) -> Value) {
    let node = Node::new(host, case);
    let before = settled(&node);
    let first = node.call(1, "old", &ADDRESSES, &json!({}));
    let second = node.call(1, "new", &ADDRESSES, &json!({}));
    first.add().succeeds();
    second.add().succeeds();
    let mut config = node.config(1, &json!({}));
    config["prevResult"] = crate::firewall::node::result(1, &ADDRESSES);
    first
        .check()
        .fails()
        .mentions("belongs to container \"new\" now");
    let config = late(&node, &config);
    first.clone().config(&config).del().succeeds();
    second.check().succeeds();
    first.clone().config(&config).del().succeeds();
    second.check().succeeds();
    second.del().succeeds();
    assert_clean(&node, &before);
}

ferrule_testkit::test! {
    /// A DEL that comes late leaves the rules of the container that has the address now.
    fn a_late_del_hits_nobody_else(host, case in CASES => needs)
    needs [Iptables, Ip6tables, Nftables] {
        reuse(host, case, |_, config| config.clone());
    }
}

ferrule_testkit::test! {
    /// The same without the result of ADD.
    fn a_late_del_without_result_hits_nobody_else(host, case in CASES => needs)
    needs [Iptables, Ip6tables, Nftables] {
        reuse(host, case, |node, _| node.config(1, &json!({})));
    }
}

ferrule_testkit::test! {
    /// On a node where the plugin never ran DEL and GC succeed and make nothing.
    fn nothing_is_made_where_nothing_was(host, backend in ["", "iptables", "nftables", "firewalld"])
    needs [Iptables, Ip6tables, Nftables] {
        let node = Node::new(host, "nftables alone");
        let before = host.snapshot();
        let keys = json!({ "backend": backend, "cni.dev/valid-attachments": [] });
        let call = node.call(1, "c1", &ADDRESSES, &keys);
        call.del().succeeds();
        call.gc().succeeds();
        assert_same(&before, &host.snapshot());
    }
}
