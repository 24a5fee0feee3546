//! The test kit: if it detected nothing, every other test would pass.

use std::os::unix::process::ExitStatusExt as _;

use ferrule_testkit::{Call, Container, Host, assert_same};
use serde_json::json;

/// A bridge network created by the Go plugins.
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
        // The main thread stays in the namespace of the test executable.
        assert_ne!(own, std::fs::read_link("/proc/self/ns/net").unwrap());
        assert_eq!(std::fs::read_dir("/var/lib/cni").unwrap().count(), 0);
        let shown = std::fs::read_dir("/sys/class/net").unwrap();
        let shown = shown.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        assert!(!shown.collect::<Vec<_>>().contains(&"eth0".to_owned()));
    }
}

ferrule_testkit::test! {
    /// A container has a namespace of its own, which ends with its removal.
    fn a_container_comes_and_goes(host) {
        let container = host.netns("c1");
        host.ip(["link", "add", "va", "type", "veth", "peer", "name", "vb", "netns", "c1"]);
        assert!(container.has_link("vb") && !container.has_link("va"));
        assert!(host.has_link("va") && !host.has_link("vb"));
        container.remove();
        assert!(!container.path().exists());
        // The kernel removes namespaces in the background.
        let gone = || !host.has_link("va");
        assert!((0..500).any(|_| gone() || { std::thread::sleep(std::time::Duration::from_millis(10)); false }));
    }
}

ferrule_testkit::test! {
    /// A snapshot detects each kind of leftover.
    fn a_snapshot_detects_leftovers(host) {
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
    /// The kit runs all verbs of a plugin, and packets flow.
    fn all_verbs_run(host, version in ["0.4.0", "1.0.0"]) needs [PeerPlugins] {
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
    /// Failures are compared by their error object.
    fn a_failure_is_compared(host) needs [PeerPlugins] {
        let call = host.peer_plugin("loopback").verb("ADD").container("../c1").netns("/nowhere");
        let call = call.ifname("lo").config(json!({ "cniVersion": "1.0.0", "name": "n", "type": "loopback" }));
        call.run().fails_with_code(4).mentions("containerID");
        let wrong = call.container("c1").run().fails();
        assert!(wrong.error().msg.contains("no such file"), "{wrong}");
    }
}

ferrule_testkit::test! {
    /// TCP and UDP exchanges return the source address, and fail when nothing listens.
    fn exchanges_return_the_source_address(host) needs [PeerPlugins] {
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

ferrule_testkit::test! {
    /// A process is killed right before the chosen system call, wherever that is.
    fn a_process_is_killed_anywhere(host) {
        let file = host.work_folder().join("made");
        let touch = host.executable("/usr/bin/touch", [&file]);
        let mut made_at = None;
        let mut count = 1;
        while let Some(killed) = touch.killed_at_syscall(count) {
            assert_eq!(killed.status.signal(), Some(9), "{killed}");
            if file.exists() {
                made_at.get_or_insert(count);
                std::fs::remove_file(&file).unwrap();
            }
            count += 1;
        }
        assert!(file.exists(), "the last run was left to its end");
        // Made after the work of the loader and before the end.
        assert!(made_at.is_some_and(|at| at > 10 && at < count), "{made_at:?} of {count}");
    }
}

ferrule_testkit::test! {
    /// Children of a killed process run to their end before the kill is reported.
    fn children_of_a_killed_process_run_to_their_end(host) {
        let file = host.work_folder().join("children");
        let line = format!("(echo start >>{0}; sleep 0.02; echo end >>{0})", file.display());
        let shell = host.executable("/bin/sh", ["-c", &format!("{line} & wait; true")]);
        let mut started = 0;
        let mut count = 1;
        while shell.killed_at_syscall(count).is_some() {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            assert!(text.is_empty() || text == "start\nend\n", "killed at {count}: {text}");
            started += usize::from(!text.is_empty());
            let _ = std::fs::remove_file(&file);
            count += 1;
        }
        assert!(started > 0);
        assert!(!host.snapshot().contains("process"));
    }
}

ferrule_testkit::test! {
    /// A killed process has the effects of the system calls before the kill, and no others.
    fn a_plugin_is_killed_midway(host) needs [PeerPlugins] {
        let container = host.netns("c1");
        let before = host.snapshot();
        let bridge = peer_bridge(host, &container, "1.0.0").verb("ADD");
        let killed = bridge.killed_at_syscall(40).expect("a plugin makes more calls than that");
        assert_eq!(killed.status.signal(), Some(9));
        assert_same(&before, &host.snapshot());
        assert!(bridge.killed_at_syscall(1_000_000).is_none());
        assert!(host.has_link("cni0"));
    }
}

ferrule_testkit::test! {
    /// A capture contains frames of links that were created later, decoded.
    fn a_capture_sees_announcements(host) {
        let container = host.netns("c1");
        let capture = host.capture();
        host.ip("link add va type veth peer name vb netns c1");
        host.ip("link set va up");
        container.ip("link set vb up");
        container.ip("address add 10.8.0.2/24 dev vb");
        assert!(!container.ping("10.8.0.1"));
        let asks = |frame: &ferrule_testkit::Frame| {
            frame.arp().is_some_and(|arp| arp.target.to_string() == "10.8.0.1")
        };
        let frame = capture.wait_for(std::time::Duration::from_secs(2), asks).unwrap();
        let arp = frame.arp().unwrap();
        assert_eq!((frame.link.as_str(), frame.outgoing, arp.operation), ("va", false, 1));
        assert_eq!(arp.sender.to_string(), "10.8.0.2");
        assert_eq!(arp.sender_mac, container.link("vb")["address"].as_str().unwrap());
        assert_eq!(frame.destination(), "ff:ff:ff:ff:ff:ff");
        assert_eq!(frame.source(), arp.sender_mac);
    }
}

ferrule_testkit::test! {
    /// The lab kernel has the drivers that this kernel lacks.
    fn the_lab_kernel_has_rare_links(host) needs [Dummy, Ipvlan, Vrf, Vlan8021q, Macvlan] {
        host.ip("link add parent type dummy");
        host.ip("link set parent up");
        for (name, address) in [("c1", "10.6.0.1/24"), ("c2", "10.6.0.2/24")] {
            let container = host.netns(name);
            host.ip(format!("link add inside link parent netns {name} type ipvlan mode l2"));
            container.ip(format!("address add {address} dev inside"));
            container.ip("link set inside up");
            if name == "c2" {
                assert!(container.ping("10.6.0.1"), "two ipvlan links of one parent");
            }
        }
        host.ip("link add v5 link parent type vlan id 5");
        host.ip("link add red type vrf table 10");
        assert_eq!(host.link("v5")["linkinfo"]["info_kind"], "vlan");
        assert!(host.snapshot().contains("link red kind vrf"));
    }
}

ferrule_testkit::test! {
    /// The packet filter of each kernel can be used and listed, and IPv6 works.
    fn a_filtering_bridge_carries_packets(host)
        needs [BridgeVlanFiltering, Iptables, Ip6tables, Ipv6, Tun] {
        host.tool("iptables", "-t nat -A POSTROUTING -s 10.5.0.0/24 -j MASQUERADE");
        assert!(host.snapshot().contains("-A POSTROUTING -s 10.5.0.0/24 -j MASQUERADE"));
        host.ip("link add br0 type bridge vlan_filtering 1");
        host.ip("link set br0 up");
        host.ip("address add fd00:5::1/64 dev br0 nodad");
        let container = host.netns("c1");
        host.ip("link add va type veth peer name vb netns c1");
        host.ip("link set va master br0 up");
        container.ip("link set vb up");
        container.ip("address add fd00:5::2/64 dev vb nodad");
        assert!(container.ping6("fd00:5::1"));
        let udp = host.listen_udp("[fd00:5::1]:0");
        let seen = udp.reached_from(&container, udp.address()).unwrap();
        assert_eq!(seen.ip().to_string(), "fd00:5::2");
        assert!(host.snapshot().contains("bridge-vlan"));
    }
}
