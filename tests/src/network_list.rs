//! Every plugin in a small network, run from any folder of plugins as libcni runs a list.

use std::path::{Path, PathBuf};

use ferrule_testkit::{Call, Container, Host, Need, Outcome};
use serde_json::{Value, json};

use crate::with_prev_result;

/// The plugins, each with its back ends: what the names of tests and the rows of tables say.
pub const PLUGINS: &[&str] = &[
    "loopback",
    "bridge",
    "bridge iptables",
    "bridge nftables",
    "ptp",
    "ptp iptables",
    "ptp nftables",
    "macvlan",
    "ipvlan",
    "vlan",
    "dummy",
    "tap",
    "host-device",
    "host-local",
    "static",
    "portmap iptables",
    "portmap nftables",
    "bandwidth",
    "firewall iptables",
    "tuning",
    "sbr",
    "vrf",
    "flannel",
];

/// What one of [`PLUGINS`] needs of the kernel.
pub fn kernel_needs(case: &str) -> Vec<Need> {
    let (plugin, backend) = case.split_once(' ').unwrap_or((case, ""));
    let mut needs = match plugin {
        "macvlan" => vec![Need::Macvlan],
        "ipvlan" => vec![Need::Ipvlan],
        "vlan" => vec![Need::Vlan8021q],
        "dummy" => vec![Need::Dummy],
        "tap" => vec![Need::Tun],
        "vrf" => vec![Need::Vrf],
        "bandwidth" => vec![Need::Ifb, Need::TokenBucketFilter, Need::IngressRedirect],
        _ => vec![],
    };
    match backend {
        "iptables" => needs.extend([Need::Iptables, Need::Ip6tables]),
        "nftables" => needs.push(Need::Nftables),
        _ => {}
    }
    needs.push(Need::Ipv6);
    needs
}

/// One of [`PLUGINS`] as the last of a list, after those whose result it works on.
#[derive(Debug, Clone)]
pub struct NetworkList<'h> {
    host: &'h Host,
    folder: PathBuf,
    /// Names of executables and their configurations.
    plugins: Vec<(String, Value)>,
    ifname: &'static str,
}

impl<'h> NetworkList<'h> {
    /// The list of a plugin, run from this folder.
    pub fn new(host: &'h Host, case: &str, folder: &Path, version: &str) -> Self {
        let (plugin, backend) = case.split_once(' ').unwrap_or((case, ""));
        let plugins = configurations(plugin, backend)
            .into_iter()
            .map(|mut config| {
                config["cniVersion"] = json!(version);
                config["name"] = json!("net");
                let executable = match plugin {
                    "host-local" | "static" => plugin,
                    _ => config["type"].as_str().unwrap_or_default(),
                };
                (executable.to_owned(), config)
            });
        Self {
            host,
            folder: folder.to_owned(),
            plugins: plugins.collect(),
            ifname: if plugin == "loopback" { "lo" } else { "eth0" },
        }
    }

    /// What the network of a plugin needs on a host, besides the plugin.
    ///
    /// # Panics
    /// When that cannot be made.
    pub fn prepare(host: &Host, case: &str) {
        host.tool("sysctl", "-q -w net.ipv6.conf.default.accept_dad=0");
        if ["macvlan", "ipvlan", "vlan"].contains(&case) {
            host.ip("link add up0 type veth peer name wire0");
            host.ip("link set up0 up");
            host.ip("link set wire0 up");
        }
        match case {
            "host-device" => {
                Self::make_device(host);
            }
            "flannel" => {
                let subnet = "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\n\
                              FLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n";
                std::fs::create_dir_all("/run/flannel").expect("make flannel's folder");
                std::fs::write("/run/flannel/subnet.env", subnet).expect("write flannel's file");
            }
            _ => {}
        }
    }

    /// Makes the device of `host-device`. Its addresses are fixed, as a snapshot shows them.
    pub fn make_device(host: &Host) {
        let peer = "peer name wire1 address 02:00:00:00:00:d1";
        host.ip(format!(
            "link add dev0 address 02:00:00:00:00:d0 type veth {peer}"
        ));
    }

    /// The versions that the last plugin answers to VERSION.
    pub fn versions(&self) -> Vec<String> {
        let answer = self.last("any").verb("VERSION").run().stdout;
        let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
        let versions = answer["supportedVersions"].as_array().into_iter().flatten();
        versions
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    }

    /// The same in which the plugin has further keys.
    ///
    /// # Panics
    /// When `keys` is no object.
    #[must_use]
    pub fn with(mut self, keys: &Value) -> Self {
        for (_, config) in &mut self.plugins {
            for (key, value) in keys.as_object().expect("keys are an object") {
                config[key] = value.clone();
            }
        }
        self
    }

    /// The address plugin alone, of a list that has but one plugin.
    #[must_use]
    pub fn of_host_local(mut self) -> Self {
        for (name, _) in &mut self.plugins {
            "host-local".clone_into(name);
        }
        self
    }

    /// Makes a container.
    ///
    /// # Panics
    /// When its sysctls cannot be written.
    pub fn container(&self, name: &str) -> Container {
        let container = self.host.netns(name);
        // The Go plugins wait for the detection of duplicates, or leave it going on.
        let sysctl = "/proc/sys/net/ipv6/conf/default/accept_dad";
        container.inside(|| std::fs::write(sysctl, "0").expect("write a sysctl"));
        container
    }

    /// Whether the container has the interface of this network. That of `loopback` is always there.
    pub fn is_attached(&self, container: &Container) -> bool {
        container
            .exec(["ip", "link", "show", "up", "dev", self.ifname])
            .stdout
            .contains(self.ifname)
    }

    /// Whether a plugin of it makes an interface.
    pub fn makes_interface(&self) -> bool {
        !self.is_ipam() && self.ifname == "eth0"
    }

    /// Whether it consists of an address plugin.
    pub fn is_ipam(&self) -> bool {
        self.plugins
            .iter()
            .any(|(name, _)| ["host-local", "static"].contains(&name.as_str()))
    }

    /// Whether plugins work on the result of others, which 0.2.0 and before do not know.
    pub fn is_chained(&self) -> bool {
        self.plugins.len() > 1
    }

    /// A call of the last plugin about a container, as ADD of a list makes it when there is no plugin
    /// before it.
    ///
    /// # Panics
    /// Never: a list has a plugin.
    pub fn last(&self, container: &str) -> Call {
        let (name, config) = self.plugins.last().expect("a list has a plugin");
        self.call(name, container).config(config)
    }

    /// ADD of every plugin; the last one's result.
    ///
    /// # Errors
    /// What the plugin said that failed.
    pub fn add(&self, container: &str) -> Result<Value, String> {
        let mut result = Value::Null;
        for (name, config) in &self.plugins {
            let outcome = self
                .call(name, container)
                .config(after(config, &result))
                .add();
            let stdout = succeeded(outcome)?.stdout;
            result = serde_json::from_str(&stdout).map_err(|error| format!("{name}: {error}"))?;
        }
        Ok(result)
    }

    /// CHECK of every plugin.
    ///
    /// # Errors
    /// What the plugin said that failed.
    pub fn check(&self, container: &str, result: &Value) -> Result<(), String> {
        self.plugins.iter().try_for_each(|(name, config)| {
            succeeded(
                self.call(name, container)
                    .config(after(config, result))
                    .check(),
            )
            .map(drop)
        })
    }

    /// DEL of every plugin, the last one first.
    ///
    /// # Errors
    /// What the plugin said that failed.
    pub fn del(&self, container: &str, result: &Value) -> Result<(), String> {
        self.del_of(container, result, &format!("/run/netns/{container}"))
    }

    /// As [`Self::del`], with another path of the namespace, or an empty one.
    ///
    /// # Errors
    /// What the plugin said that failed.
    pub fn del_of(&self, container: &str, result: &Value, netns: &str) -> Result<(), String> {
        self.plugins.iter().rev().try_for_each(|(name, config)| {
            let call = self.call(name, container).netns(netns);
            succeeded(call.config(after(config, result)).del()).map(drop)
        })
    }

    /// STATUS of every plugin.
    ///
    /// # Errors
    /// What the plugin said that failed.
    pub fn status(&self) -> Result<(), String> {
        self.plugins.iter().try_for_each(|(name, config)| {
            succeeded(self.call(name, "any").config(config).status()).map(drop)
        })
    }

    /// GC of every plugin, with these containers' attachments valid.
    ///
    /// # Errors
    /// What the plugin said that failed.
    pub fn gc(&self, containers: &[&str]) -> Result<(), String> {
        let valid = containers
            .iter()
            .map(|id| json!({ "containerID": id, "ifname": self.ifname }));
        let valid: Vec<Value> = valid.collect();
        self.plugins.iter().try_for_each(|(name, config)| {
            let mut config = config.clone();
            config["cni.dev/valid-attachments"] = json!(valid);
            succeeded(self.call(name, "any").config(config).gc()).map(drop)
        })
    }

    fn call(&self, executable: &str, container: &str) -> Call {
        self.host
            .executable(self.folder.join(executable), "")
            .cni_path(&self.folder)
            .container(container)
            .netns(format!("/run/netns/{container}"))
            .ifname(self.ifname)
    }
}

fn after(config: &Value, result: &Value) -> Value {
    if result.is_null() {
        config.clone()
    } else {
        with_prev_result(config, result)
    }
}

/// The first line of what a plugin said that failed.
fn succeeded(outcome: Outcome) -> Result<Outcome, String> {
    if outcome.status.success() {
        return Ok(outcome);
    }
    let object: Value = serde_json::from_str(&outcome.stdout).unwrap_or_default();
    let said = object["msg"].as_str().unwrap_or(&outcome.stderr);
    let said = said.lines().next().unwrap_or_default();
    let code = object["code"]
        .as_u64()
        .map_or(String::new(), |code| format!(" (code {code})"));
    Err(format!("{said}{code}"))
}

/// The configurations of a list, without what all have.
fn configurations(plugin: &str, backend: &str) -> Vec<Value> {
    let ipam = json!({
        "type": "host-local",
        "ranges": [[{ "subnet": "10.1.2.0/24" }], [{ "subnet": "fd00:1:2::/64" }]],
        "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }],
    });
    let mut own = json!({ "type": plugin });
    match plugin {
        "bridge" => own["isGateway"] = json!(true),
        "macvlan" | "ipvlan" => own["master"] = json!("up0"),
        "vlan" => {
            own["master"] = json!("up0");
            own["vlanId"] = json!(5);
        }
        "host-device" => own["device"] = json!("dev0"),
        "host-local" => own["type"] = json!("bridge"),
        "static" => {
            own["type"] = json!("bridge");
            own["ipam"] = json!({ "type": "static", "addresses": [
                { "address": "10.1.2.9/24", "gateway": "10.1.2.1" }, { "address": "fd00:1:2::9/64" } ] });
        }
        "portmap" => {
            own["runtimeConfig"] = json!({ "portMappings": [
                { "hostPort": 8080, "containerPort": 80, "protocol": "tcp" },
                { "hostPort": 8053, "containerPort": 53, "protocol": "udp" } ] });
        }
        "bandwidth" => {
            own["runtimeConfig"] = json!({ "bandwidth": {
                "ingressRate": 20_000_000, "ingressBurst": 2_000_000,
                "egressRate": 40_000_000, "egressBurst": 4_000_000 } });
        }
        "tuning" => {
            own["mtu"] = json!(1400);
            own["mac"] = json!("02:00:00:00:00:0b");
            own["sysctl"] = json!({ "net.core.somaxconn": "500" });
        }
        "vrf" => own["vrfname"] = json!("red"),
        _ => {}
    }
    if ["bridge", "ptp"].contains(&plugin) && !backend.is_empty() {
        own["ipMasq"] = json!(true);
        own["ipMasqBackend"] = json!(backend);
    } else if !backend.is_empty() {
        own["backend"] = json!(backend);
    }
    let is_chained = ["portmap", "bandwidth", "firewall", "tuning", "sbr", "vrf"].contains(&plugin);
    if is_chained {
        return vec![json!({ "type": "ptp", "ipam": ipam }), own];
    }
    if !["loopback", "static", "flannel"].contains(&plugin) {
        own["ipam"] = ipam;
    }
    vec![own]
}
