//! The administrator's own rules, which come before the plugin's and are never touched.

use serde_json::json;

use crate::firewall::node::{CASES, Node, needs, result};

/// Those where packets go through a chain of the administrator's.
const WITH_CHAIN: &[&str] = CASES.split_last().unwrap().1;

ferrule_testkit::test! {
    /// What the administrator drops is dropped, what he accepts passes, and neither ADD nor DEL of
    /// other containers touches his rules.
    fn the_administrator_has_the_first_word(host, case in WITH_CHAIN => needs)
    needs [Iptables, Ip6tables, Nftables] {
        let node = Node::new(host, case);
        let outside = node.outside();
        let pod = node.pod(1, "pod", &json!({}));
        for (address, pod_address) in ["192.0.2.9", "2001:db8::9"].into_iter().zip(pod.addresses()) {
            assert!(pod.inside().ping(address) && !outside.ping(pod_address));
            node.administrate(address, "DROP");
            node.administrate(pod_address, "ACCEPT");
        }
        pod.firewall.add().succeeds();
        let other = node.call(1, "other", &["10.1.1.77", "fd00:1:1::77"], &json!({}));
        other.add().succeeds();
        other.del().succeeds();
        for (address, pod_address) in ["192.0.2.9", "2001:db8::9"].into_iter().zip(pod.addresses()) {
            assert!(!pod.inside().ping(address), "{address}");
            assert!(node.rules_about(pod_address).iter().any(|rule| rule.contains("ADMIN") || rule.contains("daddr")));
        }
        // What comes in is accepted; the answers are not, as they go where he drops.
        pod.firewall.check().succeeds();
    }
}

ferrule_testkit::test! {
    /// Another chain may be the administrator's; the networks' chains stand beside each other.
    fn each_network_may_have_a_chain_of_its_own(host, case in WITH_CHAIN => needs)
    needs [Iptables, Ip6tables, Nftables] {
        let node = Node::new(host, case);
        let first = node.call(1, "c1", &["10.1.1.2", "fd00:1:1::2"], &json!({ "iptablesAdminChainName": "ONE" }));
        let second = node.call(2, "c2", &["10.1.2.2", "fd00:1:2::2"], &json!({ "iptablesAdminChainName": "TWO" }));
        for _ in 0..2 {
            first.add().succeeds().json();
            second.add().succeeds();
        }
        first.check().succeeds();
        second.check().succeeds();
        let rules = node.rules();
        assert!(!rules.contains("CNI-ADMIN"), "{rules}");
        let jumps = |chain: &str| {
            let ends = [format!("-j {chain}"), format!("jump {chain}"), format!("jump {chain} comment")];
            let is_jump = |line: &&str| ends.iter().any(|end| line.ends_with(end) || line.contains(&format!("{end} ")));
            rules.lines().filter(is_jump).count()
        };
        // The same number of each, in every table there is.
        assert!(jumps("ONE") >= 1);
        assert_eq!(jumps("ONE"), jumps("TWO"), "{rules}");
    }
}

ferrule_testkit::test! {
    /// A chain of that name that is there already keeps its rules.
    fn rules_that_were_there_before_stay(host) needs [Iptables, Ip6tables] {
        let node = Node::new(host, "iptables");
        host.exec("iptables -N CNI-ADMIN").succeeds();
        host.exec("iptables -A CNI-ADMIN -d 203.0.113.1 -j DROP").succeeds();
        let call = node.call(1, "c1", &["10.1.1.2"], &json!({}));
        let answer = call.add().succeeds().json();
        assert_eq!(answer["ips"], result(1, &["10.1.1.2"])["ips"]);
        assert_eq!(node.rules_about("203.0.113.1/32").len() + node.rules_about("203.0.113.1").len(), 2);
        call.del().succeeds();
        let rules = host.iptables_rules("iptables", "filter", "CNI-ADMIN");
        let own = "-A CNI-ADMIN -d 203.0.113.1/32 -j DROP".to_owned();
        assert!(rules.contains(&own), "{rules:#?}");
    }
}
