//! containerd killed at its work, and a node that starts anew.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use ferrule_testkit::{Containerd, Host, assert_same};
use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::containerd::{assert_reached, chain, finish, run, snapshot, start};

/// A plugin that changes nothing. Where the first file exists, it stops there, and tells its process
/// in the second.
const HALT: &str = "#!/bin/sh
if [ $CNI_COMMAND = ADD ] && [ -e /run/ferrule/halt ]; then
    echo $$ >/run/ferrule/.halted
    mv /run/ferrule/.halted /run/ferrule/halted
    exec sleep 300
fi
exec $(dirname $0)/tuning
";
const ORDER: &str = "/run/ferrule/halt";
const HALTED: &str = "/run/ferrule/halted";

/// The chain with that plugin behind the plugin of this type.
fn halting(after: &str) -> Value {
    let mut network = chain("iptables");
    let plugins = network["plugins"].as_array_mut().unwrap();
    let position = plugins.iter().position(|plugin| plugin["type"] == after);
    plugins.insert(position.unwrap() + 1, json!({ "type": "halt" }));
    network
}

fn write_plugin(containerd: &Containerd) {
    let path = containerd.plugin_folder().join("halt");
    fs::write(&path, HALT).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// The process of the plugin that has stopped.
fn halted(containerd: &Containerd) -> Pid {
    let start = Instant::now();
    while !Path::new(HALTED).exists() {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "{}",
            containerd.log()
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    Pid::from_raw(fs::read_to_string(HALTED).unwrap().trim().parse().unwrap())
}

ferrule_testkit::test! {
    /// containerd is killed while a pod is being attached: the kubelet finds it not ready, stops it,
    /// starts it anew with the same port, and removes the first in the end.
    fn containerd_is_killed_while_a_pod_starts(host, after in [
        "bridge", "portmap", "bandwidth", "firewall", "tuning"
    ]) needs [
        Tool("containerd"), Tool("crun"), Tool("curl"), Tool("busybox"),
        Iptables, Ip6tables, Ifb, TokenBucketFilter, IngressRedirect, Ipv6
    ] {
        host.write_network("10-pods.conflist", &halting(after));
        let mut containerd = Containerd::start(host);
        write_plugin(&containerd);
        let first = run(&containerd, "first", &[(8079, 80)]);
        finish(&containerd, &first);
        let before = snapshot(host);

        fs::write(ORDER, "").unwrap();
        std::thread::scope(|scope| {
            let attempt = scope.spawn(|| containerd.run("web", &[(8080, 80)], &[]));
            let plugin = halted(&containerd);
            containerd.kill();
            kill(plugin, Signal::SIGKILL).unwrap();
            attempt.join().unwrap().unwrap_err();
        });
        fs::remove_file(ORDER).unwrap();
        containerd.start_again();
        let known = containerd.pods();
        let [interrupted] = &known[..] else { panic!("{known:?}") };
        containerd.stop(interrupted).unwrap();
        let pod = run(&containerd, "web-again", &[(8080, 80)]);
        assert_reached(host, &pod, Some(8080));
        containerd.remove(interrupted).unwrap();
        assert_reached(host, &pod, Some(8080));
        finish(&containerd, &pod);
        assert_same(&before, &snapshot(host));
    }
}

/// What a machine that is switched off loses: processes, links, rules, mounts, `/run`. containerd's
/// and the plugins' folders below `/var` stay.
fn switch_off(host: &Host, containerd: &Containerd) {
    containerd.kill_all();
    let work = host.work_folder();
    let mounts = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(4));
    let lost = points.filter(|point| point.starts_with("/run/") && Path::new(point) != host.path());
    for point in lost.collect::<Vec<_>>().into_iter().rev() {
        umount2(point, MntFlags::MNT_DETACH).unwrap();
    }
    let entries = fs::read_dir("/run")
        .unwrap()
        .map(|entry| entry.unwrap().path());
    for path in entries
        .filter(|path| *path != work)
        .chain([work.join("state")])
    {
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }
    for link in host.ip_json("link show").as_array().unwrap() {
        let name = link["ifname"].as_str().unwrap();
        // The other end of a pair goes with the first.
        if name != "lo" && host.has_link(name) {
            host.ip(format!("link delete {name}"));
        }
    }
    host.tool("nft", "flush ruleset");
}

ferrule_testkit::test! {
    /// A node starts anew with what it remembers below `/var`: pods get addresses again, and those of
    /// before are removed, in whichever order the kubelet does that.
    fn a_node_starts_anew(host, order in ["new pods first", "old pods first"]) needs [
        Tool("containerd"), Tool("crun"), Tool("curl"), Tool("busybox"),
        Iptables, Ip6tables, Nftables, Ifb, TokenBucketFilter, IngressRedirect, Ipv6
    ] {
        let mut containerd = start(host, &chain("iptables"));
        let before = snapshot(host);
        let old = [8081, 8082].map(|port| run(&containerd, &format!("old-{port}"), &[(port, 80)]));

        switch_off(host, &containerd);
        containerd.start_again();
        assert_eq!(containerd.pods().len(), 2);
        if order == "old pods first" {
            for pod in &old {
                containerd.stop(&pod.id).unwrap();
            }
        }
        let new = [8081, 8082].map(|port| run(&containerd, &format!("new-{port}"), &[(port, 80)]));
        for pod in &old {
            finish(&containerd, pod);
        }
        for (pod, port) in new.iter().zip([8081, 8082]) {
            assert_reached(host, pod, Some(port));
        }
        for pod in &new {
            finish(&containerd, pod);
        }
        assert_same(&before, &snapshot(host));
    }
}
