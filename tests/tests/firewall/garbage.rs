//! GC.

use serde_json::json;

use crate::firewall::node::{CASES, Node, needs};

ferrule_testkit::test! {
    /// What belongs to attachments of the network that are not listed goes, and nothing else.
    fn what_is_not_listed_goes(host, case in CASES => needs)
    needs [Iptables, Ip6tables, Nftables] {
        let node = Node::new(host, case);
        let add = |number: u8, container: &str, address: &str| {
            let addresses = [address.to_owned(), format!("fd00:{}", &address.replace('.', ":"))];
            let addresses = [addresses[0].as_str(), addresses[1].as_str()];
            let addresses = [addresses[0], &addresses[1].replace(":10:", "::")].map(str::to_owned);
            let call = node.call(number, container, &[&addresses[0], &addresses[1]], &json!({}));
            call.add().succeeds();
            call
        };
        let kept = add(1, "kept", "10.1.1.2");
        add(1, "lost", "10.1.1.3");
        add(1, "gone", "10.1.1.4");
        let other = add(2, "other", "10.1.2.5");
        // The address of one that is gone may have a new owner.
        let heir = add(1, "heir", "10.1.1.4");
        let valid = json!({ "cni.dev/valid-attachments": [
            { "containerID": "kept", "ifname": "eth0" }, { "containerID": "heir", "ifname": "eth0" },
            { "containerID": "lost", "ifname": "eth1" },
        ] });
        let gc = node.call(1, "-", &[], &valid);
        gc.gc().succeeds().stdout_is("");
        for call in [&kept, &other, &heir] {
            call.check().succeeds();
        }
        assert_eq!(node.rules_about("10.1.1.3"), Vec::<String>::new());
        assert_eq!(node.rules_about("fd00::1:1:3"), Vec::<String>::new());
        gc.gc().succeeds();
        let none = json!({ "cni.dev/valid-attachments": null });
        node.call(1, "-", &[], &none).gc().succeeds();
        other.check().succeeds();
        for address in ["10.1.1.2", "10.1.1.4"] {
            assert_eq!(node.rules_about(address), Vec::<String>::new());
        }
    }
}

ferrule_testkit::test! {
    /// A GC that does not say what is alive does nothing.
    fn without_a_list_nothing_goes(host) needs [Nftables] {
        let node = Node::new(host, "nftables alone");
        let call = node.call(1, "c1", &["10.1.1.2"], &json!({}));
        call.add().succeeds();
        call.gc().succeeds().stdout_is("");
        call.check().succeeds();
    }
}

ferrule_testkit::test! {
    /// Elements tell whose they are even if the plugin's notes are lost.
    fn elements_are_collected_without_notes(host) needs [Nftables, Iptables, Ip6tables] {
        let node = Node::new(host, "nftables beside a ruleset");
        let kept = node.call(1, "kept", &["10.1.1.2"], &json!({}));
        let lost = node.call(1, "lost", &["10.1.1.3", "fd00::3"], &json!({}));
        let other = node.call(2, "other", &["10.1.2.4"], &json!({}));
        for call in [&kept, &lost, &other] {
            call.add().succeeds();
        }
        std::fs::remove_dir_all("/run/cni/firewall").unwrap();
        let valid = json!({ "cni.dev/valid-attachments": [{ "containerID": "kept", "ifname": "eth0" }] });
        node.call(1, "-", &[], &valid).gc().succeeds();
        kept.check().succeeds();
        other.check().succeeds();
        assert_eq!(node.rules_about("10.1.1.3"), Vec::<String>::new());
        assert_eq!(node.rules_about("fd00::3"), Vec::<String>::new());
        node.call_without_result(2, "other").del().succeeds();
        assert_eq!(node.rules_about("10.1.2.4"), Vec::<String>::new());
    }
}
