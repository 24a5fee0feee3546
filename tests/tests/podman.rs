//! podman with its CNI back end, its own default network, and Ferrule's executables alone.

use ferrule_testkit::{Host, Podman, Snapshot, assert_same};
use ferrule_tests::{answers_http, is_served};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// What stays of a network when its last container is gone, podman's own processes that end by
/// themselves, and what crun remembers of containers whose monitor was killed.
const SHARED: [&str; 6] = [
    "cni-podman0",
    "cni-podman1",
    "/var/lib/cni",
    "/run/crun",
    "/usr/bin/conmon",
    "/usr/bin/podman",
];

const ADDRESS: &str = "{{.NetworkSettings.Networks.podman.IPAddress}}";

fn snapshot(host: &Host) -> Snapshot {
    host.snapshot().ignoring(&SHARED)
}

/// podman; what the first container makes for all of them is made. One whose network is reloaded keeps
/// its hardware address, which `tuning` sets.
fn start(host: &Host) -> Podman<'_> {
    let podman = Podman::new(host);
    podman.start("first", "--publish 8080:80");
    podman.run("network reload first").succeeds();
    podman.remove("first");
    podman
}

/// A container on the default network is reached by its address and by the host's port.
#[track_caller]
fn assert_reached(host: &Host, podman: &Podman<'_>, name: &str, port: u16) -> String {
    let address = podman.inspect(name, ADDRESS);
    assert!(address.starts_with("10.88."), "{address:?}");
    assert!(is_served(host, &address, 80), "by its address");
    for gateway in ["10.88.0.1", "127.0.0.1"] {
        assert!(is_served(host, gateway, port), "by the port on {gateway}");
    }
    address
}

ferrule_testkit::test! {
    /// `podman run` publishes a port, `podman rm -f` leaves the host as it was.
    fn a_container_is_run_and_removed(host) needs [
        Tool("podman"), Tool("crun"), Tool("conmon"), Tool("busybox"), Iptables, Ip6tables
    ] {
        let podman = start(host);
        let before = snapshot(host);
        podman.start("web", "--publish 8080:80");
        let address = assert_reached(host, &podman, "web", 8080);
        podman.remove("web");
        assert!(!host.ping(&address));
        assert_same(&before, &snapshot(host));
    }
}

ferrule_testkit::test! {
    /// The port is there again after `restart`, after `stop` and `start`, and when `network reload` is
    /// to repair rules that somebody has removed.
    fn a_container_keeps_its_port(host) needs [
        Tool("podman"), Tool("crun"), Tool("conmon"), Tool("busybox"), Nftables, Iptables, Ip6tables
    ] {
        let podman = start(host);
        let before = snapshot(host);
        podman.start("web", "--publish 8080:80");
        assert_reached(host, &podman, "web", 8080);
        podman.run("restart --time 0 web").succeeds();
        assert_reached(host, &podman, "web", 8080);
        podman.run("stop --time 0 web").succeeds();
        assert!(!answers_http(host, "10.88.0.1", 8080));
        assert_same(&before, &snapshot(host));
        podman.run("start web").succeeds();
        let address = assert_reached(host, &podman, "web", 8080);
        host.tool("nft", "flush ruleset");
        assert!(!answers_http(host, "127.0.0.1", 8080));
        podman.run("network reload web").succeeds();
        assert_eq!(assert_reached(host, &podman, "web", 8080), address);
        podman.remove("web");
        assert_same(&before, &snapshot(host));
    }
}

ferrule_testkit::test! {
    /// A container joins a second network while it runs, and leaves it again.
    fn a_container_joins_another_network(host) needs [
        Tool("podman"), Tool("crun"), Tool("conmon"), Tool("busybox"), Iptables, Ip6tables
    ] {
        let podman = start(host);
        podman.run("network create --disable-dns --subnet 10.77.0.0/24 second").succeeds();
        podman.start("first", "--network second");
        podman.remove("first");
        let before = snapshot(host);
        podman.start("web", "--publish 8080:80");
        podman.run("network connect second web").succeeds();
        assert_reached(host, &podman, "web", 8080);
        let template = "{{.NetworkSettings.Networks.second.IPAddress}}";
        let address = podman.inspect("web", template);
        assert!(address.starts_with("10.77.0."), "{address:?}");
        assert!(is_served(host, &address, 80));
        podman.run("network disconnect second web").succeeds();
        assert!(!host.ping(&address));
        assert_reached(host, &podman, "web", 8080);
        podman.remove("web");
        assert_same(&before, &snapshot(host));
    }
}

ferrule_testkit::test! {
    /// A container whose processes were killed is removed like any other.
    fn a_killed_container_leaves_nothing(host, what in ["container", "conmon and container"]) needs [
        Tool("podman"), Tool("crun"), Tool("conmon"), Tool("busybox"), Iptables, Ip6tables
    ] {
        let podman = start(host);
        let before = snapshot(host);
        podman.start("web", "--publish 8080:80");
        assert_reached(host, &podman, "web", 8080);
        let [container, conmon] = ["{{.State.Pid}}", "{{.State.ConmonPid}}"]
            .map(|template| Pid::from_raw(podman.inspect("web", template).parse().unwrap()));
        if what != "container" {
            kill(conmon, Signal::SIGKILL).unwrap();
        }
        kill(container, Signal::SIGKILL).unwrap();
        // Nobody told podman that the container has ended: it finds out at the first attempt.
        let _ = podman.run("rm --force --time 0 web");
        podman.run("rm --force --time 0 --ignore web").succeeds();
        assert_same(&before, &snapshot(host));
        podman.start("web", "--publish 8080:80");
        assert_reached(host, &podman, "web", 8080);
        podman.remove("web");
        assert_same(&before, &snapshot(host));
    }
}
