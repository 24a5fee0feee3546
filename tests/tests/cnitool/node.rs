//! `cnitool list`, `show` and `explain`: what the node has, with real attachments, and with half of it
//! missing.

use std::fs;

use ferrule_testkit::{Container, Host, binaries_folder};
use serde_json::{Value, json};

const CACHE: &str = "/var/lib/cni/results";

/// Two networks: a bridge with a chain of plugins, and pairs of their own; in one packet filter.
fn networks(host: &Host, backend: &str) {
    let chain = json!({ "cniVersion": "1.0.0", "name": "pods", "plugins": [
        { "type": "bridge", "bridge": "cni9", "isGateway": true, "ipMasq": true, "ipMasqBackend": backend,
          "ipam": { "type": "host-local", "subnet": "10.9.0.0/16", "routes": [{ "dst": "0.0.0.0/0" }] } },
        { "type": "portmap", "backend": backend, "capabilities": { "portMappings": true } },
        { "type": "firewall", "backend": backend },
        { "type": "bandwidth", "ingressRate": 8_000_000, "ingressBurst": 8_000_000,
          "egressRate": 16_000_000, "egressBurst": 8_000_000 },
        { "type": "tuning", "sysctl": { "net.core.somaxconn": "500" } },
        { "type": "sbr" },
    ]});
    host.write_network("10-pods.conflist", &chain);
    let pair = json!({ "cniVersion": "1.0.0", "name": "pairs", "plugins": [
        { "type": "ptp", "ipam": { "type": "host-local", "subnet": "10.8.0.0/16" } },
    ]});
    host.write_network("20-pairs.conflist", &pair);
}

/// Attaches a new namespace, as the pod `shop/NAME` that publishes a port. Returns the container's id.
fn attach(host: &Host, network: &str, name: &str, port: u16) -> (Container, String) {
    let container = host.netns(name);
    // As containerd writes it.
    let ports = json!([{ "HostPort": port, "ContainerPort": 80, "Protocol": "tcp", "HostIP": "" }]);
    let call = host.cnitool(format!("add {network} /run/netns/{name}"));
    let call = call.args(&format!(
        "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME={name}"
    ));
    call.env("CAP_ARGS", json!({ "portMappings": ports }).to_string())
        .run()
        .succeeds();
    let files = fs::read_dir(CACHE)
        .unwrap()
        .map(|file| file.unwrap().path());
    let entries =
        files.map(|file| serde_json::from_slice::<Value>(&fs::read(file).unwrap()).unwrap());
    let netns = format!("/run/netns/{name}");
    let entry = entries
        .into_iter()
        .find(|entry| entry["netns"] == netns)
        .unwrap();
    (container, entry["containerId"].as_str().unwrap().to_owned())
}

fn list(host: &Host) -> Vec<Value> {
    let listed = host.cnitool("list --json").run().succeeds().json();
    listed.as_array().unwrap().clone()
}

fn explain(host: &Host, container: &str) -> Value {
    host.cnitool(["explain", container, "--json"])
        .run()
        .succeeds()
        .json()
}

/// The values of a column of a section.
fn column<'v>(found: &'v Value, section: &str, key: &str) -> Vec<&'v str> {
    let rows = found[section].as_array().unwrap();
    rows.iter()
        .map(|row| row[key].as_str().unwrap_or_default())
        .collect()
}

ferrule_testkit::test! {
    /// Every attachment is listed with its addresses and how it is.
    fn attachments_are_listed(host) needs [Nftables, Ifb, TokenBucketFilter, IngressRedirect] {
        networks(host, "nftables");
        host.cnitool("list").run().succeeds().stdout_is("no attachment is known\n");
        let (first, id) = attach(host, "pods", "c1", 8080);
        let (second, _) = attach(host, "pods", "c2", 8081);
        let (third, _) = attach(host, "pairs", "c3", 8082);
        let state = || list(host).iter().map(|one| one["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
        assert_eq!(state(), ["up", "up", "up"]);
        let mine = list(host).into_iter().find(|one| one["containerID"] == *id).unwrap();
        for (key, value) in [
            ("network", json!("pods")), ("pod", json!("shop/c1")), ("ifname", json!("eth0")),
            ("addresses", json!(["10.9.0.2/16"])), ("netns", json!("/run/netns/c1")),
            ("namespaceLives", json!(true)), ("cacheFile", json!(format!("{CACHE}/pods-{id}-eth0"))),
        ] {
            assert_eq!(mine[key], value, "{key}");
        }
        assert!(mine["ageSeconds"].as_u64().is_some_and(|age| age < 3600), "{mine}");
        first.remove();
        second.ip("link del eth0");
        third.ip("link set eth0 down");
        let text = host.cnitool("list").run().succeeds().stdout;
        for (network, end) in [("pods", "namespace gone"), ("pods", "no interface"), ("pairs", "down")] {
            assert!(text.lines().any(|line| line.starts_with(network) && line.contains(end)), "{text}");
        }
        let pairs = host.cnitool("list pairs").run().succeeds().stdout;
        assert_eq!(pairs.lines().count(), 2, "{pairs}");
        assert!(pairs.starts_with("NETWORK  CONTAINER ") && pairs.contains(" shop/c3  eth0 "), "{pairs}");
    }
}

ferrule_testkit::test! {
    /// Files of other runtimes are read, broken ones are told of, and a lost cache hides no link.
    fn the_cache_may_be_damaged(host) needs [Nftables, Ifb, TokenBucketFilter, IngressRedirect] {
        networks(host, "nftables");
        let (_, id) = attach(host, "pods", "c1", 8080);
        // As podman writes it for a container of 64 digits.
        let podman = "0123456789abcdef".repeat(4);
        let entry = json!({
            "kind": "cniCacheV1", "containerId": podman, "config": "e30=", "ifName": "eth0",
            "networkName": "podman", "netns": "/run/netns/cni-gone", "cniArgs": [["K8S_POD_NAME", "web"]],
            "result": { "cniVersion": "0.4.0", "dns": {}, "ips": [{ "version": "4", "address": "10.88.0.7/16" }] },
        });
        fs::write(format!("{CACHE}/podman-{podman}-eth0"), entry.to_string()).unwrap();
        fs::write(format!("{CACHE}/old"), r#"{"cniVersion": "0.2.0"}"#).unwrap();
        fs::write(format!("{CACHE}/cut"), &entry.to_string()[..50]).unwrap();
        fs::create_dir(format!("{CACHE}/folder")).unwrap();
        let listed = host.cnitool("list").run().succeeds();
        let line = listed.stdout.lines().find(|line| line.starts_with("podman")).unwrap();
        for word in ["0123456789ab ", " web ", "10.88.0.7/16", "namespace gone"] {
            assert!(line.contains(word), "{listed}");
        }
        for name in ["old", "cut", "folder"] {
            assert!(listed.stderr.contains(&format!("cnitool list: skipped {CACHE}/{name}: ")), "{listed}");
        }
        fs::remove_file(format!("{CACHE}/pods-{id}-eth0")).unwrap();
        let lost = list(host).into_iter().find(|one| one["containerID"] == *id).unwrap();
        assert_eq!((&lost["state"], &lost["network"]), (&json!("not cached"), &json!("pods")));
        let shown = host.cnitool("show").run().succeeds();
        assert!(shown.stdout.contains(&format!("eth0 of {id}, network pods  [not cached]")), "{shown}");
        assert!(shown.stdout.contains("not attached any more, or out of reach\n└─ eth0 of web (0123456789ab)"), "{shown}");
    }
}

ferrule_testkit::test! {
    /// The picture has bridges, host ends, containers, addresses and ports, in every form.
    fn attachments_are_drawn(host) needs [Nftables, Ifb, TokenBucketFilter, IngressRedirect] {
        networks(host, "nftables");
        let (_, first) = attach(host, "pods", "c1", 8080);
        let (_, second) = attach(host, "pods", "c2", 8081);
        let (gone, third) = attach(host, "pairs", "c3", 8082);
        host.ip("link add uplink0 type veth peer name uplink1");
        host.ip("link set uplink1 master cni9");
        let picture = host.cnitool("show --json").run().succeeds().json();
        let ends: Vec<&str> = picture["groups"].as_array().unwrap().iter()
            .flat_map(|group| group["attachments"].as_array().unwrap())
            .map(|one| one["hostEnd"].as_str().unwrap())
            .collect();
        assert!(ends.len() == 3 && ends.iter().all(|end| host.has_link(end)), "{picture}");
        let mut pods = [(&first, "c1", 2, 8080), (&second, "c2", 3, 8081)];
        pods.sort();
        let mut expected = vec!["bridge cni9  10.9.0.1/16  mtu 1500\n".to_owned()];
        for ((id, name, address, port), end) in pods.into_iter().zip(&ends) {
            expected.push(format!("├─ {end} ── eth0 of shop/{name} ({id}), network pods\n"));
            expected.push(format!("│     10.9.0.{address}/16\n│     published {port}->80/tcp\n"));
        }
        expected.push("└─ uplink1 (no attachment)\n\nrouted by the host\n".to_owned());
        expected.push(format!("└─ {} ── eth0 of shop/c3 ({third}), network pairs\n", ends[2]));
        expected.push("      10.8.0.2/16\n      published 8082->80/tcp\n".to_owned());
        let expected = expected.concat();
        host.cnitool("show").run().succeeds().stdout_is(&expected);

        let dot = host.cnitool("show --dot").run().succeeds().stdout;
        assert!(dot.starts_with("graph cni {\n") && dot.ends_with("}\n"), "{dot}");
        assert_eq!(dot.matches('{').count(), dot.matches('}').count());
        let label = format!("label=\"shop/c3 ({third})\"");
        for part in [label.as_str(), "[label=\"bridge cni9\\n10.9.0.1/16\"", "8081->80/tcp", "uplink1", ends[2]] {
            assert!(dot.contains(part), "{part}: {dot}");
        }
        let svg = host.cnitool("show pairs --svg").run().succeeds().stdout;
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{svg}");
        for part in ["10.8.0.2/16", "published 8082-&gt;80/tcp", ends[2], "routed by the host"] {
            assert!(svg.contains(&format!(">{part}</text>")), "{part}: {svg}");
        }
        assert!(!svg.contains("10.9.0.2"), "{svg}");
        gone.remove();
        let text = host.cnitool("show pairs").run().succeeds().stdout;
        assert!(text.contains("[namespace gone]"), "{text}");
    }
}

ferrule_testkit::test! {
    /// Everything of a container is found, in either packet filter, and nothing of its neighbour.
    fn a_container_is_explained(host, backend in ["iptables", "nftables"]) needs [
        Iptables, Nftables, Ifb, TokenBucketFilter, IngressRedirect
    ] {
        networks(host, backend);
        let (container, id) = attach(host, "pods", "c1", 8080);
        let (_, other) = attach(host, "pods", "c2", 8081);
        let server = container.listen_tcp("0.0.0.0:80");
        server.reached_from(host, "10.9.0.1:8080").unwrap();
        let found = explain(host, &id);
        assert_eq!(found["containerID"], *id);
        assert_eq!((&found["pods"], &found["notKnown"]), (&json!(["shop/c1"]), &json!({})));
        let attachment = &found["attachments"][0];
        assert_eq!((&attachment["network"], &attachment["state"]), (&json!("pods"), &json!("up")));
        assert_eq!(attachment["ports"], json!(["8080->80/tcp"]));

        let links = column(&found, "links", "name");
        assert_eq!((links.len(), links[0], links[3]), (4, "eth0", "cni9"), "{links:?}");
        assert_eq!(column(&found, "links", "kind"), ["veth", "veth", "ifb", "bridge"]);
        let addresses = column(&found, "ipAddresses", "address");
        assert!(addresses.contains(&"10.9.0.2/16") && addresses.contains(&"10.9.0.1/16"), "{found}");
        assert!(column(&found, "routes", "destination").contains(&"default"), "{found}");
        assert_eq!(column(&found, "routingRules", "from"), ["10.9.0.2/32"]);

        let (full, empty) = if backend == "iptables" { ("iptables", "nftables") } else { ("nftables", "iptables") };
        let rules = column(&found, full, "rule").join("\n");
        for part in ["10.9.0.2", id.as_str(), "8080", if backend == "iptables" { "MASQUERADE" } else { "masquerade" }] {
            assert!(rules.contains(part), "{part}: {rules}");
        }
        assert!(!rules.contains("10.9.0.3") && !rules.contains(&other), "{rules}");
        // firewall's forwarding chains are of iptables with either.
        let others = column(&found, empty, "rule");
        assert!(others.iter().all(|rule| rule.contains("CNI-FORWARD")), "{others:?}");

        assert_eq!(column(&found, "leases", "address"), ["10.9.0.2"]);
        assert_eq!(column(&found, "leases", "source"), ["/var/lib/cni/networks/pods/10.9.0.2"]);
        let rates: Vec<u64> = found["queueingDisciplines"].as_array().unwrap().iter()
            .filter_map(|row| row["bitsPerSecond"].as_u64())
            .collect();
        assert_eq!(rates, [8_000_000, 16_000_000]);
        let flows = found["flows"].as_array().unwrap();
        assert!(flows.iter().any(|flow| flow["to"] == "10.9.0.1:8080" && flow["repliesFrom"] == "10.9.0.2:80"), "{found}");
        let records = column(&found, "records", "file").join(" ");
        assert!(records.contains("/run/cni/firewall/"), "{records}");
        assert_eq!(
            column(&found, "checks", "plugin"),
            ["bridge", "portmap", "firewall", "bandwidth", "tuning", "sbr"]
        );
        assert!(column(&found, "checks", "result").iter().all(|result| *result == "ok"), "{found}");

        // For people: the same under headings, found by the namespace too.
        let text = host.cnitool("explain /run/netns/c1").run().succeeds().stdout;
        assert!(text.starts_with(&format!("container {id} (shop/c1)\n\nATTACHMENTS\n")), "{text}");
        for heading in ["LINKS", "IP ADDRESSES", "ROUTES", "LEASES", "QUEUEING DISCIPLINES", "FLOWS", "RECORDS", "CHECKS"] {
            assert!(text.contains(&format!("\n\n{heading}\n  ")), "{heading}: {text}");
        }
    }
}

ferrule_testkit::test! {
    /// With namespace, cache or plugins missing, the rest is still found, and what is missing is said.
    fn half_of_it_may_be_missing(host, backend in ["iptables", "nftables"]) needs [
        Iptables, Nftables, Ifb, TokenBucketFilter, IngressRedirect
    ] {
        networks(host, backend);
        let (container, id) = attach(host, "pods", "c1", 8080);
        container.ip("link set eth0 down");
        let down = explain(host, &id);
        let results = column(&down, "checks", "result");
        assert!(results[0].starts_with("interface \"eth0\" in /run/netns/c1 is down"), "{results:?}");
        assert_eq!(results.len(), 6, "one CHECK that fails does not keep the others from being asked");

        container.remove();
        let gone = explain(host, &id);
        assert_eq!(gone["attachments"][0]["state"], "namespace gone");
        assert!(column(&gone, "checks", "result")[0].contains("no such file or directory"), "{gone}");
        let full = if backend == "iptables" { "iptables" } else { "nftables" };
        for section in [full, "leases", "records"] {
            assert!(!gone[section].as_array().unwrap().is_empty(), "{section}: {gone}");
        }

        fs::remove_file(format!("{CACHE}/pods-{id}-eth0")).unwrap();
        host.ip("link del cni9");
        for link in host.ip_json("link show type ifb").as_array().unwrap() {
            host.ip(["link", "del", link["ifname"].as_str().unwrap()]);
        }
        let lost = explain(host, &id);
        assert_eq!((&lost["attachments"], &lost["checks"]), (&json!([]), &json!([])));
        for section in [full, "leases", "records"] {
            assert_eq!(lost[section], gone[section], "{section}");
        }
        let text = host.cnitool(["explain", &id]).run().succeeds().stdout;
        assert!(text.contains("no attachment of it is cached"), "{text}");
        let unknown = host.cnitool("explain nobody").run().fails().stdout_is("");
        assert!(unknown.stderr.contains("no attachment is known as \"nobody\""), "{unknown}");
    }
}

ferrule_testkit::test! {
    /// Without plugins CHECK is not known, and everything else is.
    fn plugins_may_be_missing(host) needs [Nftables, Ifb, TokenBucketFilter, IngressRedirect] {
        networks(host, "nftables");
        let (_, id) = attach(host, "pods", "c1", 8080);
        let empty = host.work_folder().join("empty");
        fs::create_dir(&empty).unwrap();
        let found = host.cnitool(["explain", &id, "--json"]).cni_path(&empty).run().succeeds().json();
        assert!(column(&found, "checks", "result")[0].contains("failed to find plugin \"bridge\""), "{found}");
        // A plugin that fails spoils its own line alone.
        for name in ["bridge", "host-local", "portmap", "tuning", "sbr"] {
            fs::copy(binaries_folder().join(name), empty.join(name)).unwrap();
        }
        fs::copy("/bin/true", empty.join("bandwidth")).unwrap();
        fs::copy("/bin/false", empty.join("firewall")).unwrap();
        let found = host.cnitool(["explain", &id, "--json"]).cni_path(&empty).run().succeeds().json();
        let results = column(&found, "checks", "result");
        assert_eq!(results[2], "exited with status 1 without an error message");
        assert!(results.iter().enumerate().all(|(place, result)| place == 2 || *result == "ok"), "{found}");
    }
}

ferrule_testkit::test! {
    /// The interface may be named, and two of one container are told apart.
    fn one_interface_is_explained(host) needs [Nftables, Ifb, TokenBucketFilter, IngressRedirect] {
        networks(host, "nftables");
        let (_, id) = attach(host, "pairs", "c1", 8080);
        host.cnitool("add pairs /run/netns/c1 -i net1").run().succeeds();
        assert_eq!(column(&explain(host, &id), "attachments", "interface"), ["eth0", "net1"]);
        let one = explain(host, &format!("{id}/net1"));
        assert_eq!(column(&one, "attachments", "interface"), ["net1"]);
        assert_eq!(column(&one, "links", "name").len(), 2, "{one}");
        let unknown = host.cnitool(["explain", &format!("{id}/net2")]).run().fails();
        assert!(unknown.stderr.contains(&format!("did you mean {id}/net1?")), "{unknown}");
    }
}
