//! A chain of bridge, portmap, bandwidth, firewall and tuning, as the kubelet's runtimes configure it,
//! run by cnitool and so by libcni and its cache.

use ferrule_testkit::{Host, assert_same};
use serde_json::{Value, json};

/// What the chain leaves for the next container: bridge, base chains, pool.
const SHARED: [&str; 3] = ["cni9", "/var/lib/cni/networks", "/run/cni/locks"];

/// What a runtime makes of a published port and of the annotations
/// `kubernetes.io/ingress-bandwidth: 20M` and `kubernetes.io/egress-bandwidth: 40M`: containerd's
/// bursts are the largest number of 32 bits.
fn capabilities() -> String {
    let burst = u32::MAX;
    json!({
        "portMappings": [{ "hostPort": 8080, "containerPort": 80, "protocol": "tcp" }],
        "bandwidth": { "ingressRate": 20_000_000, "ingressBurst": burst,
                       "egressRate": 40_000_000, "egressBurst": burst },
    })
    .to_string()
}

fn network(backend: &str) -> Value {
    json!({
        "cniVersion": "1.0.0",
        "name": "chain",
        "plugins": [
            { "type": "bridge", "bridge": "cni9", "isGateway": true, "ipMasq": true,
              "ipMasqBackend": backend,
              "ipam": { "type": "host-local", "subnet": "10.9.0.0/16",
                        "routes": [{ "dst": "0.0.0.0/0" }] } },
            { "type": "portmap", "backend": backend, "capabilities": { "portMappings": true } },
            { "type": "bandwidth", "capabilities": { "bandwidth": true } },
            { "type": "firewall", "backend": backend },
            { "type": "tuning", "sysctl": { "net.core.somaxconn": "500" } },
        ],
    })
}

/// The rates in bit/s of the token bucket filters of a link.
fn rate_of(host: &Host, link: &str) -> u64 {
    let listed: Value = serde_json::from_str(&host.tool("tc", format!("-j qdisc show dev {link}")))
        .expect("tc prints JSON");
    let filters = listed.as_array().unwrap();
    let tbf = filters.iter().find(|qdisc| qdisc["kind"] == "tbf").unwrap();
    // iproute2 prints bytes per second.
    8 * tbf["options"]["rate"].as_u64().unwrap()
}

ferrule_testkit::test! {
    /// Address, port, limits and sysctl are there, CHECK agrees, and DEL leaves nothing, twice.
    fn five_plugins_in_a_row(host, backend in ["iptables", "nftables"]) needs [
        Iptables, Ip6tables, Nftables, Ifb, TokenBucketFilter, IngressRedirect, Ipv6
    ] {
        host.write_network("10-chain.conflist", &network(backend));
        let run = |words: &str| {
            host.cnitool(words).env("CAP_ARGS", capabilities()).run().succeeds()
        };
        host.netns("first");
        run("add chain /run/netns/first");
        run("del chain /run/netns/first");
        let before = host.snapshot().ignoring(&SHARED);

        let container = host.netns("c1");
        let result = run("add chain /run/netns/c1").json();
        let address = result["ips"][0]["address"].as_str().unwrap();
        let address = address.split('/').next().unwrap();
        let links: Vec<&str> = result["interfaces"].as_array().unwrap().iter()
            .filter(|interface| interface.get("sandbox").is_none())
            .map(|interface| interface["name"].as_str().unwrap())
            .collect();
        let [_, host_end, ifb] = links[..] else { panic!("{result}") };
        assert_eq!((rate_of(host, host_end), rate_of(host, ifb)), (20_000_000, 40_000_000));
        assert_eq!(container.exec("sysctl -n net.core.somaxconn").succeeds().stdout, "500\n");
        let server = container.listen_tcp("0.0.0.0:80");
        server.reached_from(host, format!("{address}:80")).unwrap();
        server.reached_from(host, "10.9.0.1:8080").unwrap();
        run("check chain /run/netns/c1");

        run("del chain /run/netns/c1");
        run("del chain /run/netns/c1");
        drop(server);
        assert!(!host.ping(address));
        container.remove();
        assert_same(&before, &host.snapshot().ignoring(&SHARED));
    }
}
