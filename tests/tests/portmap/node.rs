//! A host with neighbours, and containers with mapped ports on it.

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::symlink;

use ferrule_testkit::{Call, Container, Host, Namespace};
use ferrule_tests::{Attachment, Network, with_keys, with_prev_result};
use serde_json::{Value, json};

/// The host's addresses towards [`Node::outside`].
pub(crate) const HOST: [&str; 2] = ["192.0.2.1", "2001:db8::1"];
/// The addresses of [`Node::outside`].
pub(crate) const OUTSIDE: [&str; 2] = ["192.0.2.9", "2001:db8::9"];
/// The addresses of [`Node::far`].
pub(crate) const FAR: [&str; 2] = ["198.51.100.9", "2001:db8:f::9"];

/// The host of a test between two neighbours that reach each other through it, with a network of
/// containers.
pub(crate) struct Node<'h> {
    pub(crate) host: &'h Host,
    pub(crate) outside: Container,
    pub(crate) far: Container,
    pub(crate) network: Network,
    form: String,
}

/// A container with mapped ports.
pub(crate) struct Pod {
    pub(crate) attachment: Attachment,
    /// The call of portmap, with what the container's network answered.
    pub(crate) portmap: Call,
    pub(crate) config: Value,
}

/// One entry of `portMappings`.
pub(crate) fn mapping(protocol: &str, host_port: u16, container_port: u16) -> Value {
    json!({ "hostPort": host_port, "containerPort": container_port, "protocol": protocol })
}

/// The same for one address of the host.
pub(crate) fn mapping_at(
    host_ip: &str,
    protocol: &str,
    host_port: u16,
    container_port: u16,
) -> Value {
    let mut entry = mapping(protocol, host_port, container_port);
    entry["hostIP"] = host_ip.into();
    entry
}

/// An address and a port as sockets are written.
pub(crate) fn at(address: &str, port: u16) -> SocketAddr {
    SocketAddr::new(address.parse().unwrap(), port)
}

impl<'h> Node<'h> {
    /// Takes a case: a form, or a network and a form.
    pub(crate) fn new(host: &'h Host, case: &str) -> Self {
        let (network, form) = case.split_once(' ').unwrap_or(("bridge", case));
        Self {
            outside: neighbour(host, "outside", ["192.0.2", "2001:db8"]),
            far: neighbour(host, "far", ["198.51.100", "2001:db8:f"]),
            network: Network::of(network),
            form: form.to_owned(),
            host,
        }
    }

    /// The same host with mappings in another form from now on.
    pub(crate) fn turn_to(&mut self, form: &str) {
        form.clone_into(&mut self.form);
    }

    /// Makes a container and attaches it to the network.
    #[track_caller]
    pub(crate) fn pod(&self, name: &str) -> Attachment {
        self.network.attach(self.host, name)
    }

    /// Makes a container and maps ports of the host to it.
    #[track_caller]
    pub(crate) fn publish(&self, name: &str, mappings: &[Value]) -> Pod {
        self.publish_with(name, mappings, &json!({}))
    }

    /// The same with further keys in portmap's configuration.
    #[track_caller]
    pub(crate) fn publish_with(&self, name: &str, mappings: &[Value], keys: &Value) -> Pod {
        let pod = self.prepare(name, mappings, keys);
        let answer = pod.portmap.add().succeeds().json();
        assert_eq!(answer, pod.attachment.result, "the result is passed on");
        pod
    }

    /// The same without calling ADD of portmap.
    #[track_caller]
    pub(crate) fn prepare(&self, name: &str, mappings: &[Value], keys: &Value) -> Pod {
        let attachment = self.pod(name);
        self.on(attachment, mappings, keys)
    }

    /// Portmap for a container that is there.
    pub(crate) fn on(&self, attachment: Attachment, mappings: &[Value], keys: &Value) -> Pod {
        let config = with_prev_result(&self.config(mappings, keys), &attachment.result);
        let name = attachment.container.path().file_name().unwrap();
        Pod {
            portmap: self
                .call()
                .container(name.to_str().unwrap())
                .netns(&attachment.container)
                .config(&config),
            attachment,
            config,
        }
    }

    /// A configuration of portmap in this node's form.
    pub(crate) fn config(&self, mappings: &[Value], keys: &Value) -> Value {
        let mut config = json!({
            "cniVersion": self.network.config["cniVersion"], "name": "net", "type": "portmap",
            "runtimeConfig": { "portMappings": mappings },
        });
        match self.form.as_str() {
            "maps" => config["nftablesMaps"] = true.into(),
            "nftables" => config["backend"] = "nftables".into(),
            _ => config["backend"] = "iptables".into(),
        }
        with_keys(config, keys)
    }

    /// A call of portmap with the tools of this node's form.
    pub(crate) fn call(&self) -> Call {
        self.with_tools(self.host.plugin("portmap").ifname("eth0"))
    }

    /// The same of the Go plugin.
    pub(crate) fn peer_call(&self) -> Call {
        self.with_tools(self.host.peer_plugin("portmap").ifname("eth0"))
    }

    fn with_tools(&self, call: Call) -> Call {
        if self.form != "iptables-legacy" {
            return call;
        }
        let folder = self.host.work_folder().join("legacy");
        if std::fs::create_dir(&folder).is_ok() {
            for tool in ["iptables", "ip6tables"] {
                for part in ["", "-restore", "-save"] {
                    let legacy = format!("/usr/sbin/{tool}-legacy{part}");
                    symlink(legacy, folder.join(format!("{tool}{part}"))).unwrap();
                }
            }
        }
        call.env("PATH", format!("{}:/usr/sbin:/usr/bin", folder.display()))
    }

    /// Whether the form is iptables' in whichever variant.
    pub(crate) fn is_iptables(&self) -> bool {
        self.form.starts_with("iptables")
    }

    /// Everything the packet filters hold, as their own tools print it, without counters.
    pub(crate) fn rules(&self) -> String {
        let mut text = self.host.exec("nft -s list ruleset").succeeds().stdout;
        for tool in ["iptables-legacy-save", "ip6tables-legacy-save"] {
            let saved = self.host.exec([tool, "-t", "nat"]).stdout;
            text.extend(saved.lines().filter(|line| line.starts_with('-')));
        }
        text
    }
}

impl Pod {
    /// The container's namespace.
    pub(crate) fn namespace(&self) -> &Namespace {
        &self.attachment.container
    }

    /// Its address: IPv4 at 0, IPv6 at 1.
    pub(crate) fn address(&self, position: usize) -> &str {
        self.attachment.address(position)
    }

    /// Whether a text of the packet filters speaks of this container.
    pub(crate) fn is_mentioned_in(&self, rules: &str) -> bool {
        rules.contains("CNI-DN-") || [0, 1].iter().any(|n| rules.contains(self.address(*n)))
    }

    /// The same call about the same container with these keys of the configuration set anew; those
    /// that are null are taken out.
    pub(crate) fn call_with(&self, keys: &Value) -> Call {
        let mut config = self.config.clone();
        for (key, value) in keys.as_object().unwrap() {
            if value.is_null() {
                config.as_object_mut().unwrap().remove(key);
            } else {
                config[key] = value.clone();
            }
        }
        self.portmap.clone().config(&config)
    }
}

/// A namespace on a cable of its own, whose packets for elsewhere go through the host.
fn neighbour(host: &Host, name: &str, [v4, v6]: [&str; 2]) -> Container {
    let there = host.netns(name);
    let wire = format!("to-{name}");
    host.ip(format!(
        "link add {wire} type veth peer name eth0 netns {name}"
    ));
    // Nothing is to wait until link-local addresses are found unique.
    host.tool(
        "sysctl",
        ["-qw", &format!("net/ipv6/conf/{wire}/accept_dad=0")],
    );
    host.ip(format!("link set {wire} up"));
    host.ip(format!("address add {v4}.1/24 dev {wire}"));
    host.ip(format!("address add {v6}::1/64 dev {wire} nodad"));
    there.ip("link set lo up");
    there.tool("sysctl", "-qw net/ipv6/conf/eth0/accept_dad=0");
    there.ip("link set eth0 up");
    there.ip(format!("address add {v4}.9/24 dev eth0"));
    there.ip(format!("address add {v6}::9/64 dev eth0 nodad"));
    there.ip(format!("route add default via {v4}.1"));
    there.ip(format!("-6 route add default via {v6}::1"));
    there
}

/// Whom a server at a port of `server` sees when `client` speaks to `to`; none if nothing comes.
pub(crate) fn seen(
    protocol: &str,
    server: &Namespace,
    port: u16,
    client: &Namespace,
    to: impl Display,
) -> Option<IpAddr> {
    let to = to.to_string();
    let here = if to.starts_with('[') {
        "[::]"
    } else {
        "0.0.0.0"
    };
    let here = format!("{here}:{port}");
    let peer = match protocol {
        "udp" => server.listen_udp(&here).reached_from(client, to),
        _ => server.listen_tcp(&here).reached_from(client, to),
    };
    peer.ok().map(|peer| peer.ip().to_canonical())
}
