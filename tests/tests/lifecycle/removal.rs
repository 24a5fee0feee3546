//! DEL returns when the link is gone; the kernel goes on in a child process that DEL leaves behind.

use std::fs;
use std::time::{Duration, Instant};

use ferrule_testkit::{Call, Host, binaries_folder};
use ferrule_tests::Network;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

/// Chooses whether a child may be left behind, in place of the rule.
const VARIABLE: &str = "FERRULE_REMOVAL";

/// The children that plugins left behind: the test process inherits them, and no test collects them.
fn orphans() -> Vec<Pid> {
    let own = std::process::id().to_string();
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_orphan = |pid: &i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // Behind the name: state, parent, process group, session.
        let fields = stat.rsplit(')').next().unwrap_or_default();
        let fields: Vec<&str> = fields.split_whitespace().collect();
        fields.get(1) == Some(&own.as_str()) && fields.get(3) == Some(&pid.to_string().as_str())
    };
    pids.filter(is_orphan).map(Pid::from_raw).collect()
}

/// Collects the children that plugins left behind, as an init would.
fn collect_orphans() {
    for orphan in orphans() {
        waitpid(orphan, Some(WaitPidFlag::empty())).unwrap();
    }
}

/// ADD and DEL of a container that stays.
fn add_and_del(host: &Host, call: &Call) {
    call.add().succeeds();
    call.del().succeeds();
    assert!(!host.ip("-br link show type veth").contains("veth"));
}

fn network(host: &Host, container: &str) -> Call {
    host.netns(container);
    Network::bridge()
        .with_addresses(&["10.1.2.3/24"])
        .call(host, container)
}

ferrule_testkit::test! {
    /// Whoever inherits orphans and does not collect them gets one and no more.
    fn an_orphan_that_nobody_collects_is_the_only_one(host) {
        let call = network(host, "c1");
        for _ in 0..4 {
            add_and_del(host, &call);
            assert_eq!(orphans().len(), 1);
        }
        collect_orphans();
        for count in 1..4 {
            add_and_del(host, &call);
            assert_eq!(orphans().len(), count);
        }
        collect_orphans();
    }
}

ferrule_testkit::test! {
    /// With `wait` no process is left behind, with `detach` always one.
    fn the_environment_decides(host) {
        let call = network(host, "c1");
        for _ in 0..3 {
            add_and_del(host, &call.clone().env(VARIABLE, "wait"));
        }
        assert_eq!(orphans(), []);
        for _ in 0..3 {
            add_and_del(host, &call.clone().env(VARIABLE, "detach"));
        }
        assert_eq!(orphans().len(), 3);
        collect_orphans();
    }
}

ferrule_testkit::test! {
    /// Where no process can be started, DEL waits and removes the link all the same.
    fn without_a_child_the_kernel_is_waited_for(host) {
        let call = network(host, "c1");
        call.add().succeeds();
        // The first process of a PID namespace has ended: there cannot be another one.
        let plugin = binaries_folder().join("bridge");
        let script = format!("true & wait; exec {}", plugin.display());
        let restricted = host.executable("/usr/bin/unshare", ["--pid", "/bin/sh", "-c", &script]);
        let restricted = restricted.container("c1").netns("/run/netns/c1").ifname("eth0");
        let restricted = restricted.cni_path(binaries_folder()).env(VARIABLE, "detach");
        let config = Network::bridge().with_addresses(&["10.1.2.3/24"]).config;
        restricted.config(config).del().succeeds();
        assert!(!host.ip("-br link show type veth").contains("veth"));
        assert_eq!(orphans(), []);
    }
}

ferrule_testkit::test! {
    /// Name and address are free when DEL returns: a thousand times the same ones.
    fn the_next_add_finds_everything_free(host) {
        let call = network(host, "c1").env(VARIABLE, "detach");
        for _ in 0..1000 {
            call.add().succeeds();
            call.del().succeeds();
        }
        collect_orphans();
    }
}

ferrule_testkit::test! {
    /// Within a second nothing is left but what has to be collected.
    fn the_children_end_by_themselves(host) {
        let call = network(host, "c1").env(VARIABLE, "detach");
        for _ in 0..10 {
            add_and_del(host, &call);
        }
        let deadline = Instant::now() + Duration::from_secs(1);
        let is_zombie = |pid: &Pid| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.contains(") Z ")
        };
        while !orphans().iter().all(is_zombie) {
            assert!(Instant::now() < deadline, "a child is still there");
            std::thread::sleep(Duration::from_millis(5));
        }
        collect_orphans();
    }
}
