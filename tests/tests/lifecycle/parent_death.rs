//! An address plugin ends with the plugin that started it, and only with that one.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use ferrule_testkit::{Host, binaries_folder};
use ferrule_tests::Network;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use serde_json::json;

use crate::lifecycle::leases;
use crate::lifecycle::within::folder_with;

const PARENT: &str = "FERRULE_PARENT";
const LOCK: &str = "/var/lib/cni/networks/net/lock";

/// Waits for an action of another process.
fn wait_until<T>(what: &str, probe: impl Fn() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < end, "{what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// State and parent of a process.
fn stat(pid: &str) -> Option<(String, String)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = text.rsplit_once(')')?;
    let mut words = after_name.split_whitespace().map(str::to_owned);
    Some((words.next()?, words.next()?))
}

/// The child of `parent` that has the lock file open.
fn child_at_lock(parent: u32) -> Option<String> {
    let parent = parent.to_string();
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let names = processes.filter_map(|entry| entry.file_name().into_string().ok());
    names.into_iter().find(|pid| {
        let is_child = stat(pid).is_some_and(|(_, of)| of == parent);
        let files = is_child.then(|| fs::read_dir(format!("/proc/{pid}/fd")).ok());
        let mut files = files.flatten().into_iter().flatten().flatten();
        files.any(|file| fs::read_link(file.path()).is_ok_and(|path| path == Path::new(LOCK)))
    })
}

/// A call of `host-local` for the network that has it behind `bridge`.
fn host_local(host: &Host, container: &str) -> ferrule_testkit::Call {
    let config = Network::bridge().config;
    let call = host
        .plugin("host-local")
        .container(container)
        .ifname("eth0");
    call.netns(format!("/run/netns/{container}")).config(config)
}

ferrule_testkit::test! {
    /// When a plugin is killed while its address plugin waits, the address plugin is killed as
    /// well and reserves nothing.
    fn a_delegate_is_killed_with_its_plugin(host) {
        host.netns("c1");
        host_local(host, "c0").add().succeeds();
        host_local(host, "c0").del().succeeds();
        let ours = fs::read(binaries_folder().join("host-local")).unwrap();
        let folder = folder_with(host, "other", &[&ours[..], b"."].concat());
        let lock = File::open(LOCK).unwrap();
        lock.lock().unwrap();
        let call = Network::bridge().call(host, "c1").cni_path(&folder);
        let mut plugin = call.verb("ADD").start();
        let child = wait_until("the address plugin waits for the lock", || child_at_lock(plugin.pid()));
        plugin.kill();
        plugin.wait();
        drop(lock);
        // Orphans become children of the test process.
        let end = waitpid(Pid::from_raw(child.parse().unwrap()), None).unwrap();
        assert!(matches!(end, WaitStatus::Signaled(_, Signal::SIGKILL, _)), "{end:?}");
        assert_eq!(leases(), [""; 0]);
    }
}

ferrule_testkit::test! {
    /// A process between a plugin and its address plugin may live longer or shorter than either:
    /// every verb works.
    fn a_process_between_plugin_and_delegate(host, plugin in ["bridge", "ptp"]) {
        let container = host.netns("c1");
        let binary = binaries_folder().join("host-local");
        let script = format!("#!/bin/sh\n{}\nexit $?\n", binary.display());
        let folder = folder_with(host, "wrapper", script.as_bytes());
        let network = Network::of(plugin).with(json!({
            "cniVersion": "1.1.0",
            "cni.dev/valid-attachments": [{ "containerID": "c1", "ifname": "eth0" }],
        }));
        let call = network.call(host, "c1").cni_path(&folder);
        let result = call.add().succeeds().json();
        assert_eq!(leases().len(), 2);
        let mut config = network.config.clone();
        config["prevResult"] = result;
        call.clone().config(&config).check().succeeds();
        call.status().succeeds();
        call.gc().succeeds();
        assert_eq!(leases().len(), 2);
        call.config(&config).del().succeeds();
        assert_eq!(leases(), [""; 0]);
        assert!(!container.has_link("eth0"));
    }
}

/// A process that has ended and was not waited for.
fn zombie() -> Child {
    let child = Command::new("/bin/true").spawn().unwrap();
    let pid = child.id().to_string();
    wait_until("it ends", || stat(&pid).filter(|(state, _)| state == "Z"));
    child
}

ferrule_testkit::test! {
    /// The named process is not the parent: if it is dead, it was killed and nothing is done; if
    /// it is alive, or not a process at all, it is ignored.
    fn a_named_process_that_is_not_the_parent(host) {
        let mut ended = zombie();
        let dead = ended.id().to_string();
        for verb in ["ADD", "DEL"] {
            let outcome = host_local(host, "c1").env(PARENT, &dead).verb(verb).run();
            outcome.fails_with_code(11).mentions("is gone");
        }
        ended.wait().unwrap();
        host_local(host, "c1").env(PARENT, &dead).add().fails_with_code(11);
        assert_eq!(leases(), [""; 0]);
        for named in ["1", "", "0", "-1", "self", "99999999999999999999"] {
            host_local(host, "c1").env(PARENT, named).add().succeeds();
            assert_eq!(leases().len(), 2, "{named:?}");
            host_local(host, "c1").env(PARENT, named).del().succeeds();
            assert_eq!(leases(), [""; 0], "{named:?}");
        }
    }
}
