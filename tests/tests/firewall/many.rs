//! Many containers at the same time.

use ferrule_testkit::{Call, Outcome, Running};
use serde_json::json;

use crate::firewall::node::{Node, needs};

/// Number of calls that run at the same time.
const PARALLEL: usize = 50;

fn run_in_parallel(calls: &[(Call, &'static str)]) {
    for some in calls.chunks(PARALLEL) {
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
    /// Five hundred containers are attached and detached, fifty at a time, while another process changes
    /// the same tables: no rule is lost, left or duplicated.
    fn parallel_calls_lose_and_leave_no_rule(host, case in [
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
        run_in_parallel(&verb(early, "ADD"));
        // DEL of the first half in parallel with ADD of the second.
        let (dels, adds) = (verb(early, "DEL"), verb(late, "ADD"));
        let both: Vec<_> = dels.into_iter().zip(adds).flat_map(|(a, b)| [a, b]).collect();
        run_in_parallel(&both);
        run_in_parallel(&verb(late, "CHECK"));
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
        run_in_parallel(&verb(late, "DEL"));
        for number in [250, 251, 499] {
            assert_eq!(node.rules_about(&address(number)), Vec::<String>::new());
        }
        assert!(!node.rules().contains("10.1."), "{}", node.rules());
    }
}

ferrule_testkit::test! {
    /// The same with firewalld: no source is lost or left.
    fn firewalld_handles_parallel_calls(host) needs [Nftables, Tool("firewalld"), Tool("dbus-daemon")] {
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
        run_in_parallel(&verb(early, "ADD"));
        let (dels, adds) = (verb(early, "DEL"), verb(late, "ADD"));
        let both: Vec<_> = dels.into_iter().zip(adds).flat_map(|(a, b)| [a, b]).collect();
        run_in_parallel(&both);
        run_in_parallel(&verb(late, "CHECK"));
        let sources = host.tool("firewall-cmd", "--zone=trusted --list-sources");
        assert_eq!(sources.split_whitespace().count(), 50, "{sources}");
    }
}
