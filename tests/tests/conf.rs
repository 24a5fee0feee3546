//! The ready-made networks of `conf/` are ready.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use ferrule_testkit::{Call, Host, assert_same};
use ferrule_tests::dhcp::{Daemon, Pool, Segment, Server, ServerKind, wait_until};
use serde_json::{Value, json};

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../conf"))
}

/// The files and what is in them.
fn networks() -> impl Iterator<Item = (String, Value)> {
    let files = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap());
    let networks = files.filter(|file| {
        file.path()
            .extension()
            .is_some_and(|kind| kind == "conf" || kind == "conflist")
    });
    networks.map(|file| {
        let text = fs::read(file.path()).unwrap();
        let network = serde_json::from_slice(&text).unwrap();
        (file.file_name().into_string().unwrap(), network)
    })
}

/// A host with a way out, as nodes have one.
fn connected(host: &Host) {
    host.ip("link add wan0 type veth peer name wire0");
    host.ip("link set wire0 up");
    host.ip("link set wan0 up");
    host.ip("address add 192.0.2.1/24 dev wan0");
    host.ip("route add default via 192.0.2.254");
}

fn cnitool(host: &Host, words: &str) -> Call {
    host.cnitool(words).env("NETCONFPATH", folder())
}

/// Attaches two containers to a network, looks whether they reach each other, and takes them away.
#[track_caller]
fn assert_ready(host: &Host, network: &str, arguments: &Value) {
    connected(host);
    let containers = ["c1", "c2"].map(|name| host.netns(name));
    let run = |verb: &str, name: &str| {
        let call = cnitool(host, &format!("{verb} {network} /run/netns/{name}"));
        call.env("CAP_ARGS", arguments.to_string()).run().succeeds()
    };
    cnitool(host, &format!("status {network}")).run().succeeds();
    // What the first attachment makes for all of them stays: bridge, tables, chains.
    run("add", "c1");
    run("del", "c1");
    let ignored = [
        "cni0",
        "cni10",
        "cni30",
        "cni60",
        "cni70",
        "cni80",
        "/run/cni/tuning",
        "/var/lib/cni",
    ];
    let before = host.snapshot().ignoring(&ignored);
    let results = ["c1", "c2"].map(|name| run("add", name).json());
    for name in ["c1", "c2"] {
        run("check", name);
    }
    let [first, second] = &containers;
    let reached = |result: &Value| {
        let addresses: Vec<String> = result["ips"]
            .as_array()
            .unwrap()
            .iter()
            .map(|ip| ip["address"].as_str().unwrap())
            .map(|address| address.split('/').next().unwrap().to_owned())
            .collect();
        assert!(!addresses.is_empty());
        addresses
    };
    for address in reached(&results[1]) {
        assert!(first.ping(&address), "c1 does not reach {address}");
    }
    for address in reached(&results[0]) {
        assert!(second.ping(&address), "c2 does not reach {address}");
    }
    for name in ["c1", "c2"] {
        run("del", name);
    }
    assert_same(&before, &host.snapshot().ignoring(&ignored));
}

ferrule_testkit::test! {
    fn the_bridge_is_ready(host) needs [Ipv6] {
        assert_ready(host, "ferrule", &json!({}));
    }
}

ferrule_testkit::test! {
    fn the_routed_network_is_ready(host) needs [Ipv6] {
        assert_ready(host, "routed", &json!({}));
    }
}

ferrule_testkit::test! {
    fn the_network_with_ports_is_ready(host) needs [Ipv6, Iptables, Ip6tables] {
        let mapping = json!({ "hostPort": 8080, "containerPort": 80, "protocol": "tcp" });
        assert_ready(host, "published", &json!({ "portMappings": [] }));
        host.netns("server");
        let call = cnitool(host, "add published /run/netns/server");
        let mappings = json!({ "portMappings": [mapping] });
        let result = call.env("CAP_ARGS", mappings.to_string()).run().succeeds().json();
        assert_eq!(result["interfaces"].as_array().unwrap().len(), 3);
        let rules = host.iptables_rules("iptables", "nat", "");
        assert!(rules.iter().any(|rule| rule.contains("--dport 8080")), "{rules:#?}");
    }
}

ferrule_testkit::test! {
    fn the_network_with_limits_is_ready(host) needs [Ipv6, Ifb, TokenBucketFilter, IngressRedirect] {
        let limits = json!({ "bandwidth": { "ingressRate": 20_000_000, "ingressBurst": 2_000_000,
            "egressRate": 20_000_000, "egressBurst": 2_000_000 } });
        assert_ready(host, "limited", &limits);
        host.netns("server");
        let call = cnitool(host, "add limited /run/netns/server");
        let result = call.env("CAP_ARGS", limits.to_string()).run().succeeds().json();
        let ifb = result["interfaces"][3]["name"].as_str().unwrap();
        let control = host.tool("tc", format!("qdisc show dev {ifb}"));
        assert!(control.contains("rate 20Mbit"), "{control}");
    }
}

ferrule_testkit::test! {
    fn the_overlay_is_ready(host) needs [Ipv6, Iptables, Ip6tables] {
        let subnet_env = "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\n\
                          FLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n";
        fs::create_dir("/run/flannel").unwrap();
        fs::write("/run/flannel/subnet.env", subnet_env).unwrap();
        assert_ready(host, "cbr0", &json!({}));
    }
}

ferrule_testkit::test! {
    fn the_macvlan_is_ready(host) needs [Macvlan] {
        assert_ready(host, "lan", &json!({}));
    }
}

ferrule_testkit::test! {
    fn the_tuned_network_is_ready(host) {
        let mac = "02:00:5E:10:00:01";
        assert_ready(host, "tuned", &json!({}));
        let container = host.netns("tuned");
        let call = cnitool(host, "add tuned /run/netns/tuned");
        let result = call.env("CAP_ARGS", json!({ "mac": mac }).to_string()).run().succeeds().json();
        assert_eq!(result["interfaces"][2]["mac"], mac.to_lowercase());
        let link = container.link("eth0");
        assert_eq!((&link["address"], &link["mtu"]), (&json!(mac.to_lowercase()), &json!(1400)));
        assert_eq!(container.tool("cat", "/proc/sys/net/core/somaxconn").trim(), "1024");
    }
}

ferrule_testkit::test! {
    fn the_second_network_is_ready(host) needs [Ipv6] {
        assert_ready(host, "second", &json!({}));
    }
}

ferrule_testkit::test! {
    /// Programs use the VRF by binding to it.
    fn the_vrf_is_ready(host) needs [Vrf, Ipv6] {
        connected(host);
        let container = host.netns("c1");
        let run = |verb: &str| cnitool(host, &format!("{verb} red /run/netns/c1")).run().succeeds();
        cnitool(host, "status red").run().succeeds();
        let result = run("add").json();
        run("check");
        let gateway = result["ips"][0]["gateway"].as_str().unwrap();
        let ping = ["ping", "-n", "-q", "-c", "1", "-i", "0.2", "-w", "2", "-I", "red", gateway];
        container.exec(ping).succeeds();
        assert!(!container.ping(gateway));
        run("del");
        assert!(!container.has_link("red") && !container.has_link("eth0"));
    }
}

ferrule_testkit::test! {
    fn the_loopback_is_ready(host) needs [Ipv6] {
        let container = host.netns("c1");
        for verb in ["add", "check", "del"] {
            cnitool(host, &format!("{verb} lo /run/netns/c1")).run().succeeds();
            assert_eq!(container.ping("127.0.0.1") && container.ping("::1"), verb != "del");
        }
    }
}

ferrule_testkit::test! {
    /// The server of the LAN gives the addresses, the daemon keeps them.
    fn the_leased_network_is_ready(host) needs [Tool("dnsmasq"), Macvlan] {
        let segment = Segment::new(host);
        let server = Server::start(&segment, "s1", ServerKind::Dnsmasq, Pool::new(3600));
        host.ip("link add wire0 type veth peer name p-wire");
        host.ip("link set p-wire master lan0 up");
        host.ip("link set wire0 up");
        host.ip("address add 10.9.0.250/24 dev wire0");
        host.ip("route add default via 10.9.0.1");
        let unready = cnitool(host, "status leased").run().fails();
        assert!(unready.stderr.contains("dhcp daemon"), "{unready}");
        let _daemon = Daemon::start(host);
        cnitool(host, "status leased").run().succeeds();
        let containers = ["c1", "c2"].map(|name| host.netns(name));
        let run = |verb: &str, name: &str| {
            cnitool(host, &format!("{verb} leased /run/netns/{name}")).run().succeeds()
        };
        let results = ["c1", "c2"].map(|name| run("add", name).json());
        assert_eq!(server.leases().len(), 2);
        let second = results[1]["ips"][0]["address"].as_str().unwrap();
        assert!(containers[0].ping(second.split('/').next().unwrap()));
        for verb in ["check", "del"] {
            run(verb, "c1");
            run(verb, "c2");
        }
        wait_until("released", 10, || server.leases().is_empty());
    }
}

ferrule_testkit::test! {
    /// A new file needs a test above, and a line in the table of `conf/README.md`.
    fn every_network_is_tested(_host) {
        let readme = fs::read_to_string(folder().join("README.md")).unwrap();
        let mut names: Vec<String> = networks()
            .map(|(file, network)| {
                let name = network["name"].as_str().unwrap();
                assert!(readme.contains(&format!("| `{file}` | `{name}` |")), "{file}");
                name.to_owned()
            })
            .collect();
        names.sort();
        assert_eq!(names, ["cbr0", "ferrule", "lan", "leased", "limited", "lo", "published", "red", "routed", "second", "tuned"]);
    }
}

ferrule_testkit::test! {
    /// Any two may be in use on a node at once, beside what other runtimes have there.
    fn networks_keep_clear_of_each_other(_host) {
        let (mut numbers, mut bridges, mut subnets) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for (file, network) in networks() {
            assert!(numbers.insert(file.split_once('-').unwrap().0.to_owned()), "number of {file}");
            for plugin in network["plugins"].as_array().unwrap_or(&Vec::new()) {
                if let Some(bridge) = plugin["bridge"].as_str() {
                    assert!(bridges.insert(bridge.to_owned()), "{bridge} of {file}");
                }
                let ranges = plugin["ipam"]["ranges"].as_array();
                for range in ranges.into_iter().flatten() {
                    let subnet = range[0]["subnet"].as_str().unwrap();
                    // Of one prefix length each, so that different ones do not overlap.
                    let ours = subnet.starts_with("10.60.") && subnet.ends_with(".0/24")
                        || subnet.starts_with("fd60:") && subnet.ends_with("::/64");
                    assert!(ours && subnets.insert(subnet.to_owned()), "{subnet} of {file}");
                }
            }
        }
    }
}

ferrule_testkit::test! {
    /// The newest version that Debian 12's containerd and podman read; newer runtimes choose.
    fn old_runtimes_read_every_network(_host) {
        for (file, network) in networks() {
            assert_eq!(network["cniVersion"], "1.0.0", "{file}");
            if file.ends_with(".conflist") {
                assert_eq!(network["cniVersions"], json!(["1.0.0", "1.1.0"]), "{file}");
            }
        }
    }
}
