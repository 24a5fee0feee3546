//! Pods that come and go, in the usual ways and others.

use ferrule_testkit::{Pod, assert_same};
use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::containerd::{assert_reached, chain, finish, run, snapshot, start};

ferrule_testkit::test! {
    /// A pod is reached by its addresses and by the host's port, is limited, and leaves nothing.
    fn a_pod_is_run_and_removed(host, backend in ["iptables", "nftables"]) needs [
        Tool("containerd"), Tool("crun"), Tool("curl"), Tool("busybox"),
        Iptables, Ip6tables, Nftables, Ifb, TokenBucketFilter, IngressRedirect, Ipv6
    ] {
        let containerd = start(host, &chain(backend));
        let before = snapshot(host);
        let pod = run(&containerd, "web", &[(8080, 80)]);
        let other = run(&containerd, "other", &[]);
        assert_reached(host, &pod, Some(8080));
        assert_reached(host, &other, None);
        let qdiscs = host.tool("tc", "qdisc show");
        assert!(qdiscs.contains("rate 20Mbit") && qdiscs.contains("rate 40Mbit"), "{qdiscs}");
        finish(&containerd, &other);
        assert_reached(host, &pod, Some(8080));
        finish(&containerd, &pod);
        assert_same(&before, &snapshot(host));
    }
}

fn kill_process(pid: u32) {
    kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL).unwrap();
}

/// The process that started the pod's, containerd's shim.
fn shim_of(pod: &Pod) -> u32 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", pod.pid)).unwrap();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
    parent.unwrap().trim().parse().unwrap()
}

ferrule_testkit::test! {
    /// Whatever has become of a pod, its removal leaves nothing, and its neighbour goes on.
    fn a_pod_that_was_harmed_is_removed(host, harm in [
        "process killed", "shim killed", "namespace unmounted", "interface deleted", "removed at once"
    ]) needs [
        Tool("containerd"), Tool("crun"), Tool("curl"), Tool("busybox"), Tool("nsenter"),
        Iptables, Ip6tables, Ifb, TokenBucketFilter, IngressRedirect, Ipv6
    ] {
        let containerd = start(host, &chain("iptables"));
        let other = run(&containerd, "other", &[(8081, 80)]);
        let before = snapshot(host);
        let pod = run(&containerd, "web", &[(8080, 80)]);
        assert_reached(host, &pod, Some(8080));
        match harm {
            "process killed" => kill_process(pod.pid),
            "shim killed" => kill_process(shim_of(&pod)),
            "namespace unmounted" => {
                umount2(&pod.netns, MntFlags::MNT_DETACH).unwrap();
                std::fs::remove_file(&pod.netns).unwrap();
            }
            "interface deleted" => {
                let netns = pod.netns.display();
                host.tool("nsenter", format!("--net={netns} ip link delete eth0"));
            }
            _ => {}
        }
        if harm == "removed at once" {
            containerd.remove(&pod.id).unwrap();
        } else {
            finish(&containerd, &pod);
        }
        assert_reached(host, &other, Some(8081));
        assert_same(&before, &snapshot(host));
    }
}
