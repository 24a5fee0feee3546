//! Many at once.

use ferrule_testkit::{Call, Outcome, Running};
use serde_json::json;

use crate::firewall::node::{Node, needs};

/// How many run at the same time.
const AT_ONCE: usize = 50;

fn all(calls: &[(Call, &'static str)]) {
    for some in calls.chunks(AT_ONCE) {
        let running: Vec<Running> = some
            .iter()
            .map(|(call, verb)| call.clone().verb(verb).start())
            .collect();
        let outcomes: Vec<Outcome> = running.into_iter().map(Running::wait).collect();
        for outcome in outcomes {
            outcome.succeeds();
        }
    }
}

ferrule_testkit::test! {
    /// Five hundred containers come and go, fifty at once, beside somebody who changes the same
    /// tables: no rule is lost, none is left, none is there twice.
    fn nothing_is_lost_or_left(host, case in [
        "iptables", "legacy iptables", "nftables beside iptables", "nftables beside a ruleset",
    ] => needs)
    needs [Iptables, Ip6tables, Nftables] {
        let node = Node::new(host, case);
        let address = |number: usize| format!("10.1.{}.{}", number / 200, number % 200 + 2);
        let calls: Vec<Call> = (0..500)
            .map(|number| {
                let policy = ["open", "same-bridge"][number % 2];
                let keys = json!({ "ingressPolicy": policy });
                let bridge = u8::try_from(number % 5).unwrap();
                node.call(bridge, &format!("c{number}"), &[&address(number)], &keys)
            })
            .collect();
        let (early, late) = calls.split_at(250);
        let verb = |calls: &[Call], verb: &'static str| -> Vec<(Call, &'static str)> {
            calls.iter().map(|call| (call.clone(), verb)).collect()
        };
        let disturbance = host.start([
            "sh", "-c",
            "while :; do iptables -w -A INPUT -s 203.0.113.1; iptables -w -D INPUT -s 203.0.113.1; sleep 0.05; done",
        ]);
        all(&verb(early, "ADD"));
        // The first half goes while the second one comes.
        let (going, coming) = (verb(early, "DEL"), verb(late, "ADD"));
        let both: Vec<_> = going.into_iter().zip(coming).flat_map(|(a, b)| [a, b]).collect();
        all(&both);
        all(&verb(late, "CHECK"));
        let mut disturbance = disturbance;
        disturbance.kill();
        disturbance.wait();
        let rules = node.rules();
        let count = |needle: &str| rules.lines().filter(|line| line.contains(needle)).count();
        for number in [0, 1, 249] {
            assert_eq!(node.rules_about(&address(number)), Vec::<String>::new());
        }
        if case.ends_with("iptables") {
            assert_eq!(count("--ctstate RELATED,ESTABLISHED"), 250, "{rules}");
            assert_eq!(count("-j CNI-FORWARD"), 1, "{rules}");
        }
        all(&verb(late, "DEL"));
        for number in [250, 251, 499] {
            assert_eq!(node.rules_about(&address(number)), Vec::<String>::new());
        }
        assert!(!node.rules().contains("10.1."), "{}", node.rules());
    }
}

ferrule_testkit::test! {
    /// firewalld, too, is told of each of many that come and go at once.
    fn firewalld_serves_many(host) needs [Nftables, Tool("firewalld"), Tool("dbus-daemon")] {
        let node = Node::new(host, "firewalld");
        let calls: Vec<Call> = (0..100)
            .map(|number| {
                let address = format!("10.1.1.{}", number + 2);
                node.call(1, &format!("c{number}"), &[&address], &json!({}))
            })
            .collect();
        let verb = |calls: &[Call], verb: &'static str| -> Vec<(Call, &'static str)> {
            calls.iter().map(|call| (call.clone(), verb)).collect()
        };
        let (early, late) = calls.split_at(50);
        all(&verb(early, "ADD"));
        let (going, coming) = (verb(early, "DEL"), verb(late, "ADD"));
        let both: Vec<_> = going.into_iter().zip(coming).flat_map(|(a, b)| [a, b]).collect();
        all(&both);
        all(&verb(late, "CHECK"));
        let sources = host.tool("firewall-cmd", "--zone=trusted --list-sources");
        assert_eq!(sources.split_whitespace().count(), 50, "{sources}");
    }
}
