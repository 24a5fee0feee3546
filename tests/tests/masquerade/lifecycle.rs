//! The rules after each verb.

use ferrule_testkit::{Host, Snapshot, assert_same, binaries_folder};
use ferrule_tests::Network;
use serde_json::json;

use super::{CASES, network};

/// What stays: the bridge, the address store, and empty tables.
const STAYS: &[&str] = &[
    "cni0",
    "/var/lib/cni",
    "cni_plugins_masquerade",
    "ip_forward",
    "forwarding",
];

/// The rules of both packet filters, as their tools print them.
fn rules(host: &Host) -> String {
    ["iptables-save", "ip6tables-save", "nft list ruleset"]
        .map(|command| {
            let words: Vec<&str> = command.split(' ').collect();
            host.exec(words).stdout
        })
        .join("\n")
}

/// Fails if either packet filter still names the container.
#[track_caller]
fn assert_no_rule_of(host: &Host, container: &str) {
    let rules = rules(host);
    let left: Vec<&str> = rules
        .lines()
        .filter(|line| line.contains(container))
        .collect();
    assert!(left.is_empty(), "{left:#?}");
    let chain = rules
        .lines()
        .find(|line| line.starts_with(":CNI-") || line.contains("-A CNI-"));
    assert_eq!(chain, None);
}

fn snapshot(host: &Host) -> Snapshot {
    host.snapshot().ignoring(STAYS)
}

ferrule_testkit::test! {
    /// DEL removes every rule: sent twice, without namespace and previous result, and without the
    /// key that ADD had.
    fn del_leaves_no_rule(host, case in CASES) needs [Iptables, Ip6tables, Nftables] {
        // The first attachment creates what stays.
        network(case).attach(host, "first-one").detach();
        let before = snapshot(host);

        let pod = network(case).attach(host, "pod-a");
        assert!(rules(host).contains("pod-a"));
        pod.detach();
        pod.detach();
        pod.container.remove();
        assert_same(&before, &snapshot(host));

        let pod = network(case).attach(host, "pod-b");
        pod.container.remove();
        pod.call.del().succeeds();
        assert_same(&before, &snapshot(host));

        let pod = network(case).attach(host, "pod-c");
        let without = network(case).with(json!({ "ipMasq": null, "ipMasqBackend": null }));
        without.call(host, "pod-c").del().succeeds();
        pod.container.remove();
        assert_same(&before, &snapshot(host));
    }
}

ferrule_testkit::test! {
    /// GC removes the rules of attachments that are not listed, and no others.
    fn gc_removes_what_is_not_listed(host, case in CASES) needs [Iptables, Ip6tables, Nftables] {
        let network = network(case);
        let (_kept, lost) = (network.attach(host, "kept-one"), network.attach(host, "lost-one"));
        lost.container.remove();
        let other = network.clone().with(json!({ "name": "other", "bridge": "cni1" }));
        let mut other = other;
        other.config["ipam"]["ranges"] = json!([[{ "subnet": "10.9.0.0/24" }]]);
        other.config["ipam"]["routes"] = json!([]);
        other.attach(host, "elsewhere");
        let list = json!([{ "containerID": "kept-one", "ifname": "eth0" }]);
        let valid = network.clone().with(json!({ "cni.dev/valid-attachments": list }));
        valid.call(host, "kept-one").gc().succeeds();
        let rules = rules(host);
        assert!(rules.contains("kept-one") && rules.contains("elsewhere"), "{rules}");
        assert!(!rules.contains("lost-one"), "{rules}");
    }
}

ferrule_testkit::test! {
    /// CHECK fails when a rule is missing, and names it.
    fn check_detects_missing_rules(host, case in CASES) needs [Iptables, Ip6tables, Nftables] {
        let pod = network(case).attach(host, "c1");
        pod.check().succeeds();
        if case.ends_with("nftables") {
            host.exec("nft flush chain inet cni_plugins_masquerade masq_checks").succeeds();
        } else {
            host.exec("iptables -t nat -F POSTROUTING").succeeds();
        }
        pod.check().fails().mentions("masquerade rule missing");
    }
}

ferrule_testkit::test! {
    /// An ADD that fails after it has added the rules removes them.
    fn a_failed_add_leaves_no_rule(host, case in CASES) needs [Iptables, Ip6tables, Nftables] {
        network(case).attach(host, "first-one").detach();
        host.netns("pod-x");
        let before = snapshot(host);
        // Writing the result is the last step.
        let plugin = binaries_folder().join(case.split(' ').next().unwrap());
        let words = ["-c", "exec \"$0\" >/dev/full", plugin.to_str().unwrap()];
        let unwritable = host.executable("/bin/sh", words).cni_path(binaries_folder());
        let unwritable = unwritable.container("pod-x").netns("/run/netns/pod-x").ifname("eth0");
        let unwritable = unwritable.config(&network(case).config).add();
        unwritable.fails();
        assert_same(&before, &snapshot(host));
        let unknown = network(case).with(json!({ "ipMasqBackend": "pf" }));
        unknown.call(host, "pod-x").add().fails_with_code(7).mentions("pf");
        assert_same(&before, &snapshot(host));
    }
}

ferrule_testkit::test! {
    /// DEL after an ADD that was killed at any system call leaves nothing.
    fn killed_anywhere(host, case in CASES) needs [Iptables, Ip6tables, Nftables] {
        network(case).attach(host, "first-one").detach();
        let pod = host.netns("pod-k");
        let call = network(case).call(host, "pod-k");
        let mut number = 1;
        while call.killed_at_syscall(number).is_some() {
            call.del().succeeds();
            assert!(!pod.has_link("eth0"), "killed at system call {number}");
            if number % 8 == 0 {
                assert_no_rule_of(host, "pod-k");
            }
            number += 1;
        }
        call.del().succeeds();
        assert_no_rule_of(host, "pod-k");
        assert!(number > 50, "{number}");
    }
}

ferrule_testkit::test! {
    /// Ferrule removes rules of the Go plugin, and the Go plugin those of Ferrule.
    fn each_suite_removes_rules_of_the_other(host, plugin in ["bridge", "ptp"]) needs [Iptables, Ip6tables, PeerPlugins] {
        let network = Network::of(plugin).version("1.0.0").with(json!({ "ipMasq": true }));
        host.netns("pod-g");
        network.peer_call(host, "pod-g").add().succeeds();
        assert!(rules(host).contains("pod-g"));
        network.call(host, "pod-g").del().succeeds();
        assert_no_rule_of(host, "pod-g");

        network.call(host, "pod-g").add().succeeds();
        assert!(rules(host).contains("pod-g"));
        network.peer_call(host, "pod-g").del().succeeds();
        assert_no_rule_of(host, "pod-g");
    }
}

ferrule_testkit::test! {
    /// STATUS reports that the configured packet filter is missing.
    fn status_reports_a_missing_tool(host, plugin in ["bridge", "ptp"]) needs [Iptables] {
        let network = Network::of(plugin).with(json!({ "ipMasq": true, "ipMasqBackend": "iptables" }));
        let call = network.call(host, "c1");
        call.status().succeeds();
        // Without the tools, in all folders that are searched.
        for folder in ["/usr/sbin", "/sbin", "/usr/local/sbin"] {
            host.exec(["mount", "-t", "tmpfs", "tmpfs", folder]);
        }
        call.env("PATH", "/nowhere").status().fails_with_code(50).mentions("iptables");
    }
}

ferrule_testkit::test! {
    /// With nftables no process is started, since the address plugin runs in the same executable.
    fn nftables_needs_no_process(host, plugin in ["bridge", "ptp"]) needs [NamedBuild, Nftables, Tool("strace")] {
        let network = Network::of(plugin).with(json!({ "ipMasq": true, "ipMasqBackend": "nftables" }));
        host.netns("c1");
        let executable = binaries_folder().join(plugin);
        for verb in ["ADD", "DEL"] {
            let trace = host.work_folder().join(verb);
            let words = ["-f", "-e", "trace=execve", "-o", trace.to_str().unwrap(), executable.to_str().unwrap()];
            let call = host.executable("/usr/bin/strace", words).cni_path(binaries_folder());
            let call = call.container("c1").netns("/run/netns/c1").ifname("eth0").config(&network.config);
            call.verb(verb).run().succeeds();
            let trace = std::fs::read_to_string(trace).unwrap();
            let started: Vec<&str> = trace.lines().filter(|line| line.contains("execve(")).collect();
            assert_eq!(started.len(), 1, "{started:#?}");
        }
    }
}
