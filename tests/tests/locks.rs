//! Locks: nobody without privileges holds up a call, and who does hold a lock is named when the
//! wait for it ends.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use ferrule_testkit::{Call, Host, Need};
use serde_json::{Value, json};

/// Every plugin, with the packet filter where it uses one.
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
];

const VERBS: &[&str] = &["ADD", "CHECK", "STATUS", "GC", "DEL"];

fn needs(case: &str) -> &'static [Need] {
    match case {
        "dummy" => &[Need::Dummy],
        "ipvlan" => &[Need::Ipvlan],
        "macvlan" => &[Need::Macvlan],
        "tap" => &[Need::Tun],
        "vlan" => &[Need::Vlan8021q],
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
            _ => json!({}),
        };
        let mut config = json!({ "cniVersion": "1.1.0", "name": "net", "type": name });
        match name {
            "portmap" | "firewall" => {
                config["prevResult"] = json!({
                    "cniVersion": "1.1.0",
                    "interfaces": [{ "name": "eth0", "sandbox": "/run/netns/c1" }],
                    "ips": [{ "address": "10.1.2.3/24", "interface": 0 }],
                });
            }
            "loopback" => {}
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
        for (key, value) in keys.as_object().unwrap() {
            config[key] = value.clone();
        }
        host.netns("c1");
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

    /// Runs the verbs one after the other, each with what ADD has answered.
    fn live(&mut self) {
        for verb in VERBS {
            let outcome = self.call(verb).run().succeeds();
            if *verb == "ADD" {
                self.config["prevResult"] = outcome.json();
            }
        }
        if !["portmap", "firewall"].contains(&self.name) {
            self.config.as_object_mut().unwrap().remove("prevResult");
        }
    }
}

/// A stopped process that has a lock on a file.
struct Holder(Child);

impl Holder {
    /// Takes the lock as this user; `None` if that one cannot.
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

    /// Takes it as root. The file is made if it is not there.
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

/// The lock file of the test's namespace.
fn lock_of_namespace() -> PathBuf {
    let inode = fs::metadata("/proc/thread-self/ns/net").unwrap().ino();
    Path::new("/run/cni/locks").join(format!("netns-{inode}"))
}

ferrule_testkit::test! {
    /// A process without privileges in the host's network namespace locks every file it can open,
    /// folders, namespaces and state of the plugins included, and never lets go. Everything that
    /// it could stop is its own: the plugins and what they start are root's.
    fn no_lock_of_an_unprivileged_process_counts(host, case in CASES => needs) needs [Tool("setpriv"), Tool("flock")] {
        let mut plugin = Plugin::new(host, case);
        plugin.live();
        // What is there while a container is attached.
        plugin.call("ADD").run().succeeds();
        let mut paths = vec![PathBuf::from("/proc/self/ns/net"), PathBuf::from("/proc/thread-self/ns/net")];
        for folder in ["/run", "/var/lib/cni"] {
            files(folder.as_ref(), &mut paths);
        }
        let held: Vec<Holder> = paths.iter().filter_map(|path| Holder::of(path, "65534")).collect();
        assert!(held.len() > 5, "it has only locked {} of {paths:?}", held.len());
        plugin.call("DEL").run().succeeds();
        plugin.live();
    }
}

ferrule_testkit::test! {
    /// Whoever waits for a stopped process gives up and names it; who only looks does not wait.
    fn the_holder_of_the_namespaces_lock_is_named(host, case in ["portmap iptables", "portmap nftables", "firewall iptables", "firewall nftables"])
        needs [Iptables, Ip6tables, Nftables, Tool("setpriv"), Tool("flock")] {
        let mut plugin = Plugin::new(host, case);
        plugin.live();
        plugin.call("ADD").run().succeeds();
        let holder = Holder::as_root(&lock_of_namespace());
        let waiting = ["ADD", "GC", "DEL"].map(|verb| plugin.call(verb).start());
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
    /// The older variant of iptables has a lock of its own. STATUS does not wait for it, nobody
    /// waits for ever, and no back end is chosen because of it: where none is named, ADD fails.
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
