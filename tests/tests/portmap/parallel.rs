//! Many calls at once, and what each of them starts.

use std::collections::VecDeque;
use std::fs::File;

use ferrule_testkit::{Call, Running};
use serde_json::{Value, json};

use crate::portmap::FORMS;
use crate::portmap::node::{Node, mapping};

/// How many containers there are in all, and how many calls at once.
const CONTAINERS: u16 = 500;
const AT_ONCE: usize = 50;

/// A call about a container that has an address and two ports, and needs nothing else.
fn container(node: &Node<'_>, number: u16) -> Call {
    let mappings = [
        mapping("tcp", 10_000 + number, 80),
        mapping("udp", 10_000 + number, 80),
    ];
    let [high, low] = (number + 256).to_be_bytes();
    let address = format!("10.77.{high}.{low}");
    let mut config: Value = node.config(&mappings, &json!({}));
    config["prevResult"] = json!({
        "cniVersion": config["cniVersion"],
        "ips": [{ "address": format!("{address}/16") }],
    });
    let name = format!("container-{number}");
    node.call()
        .netns(format!("/run/netns/{name}"))
        .container(&name)
        .config(&config)
}

/// Runs calls, so many at once; all must succeed.
fn run_all(calls: impl IntoIterator<Item = Call>) {
    let mut running: VecDeque<Running> = VecDeque::new();
    let finish = |one: Running| drop(one.wait().succeeds());
    for call in calls {
        if running.len() == AT_ONCE
            && let Some(first) = running.pop_front()
        {
            finish(first);
        }
        running.push_back(call.start());
    }
    running.into_iter().for_each(finish);
}

ferrule_testkit::test! {
    /// 500 containers come and go, 50 calls at once: no rule is lost, none is left.
    fn a_storm_loses_nothing(host, form in FORMS)
        needs [Iptables, Ip6tables, Nftables, Ipv6, Tool("iptables-legacy")] {
        let node = Node::new(host, form);
        let call = |verb, number| container(&node, number).verb(verb);
        call("ADD", 0).run().succeeds();
        call("DEL", 0).run().succeeds();
        let skeleton = node.rules();
        run_all((0..CONTAINERS / 2).map(|number| call("ADD", number)));
        // ADD and DEL mixed: every second one of the first half goes while the second half comes.
        let mixed = (0..CONTAINERS / 2).flat_map(|number| {
            let leaving = (number % 2 == 0).then(|| call("DEL", number));
            let coming = call("ADD", CONTAINERS / 2 + number);
            leaving.into_iter().chain([coming])
        });
        run_all(mixed);
        let staying: Vec<u16> = (0..CONTAINERS)
            .filter(|number| *number >= CONTAINERS / 2 || number % 2 == 1)
            .collect();
        let rules = node.rules();
        for number in 0..CONTAINERS {
            let [high, low] = (number + 256).to_be_bytes();
            let address = format!("10.77.{high}.{low}");
            let ports = [":80", " . 80"].map(|port| rules.matches(&format!("{address}{port}")).count());
            let expected = if staying.contains(&number) { 2 } else { 0 };
            assert_eq!(ports[0] + ports[1], expected, "{address}");
        }
        for number in [1, 251, 499] {
            // Nobody routes to these addresses, so localhost has no way to them.
            container(&node, number).check().succeeds();
        }
        run_all(staying.into_iter().map(|number| call("DEL", number)));
        assert_eq!(node.rules(), skeleton);
        for lock in std::fs::read_dir("/run/cni/locks").unwrap() {
            let lock = File::open(lock.unwrap().path()).unwrap();
            assert!(lock.try_lock().is_ok(), "somebody still holds the lock");
        }
    }
}

/// What a verb about a container of both families executes, itself included.
fn executed(node: &Node<'_>, verb: &str) -> Vec<String> {
    let mut config = node.config(
        &[mapping("tcp", 10_007, 80), mapping("udp", 10_007, 80)],
        &json!({}),
    );
    config["prevResult"] = json!({
        "cniVersion": config["cniVersion"],
        "ips": [{ "address": "10.77.1.7/16" }, { "address": "fd00:77::7/64" }],
    });
    let trace = node.host.work_folder().join("trace");
    let folder = ferrule_testkit::binaries_folder();
    let (trace, plugin) = (trace.to_str().unwrap(), folder.join("portmap"));
    let words = [
        "-f",
        "-qq",
        "-e",
        "trace=execve",
        "-e",
        "status=successful",
        "-o",
        trace,
    ];
    let words = [&words[..], &[plugin.to_str().unwrap()]].concat();
    let call = node
        .host
        .executable("/usr/bin/strace", words)
        .cni_path(&folder);
    let call = call
        .container("container-7")
        .netns("/run/netns/container-7")
        .ifname("eth0");
    call.verb(verb).config(&config).run().succeeds();
    let text = std::fs::read_to_string(trace).unwrap();
    let paths = text.lines().filter_map(|line| line.split('"').nth(1));
    let names = paths.filter_map(|path| path.rsplit('/').next());
    names.map(str::to_owned).collect()
}

ferrule_testkit::test! {
    /// nftables needs no other process, and iptables one that writes per family and verb.
    fn verbs_start_little(host, form in ["iptables", "nftables", "maps"])
        needs [Iptables, Ip6tables, Nftables, Ipv6, Tool("strace")] {
        let node = Node::new(host, form);
        for verb in ["ADD", "CHECK", "DEL", "ADD", "ADD", "DEL", "DEL"] {
            let names = executed(&node, verb);
            if !node.is_iptables() {
                assert_eq!(names, ["portmap"], "{verb}");
                continue;
            }
            for tool in ["iptables-restore", "ip6tables-restore"] {
                let count = names.iter().filter(|name| *name == tool).count();
                assert!(count <= 1, "{verb}: {names:?}");
            }
            assert!(names.len() <= 7, "{verb}: {names:?}");
        }
    }
}
