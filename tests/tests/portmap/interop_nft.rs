//! nftables in the forms of the Go plugin. Debian's knows iptables alone, so what newer releases
//! write is written here by the `nft` tool they use themselves.

use serde_json::json;

use crate::portmap::node::{HOST, Node, OUTSIDE, at, mapping, mapping_at, seen};

/// What both kinds of release begin with.
fn skeleton(ip: &str) -> String {
    let table = format!("{ip} cni_hostport");
    [
        format!("add table {table} {{ comment \"CNI portmap plugin\" ; }}"),
        format!("add chain {table} hostports"),
        format!("add chain {table} hostip_hostports"),
    ]
    .join("\n")
}

/// The base chains with these rules in them.
fn base(ip: &str, rules: &[&str]) -> String {
    let mut lines = Vec::new();
    for hook in ["prerouting", "output"] {
        let chain = format!("{ip} cni_hostport {hook}");
        lines.push(format!(
            "add chain {chain} {{ type nat hook {hook} priority -100 ; }}"
        ));
        lines.push(format!("flush chain {chain}"));
        lines.extend(rules.iter().map(|rule| format!("add rule {chain} {rule}")));
    }
    let chain = format!("{ip} cni_hostport masquerading");
    lines.push(format!(
        "add chain {chain} {{ type nat hook postrouting priority 100 ; }}"
    ));
    lines.join("\n")
}

/// ADD of a container by the newest release (1.9): TCP port 8080 of all addresses and, for IPv4,
/// UDP port 8080 of one. `conditions` stand in front of what leads to all containers.
fn newest(ip: &str, container: &str, [address, itself]: [&str; 2], conditions: &str) -> String {
    let all = format!("{ip} cni_hostport hostports_all");
    let add = |chain: &str, rule: String| {
        format!("add rule {ip} cni_hostport {chain} {rule} comment \"{container}\"")
    };
    let mut lines = vec![
        skeleton(ip),
        format!("add chain {all}"),
        format!("flush chain {all}"),
        format!("add rule {all} jump hostip_hostports"),
        format!("add rule {all} jump hostports"),
        base(
            ip,
            &[&format!(
                "{conditions} fib daddr type local jump hostports_all"
            )],
        ),
        add("hostports", format!("tcp dport 8080 dnat to {address}:80")),
        add(
            "masquerading",
            format!("{ip} saddr {itself} {ip} daddr {itself} masquerade"),
        ),
    ];
    if ip == "ip" {
        let one = format!("ip daddr 192.0.2.1 udp dport 8080 dnat to {address}:80");
        lines.push(add("hostports", one));
        let localhost = format!("ip saddr 127.0.0.1 ip daddr {itself} masquerade");
        lines.push(add("masquerading", localhost));
    }
    lines.join("\n") + "\n"
}

/// The same by releases 1.6.1 to 1.8: addresses of the host have a chain of their own, and
/// connections that only pass through are caught.
fn older(ip: &str, container: &str, [address, itself]: [&str; 2]) -> String {
    let text = newest(ip, container, [address, itself], "").replace(
        "hostports ip daddr 192.0.2.1",
        "hostip_hostports ip daddr 192.0.2.1",
    );
    let all = format!("{ip} cni_hostport hostports_all");
    let unguarded = base(ip, &["jump hostip_hostports", "jump hostports"]);
    format!("{text}{unguarded}\nflush chain {all}\ndelete chain {all}\n")
}

fn mappings() -> [serde_json::Value; 2] {
    [
        mapping("tcp", 8080, 80),
        mapping_at("192.0.2.1", "udp", 8080, 80),
    ]
}

ferrule_testkit::test! {
    /// What the newest release adds passes CHECK; what any release adds is removed by DEL,
    /// whatever the configuration says now, and the other containers' rules stay.
    fn rules_of_go_releases_are_known(host, release in ["newest", "older"])
        needs [Iptables, Ip6tables, Nftables, Ipv6] {
        let node = Node::new(host, "nftables");
        let pod = node.prepare("pod", &mappings(), &json!({}));
        host.tool("sysctl", "-qw net.ipv4.conf.cni0.route_localnet=1");
        let (v4, v6) = (pod.address(0), pod.address(1));
        let script = |container: &str| {
            let v6_target = format!("[{v6}]");
            let make = |ip, addresses| match release {
                "newest" => newest(ip, container, addresses, ""),
                _ => older(ip, container, addresses),
            };
            make("ip", [v4, v4]) + &make("ip6", [&v6_target, v6])
        };
        for keys in [json!({}), json!({ "backend": "iptables" }), json!({ "backend": null })] {
            host.exec_with_input("nft -f -", &script("other")).succeeds();
            let others = node.rules();
            host.exec_with_input("nft -f -", &script("pod")).succeeds();
            for address in HOST {
                let peer = seen("tcp", pod.namespace(), 80, &node.outside, at(address, 8080));
                assert!(peer.is_some(), "{}", node.rules());
            }
            let call = pod.call_with(&keys);
            if release == "newest" {
                call.check().succeeds();
            } else {
                // They catch what only passes through.
                call.check().fails().mentions("hostports_all");
            }
            call.del().succeeds();
            assert_eq!(node.rules(), others);
            host.tool("nft", "flush ruleset");
        }
    }
}

ferrule_testkit::test! {
    /// ADD beside a container of an older release: from then on nothing is caught that only passes
    /// through, and both containers are reached.
    fn an_add_repairs_what_older_releases_got_wrong(host) needs [Nftables, Ipv6] {
        let node = Node::new(host, "nftables");
        let theirs = node.pod("theirs");
        let v6 = format!("[{}]", theirs.address(1));
        let script = older("ip", "theirs", [theirs.address(0), theirs.address(0)])
            + &older("ip6", "theirs", [&v6, theirs.address(1)]);
        host.exec_with_input("nft -f -", &script).succeeds();
        let passes = || seen("tcp", &node.far, 8080, &node.outside, at(crate::portmap::node::FAR[0], 8080)).is_some();
        assert!(!passes());
        let ours = node.publish("ours", &[mapping("tcp", 8081, 80)]);
        assert!(passes(), "{}", node.rules());
        for (pod, port) in [(&*theirs.container, 8080), (ours.namespace(), 8081)] {
            assert!(seen("tcp", pod, 80, &node.outside, at(HOST[0], port)).is_some());
        }
    }
}

ferrule_testkit::test! {
    /// ADD and DEL of the newest Go release, which rewrites the base chains and owns rules by the
    /// container's id, leave our containers as they are; what it calls its own of ours it finds.
    fn the_newest_release_beside_us(host, form in ["nftables", "maps"]) needs [Nftables, Ipv6] {
        let node = Node::new(host, form);
        let ours = node.publish("ours", &[mapping("tcp", 8081, 80)]);
        let theirs = node.pod("theirs");
        let conditions = format!("ip saddr != {}", OUTSIDE[0]);
        let script = newest("ip", "theirs", [theirs.address(0), theirs.address(0)], "");
        host.exec_with_input("nft -f -", &script).succeeds();
        let reached = |pod: &ferrule_testkit::Namespace, port| {
            seen("tcp", pod, 80, &node.outside, at(HOST[0], port)).is_some()
        };
        assert!(reached(ours.namespace(), 8081) && reached(&theirs.container, 8080), "{}", node.rules());
        ours.portmap.check().succeeds();
        // Its conditions concern all containers with rules, until the next ADD of ours.
        let script = newest("ip", "theirs", [theirs.address(0), theirs.address(0)], &conditions);
        host.exec_with_input("nft -f -", &script).succeeds();
        assert_eq!(reached(ours.namespace(), 8081), form == "maps");
        let again = node.publish("again", &[mapping("tcp", 8082, 80)]);
        assert!(reached(ours.namespace(), 8081));
        assert!(reached(again.namespace(), 8082));
        if form == "maps" {
            return;
        }
        // How it finds what to delete: by the comment in the JSON of these chains.
        for chain in ["hostports", "hostip_hostports", "masquerading"] {
            let text = host.tool("nft", format!("-j list chain ip cni_hostport {chain}"));
            let json: serde_json::Value = serde_json::from_str(&text).unwrap();
            for entry in json["nftables"].as_array().unwrap() {
                let rule = &entry["rule"];
                if rule["comment"] == "ours" {
                    let handle = &rule["handle"];
                    host.tool("nft", format!("delete rule ip cni_hostport {chain} handle {handle}"));
                }
            }
        }
        assert!(!node.rules().contains(&format!("{}:", ours.address(0))), "{}", node.rules());
        ours.portmap.check().fails();
        ours.portmap.del().succeeds();
        again.portmap.check().succeeds();
    }
}
