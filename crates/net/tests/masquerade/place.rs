//! A router between a container and the outside, and what its packet filters hold.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use ferrule_kernel::IpNetwork;
use ferrule_net::AttachmentId;
use ferrule_netfilter::Backend;
use ferrule_testkit::{Container, Host, Namespace};

/// The packet filters there are: iptables in two variants.
pub(crate) const FILTERS: [&str; 3] = ["iptables-nft", "iptables-legacy", "nftables"];

/// The container's addresses.
pub(crate) const FOUR: &str = "10.1.2.2/24";
pub(crate) const SIX: &str = "fd00:1::2/64";

/// Makes `iptables` the variant a filter's name says and returns the back end.
pub(crate) fn choose(host: &Host, filter: &str) -> Backend {
    if filter == "nftables" {
        return Backend::Nftables;
    }
    host.tool("mount", "-t tmpfs tmpfs /etc/alternatives");
    let program = match filter {
        "iptables-legacy" => "/usr/sbin/xtables-legacy-multi",
        _ => "/usr/sbin/xtables-nft-multi",
    };
    for tool in ["iptables", "ip6tables"] {
        for job in ["", "-restore", "-save"] {
            symlink(
                program,
                Path::new("/etc/alternatives").join(format!("{tool}{job}")),
            )
            .unwrap();
        }
    }
    Backend::Iptables
}

pub(crate) fn id(container_id: &str, ifname: &str) -> AttachmentId {
    in_network("net", container_id, ifname)
}

pub(crate) fn in_network(network: &str, container_id: &str, ifname: &str) -> AttachmentId {
    AttachmentId {
        network: network.to_owned(),
        container_id: container_id.to_owned(),
        ifname: ifname.to_owned(),
    }
}

pub(crate) fn addresses(texts: &[&str]) -> Vec<IpNetwork> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// A container behind the host, and a server outside that knows the way to the container.
pub(crate) struct Place {
    pub(crate) container: Container,
    pub(crate) outside: Container,
}

impl Place {
    pub(crate) fn new(host: &Host) -> Self {
        fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
        fs::write("/proc/sys/net/ipv6/conf/all/forwarding", "1").unwrap();
        let place = Self {
            container: host.netns("c"),
            outside: host.netns("o"),
        };
        wire(host, &place.container, "c", ("10.1.2", "fd00:1"));
        wire(host, &place.outside, "o", ("192.0.2", "fd00:2"));
        // Addresses in the container's own networks that happen to be elsewhere.
        for (neighbour, way) in [("10.1.2.200", "192.0.2.2"), ("fd00:1::200", "fd00:2::2")] {
            place
                .outside
                .ip(format!("address add {neighbour} dev eth0 nodad").as_str());
            host.ip(format!("route add {neighbour} via {way}").as_str());
        }
        place.container.ip("route add 10.1.2.200 via 10.1.2.1");
        place.container.ip("route add fd00:1::200 via fd00:1::1");
        place
    }

    /// The source that the outside sees when the container calls.
    pub(crate) fn seen_by(&self, destination: &str) -> String {
        let server = self.outside.listen_tcp(&format!("{destination}:0"));
        let seen = server.reached_from(&self.container, server.address());
        seen.unwrap_or_else(|error| panic!("{destination}: {error}"))
            .ip()
            .to_string()
    }
}

/// Connects a namespace by a pair of links, addresses ending in 1 on the host, in 2 inside.
fn wire(host: &Host, inside: &Container, name: &str, (four, six): (&str, &str)) {
    let path = inside.path().file_name().unwrap().to_str().unwrap();
    host.ip(format!("link add {name} type veth peer name eth0 netns {path}").as_str());
    let settle = |place: &Namespace, link: &str, end: &str| {
        place.ip(format!("address add {four}.{end}/24 dev {link}").as_str());
        place.ip(format!("address add {six}::{end}/64 dev {link} nodad").as_str());
        place.ip(format!("link set {link} up").as_str());
    };
    settle(host, name, "1");
    settle(inside, "eth0", "2");
    inside.ip("link set lo up");
    inside.ip(format!("route add default via {four}.1").as_str());
    inside.ip(format!("-6 route add default via {six}::1").as_str());
}

/// What the tools print of all tables, without counters, comments of the tools and what only says
/// that a table has been in use.
pub(crate) fn ruleset() -> String {
    let printed = |tool: &str, arguments: &[&str]| {
        let output = Command::new(tool).args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let mut lines = Vec::new();
    for tool in [
        "iptables-nft-save",
        "ip6tables-nft-save",
        "iptables-legacy-save",
        "ip6tables-legacy-save",
    ] {
        for line in printed(tool, &[]).lines() {
            if line.starts_with("-A") || line.contains(" - [") {
                lines.push(format!("{tool} {}\n", line.split(" [").next().unwrap()));
            }
        }
    }
    for line in printed("nft", &["-s", "list", "ruleset", "inet"]).lines() {
        if line.contains(" masquerade ") {
            lines.push(format!("{}\n", line.trim()));
        }
    }
    lines.concat()
}
