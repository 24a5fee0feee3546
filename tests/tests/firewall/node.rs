//! A node that forwards nothing by default, and a world outside.

use ferrule_testkit::{Call, Container, Host, Need, Outcome};
use ferrule_tests::{Attachment, Network, external_host, with_keys, with_prev_result};
use serde_json::{Value, json};

use crate::firewall::machine::{Firewalld, use_legacy_iptables};

/// What forbids forwarding, and the back end that lets containers through nevertheless.
pub(crate) const CASES: &[&str] = &[
    "iptables",
    "legacy iptables",
    "nftables beside iptables",
    "nftables beside a ruleset",
    "nftables alone",
    "firewalld",
];

/// What a case needs besides the usual tools.
pub(crate) fn needs(case: &str) -> &'static [Need] {
    match case {
        "legacy iptables" => &[Need::LegacyIptables],
        "firewalld" => &[Need::Tool("firewalld"), Need::Tool("dbus-daemon")],
        _ => &[],
    }
}

/// The ruleset that Debian ships as an example of a workstation's, with the policy of a server.
const RULESET: &str = "table inet filter {
    chain input { type filter hook input priority filter; }
    chain forward { type filter hook forward priority filter; policy drop; }
}";

/// The plugin's own table, made beforehand by an administrator who wants nothing forwarded.
const OWN_RULESET: &str = "table inet ferrule_firewall {
    chain FORWARD { type filter hook forward priority filter; policy drop; }
}";

/// A node that forwards nothing by default.
pub(crate) struct Node<'h> {
    pub(crate) host: &'h Host,
    case: &'static str,
    firewalld: Option<Firewalld>,
}

/// A container behind the bridge of a network, which `firewall` has been asked to let through.
pub(crate) struct Pod {
    pub(crate) attachment: Attachment,
    /// Calls of `firewall` with what the bridge plugin answered.
    pub(crate) firewall: Call,
}

impl<'h> Node<'h> {
    /// Makes the host such a node.
    pub(crate) fn new(host: &'h Host, case: &str) -> Self {
        let case = CASES.iter().find(|known| **known == case).unwrap();
        let mut node = Self {
            host,
            case,
            firewalld: None,
        };
        match node.case {
            "legacy iptables" => use_legacy_iptables(host),
            "firewalld" => node.firewalld = Some(Firewalld::start(host)),
            _ => {}
        }
        match node.case {
            "iptables" | "legacy iptables" | "nftables beside iptables" => {
                for tool in ["iptables", "ip6tables"] {
                    host.tool(tool, "-P FORWARD DROP");
                }
            }
            "nftables beside a ruleset" => load(host, RULESET),
            "nftables alone" => load(host, OWN_RULESET),
            _ => {}
        }
        node
    }

    /// The value of the key `backend`.
    pub(crate) fn backend(&self) -> &'static str {
        match self.case {
            "iptables" | "legacy iptables" => "iptables",
            "firewalld" => "firewalld",
            _ => "nftables",
        }
    }

    /// The configuration of `firewall` for the network of this number, without a previous result.
    pub(crate) fn config(&self, number: u8, keys: &Value) -> Value {
        let config = json!({
            "cniVersion": "1.1.0", "name": format!("net{number}"), "type": "firewall",
            "backend": self.backend(),
        });
        with_keys(config, keys)
    }

    /// Attaches a container to the bridge of the network of this number, and nothing more.
    pub(crate) fn bridge(&self, number: u8, container: &str) -> Attachment {
        let network = Network::bridge().version("1.1.0").with(json!({
            "name": format!("net{number}"), "bridge": format!("br{number}"),
            "ipam": {
                "type": "host-local",
                "ranges": [
                    [{ "subnet": format!("10.1.{number}.0/24") }],
                    [{ "subnet": format!("fd00:1:{number}::/64") }],
                ],
                "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }],
            },
        }));
        network.attach(self.host, container)
    }

    /// Attaches a container to the bridge of the network of this number and lets it through.
    pub(crate) fn pod(&self, number: u8, container: &str, keys: &Value) -> Pod {
        let attachment = self.bridge(number, container);
        let config = self.config(number, keys);
        let call = self.host.plugin("firewall").container(container);
        let call = call.netns(&attachment.container).ifname("eth0");
        let firewall = call.config(with_prev_result(&config, &attachment.result));
        let answer = firewall.add().succeeds().json();
        assert_eq!(answer, attachment.result);
        Pod {
            attachment,
            firewall,
        }
    }

    /// A call of our plugin about a container of the network of this number that exists on paper
    /// alone, with these addresses.
    pub(crate) fn call(
        &self,
        number: u8,
        container: &str,
        addresses: &[&str],
        keys: &Value,
    ) -> Call {
        let call = self.host.plugin("firewall").container(container);
        let call = call.netns(format!("/run/netns/{container}")).ifname("eth0");
        call.config(with_prev_result(
            &self.config(number, keys),
            &result(number, addresses),
        ))
    }

    /// The same call without a previous result.
    pub(crate) fn call_without_result(&self, number: u8, container: &str) -> Call {
        self.call(number, container, &[], &json!({}))
            .config(self.config(number, &json!({})))
    }

    /// The world outside, which knows the way to the containers.
    pub(crate) fn outside(&self) -> Container {
        let outside = external_host(self.host);
        outside.ip("route add 10.1.0.0/16 via 192.0.2.1");
        outside.ip("route add fd00:1::/32 via 2001:db8::1");
        outside
    }

    /// Adds a rule of the administrator's: packets to an address get a verdict (`ACCEPT`, `DROP`).
    pub(crate) fn administrate(&self, address: &str, verdict: &str) {
        let (ip, tool) = if address.contains(':') {
            ("ip6", "ip6tables")
        } else {
            ("ip", "iptables")
        };
        let native = |table: &str| {
            let verdict = verdict.to_lowercase();
            let rule = format!("add rule inet {table} CNI-ADMIN {ip} daddr {address} {verdict}");
            self.host.tool("nft", &rule);
        };
        match self.case {
            "nftables beside a ruleset" => native("filter"),
            "nftables alone" => native("ferrule_firewall"),
            _ => {
                let rule = ["-A", "CNI-ADMIN", "-d", address, "-j", verdict];
                self.host.tool(tool, rule);
            }
        }
    }

    /// Everything that the packet filters and firewalld hold.
    pub(crate) fn rules(&self) -> String {
        let mut text = String::new();
        for tool in ["iptables-save", "ip6tables-save"] {
            text.push_str(&self.host.exec(tool).stdout);
        }
        text.push_str(&self.host.exec("nft -s list ruleset").stdout);
        text
    }

    /// The rules that name an address.
    pub(crate) fn rules_about(&self, address: &str) -> Vec<String> {
        let word = |letter: char| !(letter.is_ascii_hexdigit() || ".:".contains(letter));
        let names = |line: &&str| line.split(word).any(|found| found == address);
        let rules = self.rules();
        rules.lines().filter(names).map(str::to_owned).collect()
    }

    /// Stops firewalld and its bus.
    pub(crate) fn stop_firewalld(&mut self) {
        self.firewalld = None;
    }

    /// Starts firewalld anew, which makes it forget what was not written to its files.
    pub(crate) fn restart_firewalld(&mut self) {
        self.stop_firewalld();
        self.firewalld = Some(Firewalld::start(self.host));
    }
}

impl Pod {
    /// Its namespace.
    pub(crate) fn inside(&self) -> &Container {
        &self.attachment.container
    }

    /// Its addresses.
    pub(crate) fn addresses(&self) -> [&str; 2] {
        [self.attachment.address(0), self.attachment.address(1)]
    }

    /// DEL of `firewall`, which must succeed.
    pub(crate) fn del(&self) -> Outcome {
        self.firewall.del().succeeds().stdout_is("")
    }
}

fn load(host: &Host, ruleset: &str) {
    host.exec_with_input("nft -f -", ruleset).succeeds();
}

/// What a bridge plugin answers.
pub(crate) fn result(number: u8, addresses: &[&str]) -> Value {
    let entry = |address: &&str| {
        let prefix = if address.contains(':') { 64 } else { 24 };
        json!({ "address": format!("{address}/{prefix}"), "interface": 1 })
    };
    json!({
        "cniVersion": "1.0.0",
        "interfaces": [{ "name": format!("br{number}") }, { "name": "eth0", "sandbox": "/run/netns/c" }],
        "ips": addresses.iter().map(entry).collect::<Vec<_>>(),
        "dns": {},
    })
}
