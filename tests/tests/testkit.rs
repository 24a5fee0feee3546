//! The test kit itself: a kit that notices nothing would let every other test pass.

use ferrule_testkit::{Call, Container, Host, assert_same};
use serde_json::json;

/// A bridge network made by the Go plugins, for tests of the runner.
fn peer_bridge(host: &Host, container: &Container, version: &str) -> Call {
    let config = json!({
        "cniVersion": version, "name": "net", "type": "bridge", "bridge": "cni0",
        "isGateway": true,
        "ipam": { "type": "host-local", "subnet": "10.7.0.0/24" },
    });
    let call = host
        .peer_plugin("bridge")
        .container("c1")
        .netns(container)
        .ifname("eth0");
    call.config(config)
}

ferrule_testkit::test! {
    /// The private host has its own links, mounts and state folders.
    fn a_host_is_private(host) {
        let links = host.ip_json("link show");
        assert_eq!(links.as_array().map(Vec::len), Some(1), "{links}");
        assert_eq!(host.link("lo")["flags"][1], "UP");
        let own = std::fs::read_link("/proc/thread-self/ns/net").unwrap();
        // The main thread stays where the test executable was started.
        assert_ne!(own, std::fs::read_link("/proc/self/ns/net").unwrap());
        assert_eq!(std::fs::read_dir("/var/lib/cni").unwrap().count(), 0);
        let shown = std::fs::read_dir("/sys/class/net").unwrap();
        let shown = shown.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        assert!(!shown.collect::<Vec<_>>().contains(&"eth0".to_owned()));
    }
}

ferrule_testkit::test! {
    /// A container is another namespace, and is gone after its removal.
    fn a_container_comes_and_goes(host) {
        let container = host.netns("c1");
        host.ip(["link", "add", "va", "type", "veth", "peer", "name", "vb", "netns", "c1"]);
        assert!(container.has_link("vb") && !container.has_link("va"));
        assert!(host.has_link("va") && !host.has_link("vb"));
        container.remove();
        assert!(!container.path().exists());
        // The kernel takes namespaces apart in the background.
        let gone = || !host.has_link("va");
        assert!((0..500).any(|_| gone() || { std::thread::sleep(std::time::Duration::from_millis(10)); false }));
    }
}

ferrule_testkit::test! {
    /// A snapshot notices each kind of leftover.
    fn a_snapshot_notices_leftovers(host) {
        let before = host.snapshot();
        assert_same(&before, &host.snapshot());
        host.ip("link add left type bridge");
        host.ip("address add 10.9.0.1/24 dev left");
        host.ip("rule add from 10.9.0.0/24 table 99");
        host.ip("route add 10.10.0.0/16 dev lo table 99");
        host.tool("iptables", "-t nat -N LEFT");
        std::fs::write("/var/lib/cni/left", "lease").unwrap();
        let container = host.netns("left");
        let mut process = container.start("sleep 30");
        let after = host.snapshot();
        let difference = before.difference(&after);
        for part in [
            "+ link left kind bridge",
            "+ address left 10.9.0.1/24",
            "+ rule ",
            "10.10.0.0/16",
            "+ iptables nat :LEFT",
            "+ file /var/lib/cni/left \"lease\"",
            "+ namespace /run/netns/left",
            "+ process sleep 30",
        ] {
            assert!(difference.contains(part), "{part} is not in:\n{difference}");
        }
        process.kill();
        process.wait();
        container.remove();
        assert!(!host.snapshot().contains("sleep 30"));
        let without_link = host.snapshot().ignoring(&["left"]);
        assert!(!without_link.contains("link left") && without_link.contains("/var/lib/cni/left"));
        assert!(!host.snapshot().ignoring(&["/var/lib/cni"]).contains("/var/lib/cni/left"));
    }
}

ferrule_testkit::test! {
    /// The runner drives a plugin through its life, and the packets flow.
    fn a_plugin_is_driven(host, version in ["0.4.0", "1.0.0"]) needs [PeerPlugins] {
        let container = host.netns("c1");
        let bridge = peer_bridge(host, &container, version);
        let before = host.snapshot();
        let result = bridge.add().succeeds().json();
        assert_eq!(result["ips"][0]["address"], "10.7.0.2/24");
        assert_eq!(container.addresses("eth0"), ["10.7.0.2/24"]);
        assert!(host.ping("10.7.0.2") && container.ping("10.7.0.1"));
        assert!(!host.ping("10.7.0.3"));
        bridge.del().succeeds().stdout_is("");
        let state = ["cni0", "/var/lib/cni"];
        assert_same(&before.ignoring(&state), &host.snapshot().ignoring(&state));
    }
}

ferrule_testkit::test! {
    /// Failures are judged by their error object.
    fn a_failure_is_judged(host) needs [PeerPlugins] {
        let call = host.peer_plugin("loopback").verb("ADD").container("../c1").netns("/nowhere");
        let call = call.ifname("lo").config(json!({ "cniVersion": "1.0.0", "name": "n", "type": "loopback" }));
        call.run().fails_with_code(4).mentions("containerID");
        let wrong = call.container("c1").run().fails();
        assert!(wrong.error().msg.contains("no such file"), "{wrong}");
    }
}

ferrule_testkit::test! {
    /// TCP and UDP exchanges tell who was seen, and fail when nothing listens.
    fn exchanges_go_through(host) needs [PeerPlugins] {
        let container = host.netns("c1");
        peer_bridge(host, &container, "1.0.0").add().succeeds();
        let tcp = container.listen_tcp("10.7.0.2:8080");
        assert_eq!(tcp.reached_from(host, "10.7.0.2:8080").unwrap().ip().to_string(), "10.7.0.1");
        assert!(tcp.reached_from(host, "10.7.0.2:8081").is_err());
        let udp = host.listen_udp("10.7.0.1:0");
        let seen = udp.reached_from(&container, udp.address()).unwrap();
        assert_eq!(seen.ip().to_string(), "10.7.0.2");
        assert!(udp.reached_from(&container, "10.7.0.1:9").is_err());
    }
}

ferrule_testkit::main!();
