//! Locks: no process without privileges delays a call, and a call that gives up waiting for a lock
//! names the process that holds it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use ferrule_testkit::{Call, Host, Need};
use ferrule_tests::with_keys;
use serde_json::{Value, json};

/// Every plugin, with the back end where it writes to a packet filter.
const CASES: &[&str] = &[
    "bridge iptables",
    "bridge nftables",
    "ptp iptables",
    "ptp nftables",
    "portmap iptables",
    "portmap nftables",
    "firewall iptables",
    "firewall nftables",
    "host-local",
    "static",
    "loopback",
    "host-device",
    "dummy",
    "ipvlan",
    "macvlan",
    "tap",
    "vlan",
    "tuning",
    "bandwidth",
    "sbr",
    "vrf",
    "flannel",
];

/// The plugins that need a previous result.
const CHAINED: &[&str] = &["portmap", "firewall", "tuning", "bandwidth", "sbr", "vrf"];

const VERBS: &[&str] = &["ADD", "CHECK", "STATUS", "GC", "DEL"];

fn needs(case: &str) -> &'static [Need] {
    match case {
        "dummy" => &[Need::Dummy],
        "ipvlan" => &[Need::Ipvlan],
        "macvlan" => &[Need::Macvlan],
        "tap" => &[Need::Tun],
        "vlan" => &[Need::Vlan8021q],
        "bandwidth" => &[Need::Ifb, Need::TokenBucketFilter, Need::IngressRedirect],
        "vrf" => &[Need::Vrf],
        _ if case.ends_with("iptables") => &[Need::Iptables, Need::Ip6tables],
        _ if case.ends_with("nftables") => &[Need::Nftables],
        _ => &[],
    }
}

/// The calls of one plugin.
struct Plugin<'h> {
    host: &'h Host,
    name: &'h str,
    config: Value,
}

impl<'h> Plugin<'h> {
    fn new(host: &'h Host, case: &'h str) -> Self {
        let (name, filter) = case.split_once(' ').unwrap_or((case, "iptables"));
        host.ip("link add ext0 type veth peer name ext1");
        host.ip("link set ext0 up");
        let keys = match name {
            "bridge" | "ptp" => json!({ "ipMasq": true, "ipMasqBackend": filter }),
            "portmap" | "firewall" => json!({ "backend": filter }),
            "host-device" => json!({ "device": "ext0" }),
            "ipvlan" | "macvlan" => json!({ "master": "ext0" }),
            "vlan" => json!({ "master": "ext0", "vlanId": 5 }),
            "tuning" => json!({ "mtu": 1400 }),
            "bandwidth" => json!({ "egressRate": 20_000_000, "egressBurst": 200_000 }),
            "vrf" => json!({ "vrfname": "red" }),
            _ => json!({}),
        };
        let mut config = json!({ "cniVersion": "1.1.0", "name": "net", "type": name });
        let container = host.netns("c1");
        match name {
            _ if CHAINED.contains(&name) => {
                host.ip("link add veth0 up type veth peer name eth0 netns c1");
                container.ip("address add 10.1.2.3/24 dev eth0");
                container.ip("link set eth0 up");
                config["prevResult"] = json!({
                    "cniVersion": "1.1.0",
                    "interfaces": [
                        { "name": "veth0" },
                        { "name": "eth0", "sandbox": "/run/netns/c1" },
                    ],
                    "ips": [{ "address": "10.1.2.3/24", "gateway": "10.1.2.1", "interface": 1 }],
                });
            }
            "loopback" => {}
            "flannel" => {
                fs::create_dir("/run/flannel").unwrap();
                let subnet = "FLANNEL_NETWORK=10.1.0.0/16\nFLANNEL_SUBNET=10.1.2.1/24\n\
                              FLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n";
                fs::write("/run/flannel/subnet.env", subnet).unwrap();
            }
            "static" => {
                config["ipam"] =
                    json!({ "type": "static", "addresses": [{ "address": "10.1.2.3/24" }] });
            }
            _ => config["ipam"] = json!({ "type": "host-local", "subnet": "10.1.2.0/24" }),
        }
        if name == "portmap" {
            let mapping = json!({ "hostPort": 8080, "containerPort": 80, "protocol": "tcp" });
            config["runtimeConfig"] = json!({ "portMappings": [mapping] });
        }
        let config = with_keys(config, &keys);
        Self { host, name, config }
    }

    fn call(&self, verb: &str) -> Call {
        let mut config = self.config.clone();
        if verb == "GC" {
            config["cni.dev/valid-attachments"] =
                json!([{ "containerID": "c1", "ifname": "eth0" }]);
        }
        let call = self
            .host
            .plugin(self.name)
            .container("c1")
            .netns("/run/netns/c1");
        call.ifname(if self.name == "loopback" {
            "lo"
        } else {
            "eth0"
        })
        .verb(verb)
        .config(&config)
    }

    /// DEL of sbr leaves the routes in tables that go with the interface; a new interface has its own
    /// in the main table.
    fn renew_routes(&self) {
        if self.name == "sbr" {
            for words in ["link set eth0 down", "link set eth0 up"] {
                self.host.exec(format!("ip -netns c1 {words}")).succeeds();
            }
        }
    }

    /// Runs all verbs, from ADD to DEL, each with the result of ADD.
    fn run_verbs(&mut self) {
        self.renew_routes();
        for verb in VERBS {
            let outcome = self.call(verb).run().succeeds();
            if *verb == "ADD" {
                self.config["prevResult"] = outcome.json();
            }
        }
        if !CHAINED.contains(&self.name) {
            self.config.as_object_mut().unwrap().remove("prevResult");
        }
        self.renew_routes();
    }
}

/// A stopped process that has a lock on a file.
struct Holder(Child);

impl Holder {
    /// Takes the lock as this user; `None` if the user cannot open the file.
    fn of(path: &Path, user: &str) -> Option<Self> {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid", user, "--regid", user, "--clear-groups"])
            .args(["flock", "--nonblock"])
            .arg(path)
            .args(["bash", "-c", "echo held; kill -STOP $PPID"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut process = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let holder = Self(process);
        (line == "held\n").then_some(holder)
    }

    /// Takes the lock as root, on a file that is created if it is missing.
    fn as_root(path: &Path) -> Self {
        fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        Self::of(path, "0").unwrap()
    }

    fn name(&self) -> String {
        format!("held by flock (process {}", self.0.id())
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Every file below a folder.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    found.push(folder.to_owned());
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files(&entry.path(), found),
            Ok(kind) if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
}

/// The only lock file whose name begins with this.
fn lock_file(prefix: &str) -> PathBuf {
    let mut found = Vec::new();
    files("/run/cni/locks".as_ref(), &mut found);
    found.retain(|path| {
        path.file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with(prefix)
    });
    let [path] = found.as_slice() else {
        panic!("not one lock of {prefix}: {found:?}")
    };
    path.clone()
}

ferrule_testkit::test! {
    /// A process without privileges in the host's network namespace locks every file that it can open
    /// (folders, namespaces, state of the plugins) and never releases one. It cannot stop a plugin or
    /// what a plugin starts, as these run as root.
    fn an_unprivileged_process_cannot_block_a_verb(host, case in CASES => needs) needs [Tool("setpriv"), Tool("flock")] {
        let mut plugin = Plugin::new(host, case);
        plugin.run_verbs();
        // Attached, so that the files of an attachment exist.
        plugin.call("ADD").run().succeeds();
        let mut paths = vec![PathBuf::from("/proc/self/ns/net"), PathBuf::from("/proc/thread-self/ns/net")];
        for folder in ["/run", "/var/lib/cni"] {
            files(folder.as_ref(), &mut paths);
        }
        let held: Vec<Holder> = paths.iter().filter_map(|path| Holder::of(path, "65534")).collect();
        assert!(held.len() > 5, "only {} of {paths:?} are locked", held.len());
        plugin.call("DEL").run().succeeds();
        plugin.run_verbs();
    }
}

ferrule_testkit::test! {
    /// A verb that changes something gives up waiting for a stopped process and names it; STATUS and
    /// CHECK do not wait.
    fn the_holder_of_the_namespaces_lock_is_named(host, case in ["portmap iptables", "portmap nftables", "firewall iptables", "firewall nftables", "sbr", "vrf"] => needs)
        needs [Tool("setpriv"), Tool("flock")] {
        // sbr and vrf change the container's namespace, the others the host's.
        let (prefix, verbs): (_, &[&str]) = match case {
            "sbr" => ("sandbox-", &["ADD"]),
            "vrf" => ("sandbox-", &["ADD", "DEL"]),
            _ => ("netns-", &["ADD", "GC", "DEL"]),
        };
        let mut plugin = Plugin::new(host, case);
        plugin.run_verbs();
        plugin.call("ADD").run().succeeds();
        let holder = Holder::as_root(&lock_file(prefix));
        let waiting: Vec<_> = verbs.iter().map(|verb| plugin.call(verb).start()).collect();
        for verb in ["STATUS", "CHECK"] {
            plugin.call(verb).run().succeeds();
        }
        for running in waiting {
            let outcome = running.wait().fails_with_code(11);
            outcome.mentions(&holder.name()).mentions("waited 30 s for the lock");
        }
        // Nothing was changed.
        plugin.call("CHECK").run().succeeds();
        drop(holder);
        plugin.call("DEL").run().succeeds();
    }
}

ferrule_testkit::test! {
    /// Legacy iptables has a lock of its own. STATUS does not wait for it, ADD and DEL wait with a
    /// deadline, and ADD without a configured back end fails instead of choosing nftables.
    fn the_holder_of_the_xtables_lock_is_named(host, name in ["bridge", "ptp", "portmap", "firewall"])
        needs [LegacyIptables, Nftables, Tool("setpriv"), Tool("flock")] {
        let folder = host.work_folder().join("legacy");
        fs::create_dir(&folder).unwrap();
        for tool in ["iptables", "ip6tables"] {
            for part in ["", "-restore", "-save"] {
                symlink(format!("/usr/sbin/{tool}-legacy{part}"), folder.join(format!("{tool}{part}"))).unwrap();
            }
        }
        let path = format!("{}:/usr/sbin:/usr/bin", folder.display());
        let mut plugin = Plugin::new(host, name);
        let config = plugin.config.as_object_mut().unwrap();
        config.remove("ipMasqBackend");
        if name != "firewall" {
            config.remove("backend");
        }
        let holder = Holder::as_root("/run/xtables.lock".as_ref());
        plugin.call("STATUS").env("PATH", &path).run().succeeds();
        let outcome = plugin.call("ADD").env("PATH", &path).run().fails_with_code(11);
        outcome.mentions("xtables lock").mentions(&holder.name());
        plugin.call("STATUS").env("PATH", &path).run().succeeds();
        drop(holder);
        plugin.call("DEL").env("PATH", &path).run().succeeds();
        plugin.call("ADD").env("PATH", &path).run().succeeds();
        let holder = Holder::as_root("/run/xtables.lock".as_ref());
        plugin.call("STATUS").env("PATH", &path).run().succeeds();
        let outcome = plugin.call("DEL").env("PATH", &path).run().fails_with_code(11);
        outcome.mentions("xtables lock").mentions(&holder.name());
        drop(holder);
        plugin.call("DEL").env("PATH", &path).run().succeeds();
    }
}
