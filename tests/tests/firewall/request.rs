//! Requests, the answers to them, and refusals.

use ferrule_testkit::{Host, assert_same, binaries_folder};
use ferrule_tests::with_keys;
use serde_json::{Value, json};

use crate::firewall::node::{Node, result};

const ADDRESSES: [&str; 2] = ["10.1.1.2", "fd00:1:1::2"];

ferrule_testkit::test! {
    /// The versions are upstream's.
    fn versions_begin_with_0_4_0(host) {
        let versions = host.plugin("firewall").verb("VERSION").run().succeeds().json();
        assert_eq!(versions["supportedVersions"], json!(["0.4.0", "1.0.0", "1.1.0"]));
        let old = json!({ "cniVersion": "0.3.1", "name": "n", "type": "firewall" });
        let call = host.plugin("firewall").container("c").netns("/run/netns/c").ifname("eth0");
        call.config(&old).add().fails_with_code(1);
    }
}

ferrule_testkit::test! {
    /// The previous result is passed on, in the version of the configuration.
    fn the_previous_result_is_passed_on(host, version in ["0.4.0", "1.0.0", "1.1.0"]) needs [Nftables] {
        let mut given = result(1, &ADDRESSES);
        given["routes"] = json!([{ "dst": "0.0.0.0/0", "gw": "10.1.1.1" }]);
        given["dns"] = json!({ "nameservers": ["10.1.1.1"] });
        given["cniVersion"] = json!(if version == "0.4.0" { "0.3.1" } else { "1.0.0" });
        if version == "0.4.0" {
            for (place, kind) in ["4", "6"].iter().enumerate() {
                given["ips"][place]["version"] = json!(kind);
            }
        }
        let config = json!({
            "cniVersion": version, "name": "n", "type": "firewall", "backend": "nftables", "prevResult": given,
        });
        let call = host.plugin("firewall").container("c").netns("/run/netns/c").ifname("eth0");
        let call = call.config(&config);
        let answer = call.add().succeeds().json();
        given["cniVersion"] = json!(version);
        assert_eq!(answer, given);
        call.check().succeeds();
        call.del().succeeds().stdout_is("");
    }
}

ferrule_testkit::test! {
    /// A previous result without addresses gives nothing to do; STATUS and CHECK agree.
    fn without_addresses_nothing_is_done(host) needs [Nftables] {
        let node = Node::new(host, "nftables alone");
        let before = host.snapshot();
        let call = node.call(1, "c1", &[], &json!({ "ingressPolicy": "isolated" }));
        assert_eq!(call.add().succeeds().json()["interfaces"][0]["name"], "br1");
        call.check().succeeds();
        call.del().succeeds();
        assert_same(&before, &host.snapshot());
    }
}

fn refusals() -> Vec<(Value, &'static str, u64)> {
    vec![
        (
            json!({ "backend": "ebtables" }),
            "unrecognized backend \"ebtables\"",
            7,
        ),
        (json!({ "backend": 4 }), "backend", 6),
        (
            json!({ "ingressPolicy": "closed" }),
            "unknown ingress policy: \"closed\"",
            7,
        ),
        (
            json!({ "iptablesAdminChainName": "A B" }),
            "iptablesAdminChainName",
            7,
        ),
        (
            json!({ "nftablesForwardChains": ["x"] }),
            "nftablesForwardChains",
            7,
        ),
        (
            json!({ "backend": "nftables", "nftablesForwardChains": ["inet no forward"] }),
            "inet no forward is not a filter chain at the forward hook",
            7,
        ),
        (
            json!({ "prevResult": null }),
            "must be called as chained plugin",
            7,
        ),
        (
            json!({ "prevResult": { "cniVersion": "0.2.0" } }),
            "prevResult",
            999,
        ),
    ]
}

ferrule_testkit::test! {
    /// What makes no sense is refused with a clear word, and nothing is changed.
    fn nonsense_is_refused_and_changes_nothing(host) needs [Nftables, Iptables, Ip6tables] {
        let node = Node::new(host, "nftables beside a ruleset");
        let before = host.snapshot();
        for (keys, told, code) in refusals() {
            let call = node.call(1, "c1", &ADDRESSES, &json!({}));
            let config = node.config(1, &json!({ "prevResult": result(1, &ADDRESSES) }));
            call.config(with_keys(config, &keys)).add().fails_with_code(code).mentions(told);
            assert_same(&before, &host.snapshot());
        }
        let mut bare = result(1, &ADDRESSES);
        bare["interfaces"] = json!([]);
        let policy = node.config(1, &json!({ "ingressPolicy": "isolated", "prevResult": bare }));
        let call = node.call(1, "c1", &ADDRESSES, &json!({})).config(&policy);
        call.add().fails_with_code(7).mentions("make sure to chain \"firewall\" plugin with \"bridge\"");
        node.call_without_result(1, "c1").check().fails().mentions("prevResult");
        assert_same(&before, &host.snapshot());
    }
}

ferrule_testkit::test! {
    /// A node without iptables is told apart from one that has it, and only who needs it is refused.
    fn a_missing_tool_is_told(host) needs [Iptables, Ip6tables, Nftables] {
        let node = Node::new(host, "nftables beside a ruleset");
        host.exec("mount --bind /dev/null /usr/sbin/xtables-nft-multi").succeeds();
        let iptables = node.call(1, "c1", &ADDRESSES, &json!({ "backend": "iptables" }));
        iptables.status().fails_with_code(50).mentions("iptables").mentions("nftables");
        iptables.add().fails().mentions("executable file not found in PATH");
        iptables.del().succeeds();
        let default = node.call(1, "c1", &ADDRESSES, &json!({ "backend": "" }));
        default.status().fails_with_code(50);
        let nftables = node.call(1, "c1", &ADDRESSES, &json!({}));
        nftables.status().succeeds();
        nftables.add().succeeds();
        nftables.check().succeeds();
        nftables.del().succeeds();
        let elsewhere = json!({ "nftablesForwardChains": ["inet filter output"] });
        node.call(1, "c1", &ADDRESSES, &elsewhere).status().fails_with_code(50).mentions("inet filter output");
    }
}

ferrule_testkit::test! {
    /// A container without IPv6 needs no `ip6tables`; one with it is refused and leaves nothing.
    fn only_tools_that_are_needed_are_needed(host) needs [Iptables, Ip6tables] {
        let node = Node::new(host, "iptables");
        host.exec("mount -t tmpfs tmpfs /etc/alternatives").succeeds();
        for tool in ["iptables", "iptables-restore", "iptables-save"] {
            let link = format!("/etc/alternatives/{tool}");
            std::os::unix::fs::symlink("/usr/sbin/xtables-nft-multi", link).unwrap();
        }
        let single = node.call(1, "c1", &ADDRESSES[..1], &json!({}));
        single.status().succeeds();
        single.add().succeeds();
        single.check().succeeds();
        single.del().succeeds();
        let before = host.snapshot();
        let double = node.call(1, "c2", &ADDRESSES, &json!({}));
        double.add().fails().mentions("ip6tables: executable file not found in PATH");
        assert_same(&before, &host.snapshot());
    }
}

ferrule_testkit::test! {
    /// An administrator's chain may have any name.
    fn other_forward_chains_can_be_named(host) needs [Nftables] {
        let node = Node::new(host, "nftables alone");
        let ruleset = "table ip fw {\nchain onward { type filter hook forward priority 5; policy drop; }\n}\n";
        host.exec_with_input("nft -f -", ruleset).succeeds();
        let keys = json!({ "nftablesForwardChains": ["ip fw onward"] });
        let call = node.call(1, "c1", &ADDRESSES, &keys);
        call.add().succeeds();
        call.check().succeeds();
        let table = host.tool("nft", "list table ip fw");
        assert!(table.contains("jump CNI-FORWARD") && table.contains("10.1.1.2"), "{table}");
        assert!(!table.contains("cni_containers6"), "{table}");
        // DEL knows where it has been, whatever the configuration says.
        node.call_without_result(1, "c1").del().succeeds();
        assert_eq!(node.rules_about("10.1.1.2"), Vec::<String>::new());
        host.exec("nft delete table ip fw").succeeds();
        call.check().fails().mentions("ip fw onward");
    }
}

/// The processes that a verb starts, by their command lines.
fn started(host: &Host, verb: &str, config: &Value) -> Vec<String> {
    let executable = binaries_folder().join("firewall");
    let trace = host.work_folder().join(verb);
    let mut words = vec!["-f", "-e", "trace=execve", "-o", trace.to_str().unwrap()];
    words.push(executable.to_str().unwrap());
    let call = host
        .executable("/usr/bin/strace", words)
        .cni_path(binaries_folder());
    let call = call
        .container("c1")
        .netns("/run/netns/c1")
        .ifname("eth0")
        .config(config);
    call.verb(verb).run().succeeds();
    let trace = std::fs::read_to_string(trace).unwrap();
    let calls = trace.lines().filter(|line| line.contains("execve("));
    // The first one is the plugin itself.
    calls.skip(1).map(str::to_owned).collect()
}

ferrule_testkit::test! {
    /// With nftables no process is started, even where iptables has its tables.
    fn nftables_needs_no_process(host, case in ["nftables beside iptables", "nftables alone"])
    needs [Nftables, Iptables, Ip6tables, Tool("strace")] {
        let node = Node::new(host, case);
        let keys = json!({ "ingressPolicy": "isolated", "cni.dev/valid-attachments": [] });
        let mut config = node.config(1, &keys);
        config["prevResult"] = result(1, &ADDRESSES);
        for verb in ["STATUS", "ADD", "CHECK", "DEL", "GC"] {
            assert_eq!(started(host, verb, &config), Vec::<String>::new(), "{verb}");
        }
    }
}

ferrule_testkit::test! {
    /// iptables is started once per family by ADD, and where `nf_tables` holds its tables by no
    /// other verb.
    fn iptables_is_started_once_per_family(host) needs [Nftables, Iptables, Ip6tables, Tool("strace")] {
        let node = Node::new(host, "iptables");
        let keys = json!({ "ingressPolicy": "isolated", "cni.dev/valid-attachments": [] });
        let mut config = node.config(1, &keys);
        config["prevResult"] = result(1, &ADDRESSES);
        let add = started(host, "ADD", &config);
        assert_eq!(add.len(), 2, "{add:#?}");
        for (call, tool) in add.iter().zip(["/iptables-restore\"", "/ip6tables-restore\""]) {
            assert!(call.contains(tool) && call.contains("--noflush"), "{call}");
        }
        for verb in ["CHECK", "DEL", "GC"] {
            assert_eq!(started(host, verb, &config), Vec::<String>::new(), "{verb}");
        }
        config["prevResult"] = result(1, &ADDRESSES[..1]);
        assert_eq!(started(host, "ADD", &config).len(), 1);
    }
}
