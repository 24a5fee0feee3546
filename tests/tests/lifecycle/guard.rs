//! The host's own namespace is never treated as a container's.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use ferrule_testkit::{Call, Host, PEER_FOLDER, Running, assert_same};
use ferrule_tests::{Network, answers_at_once, with_prev_result};
use serde_json::json;

use crate::lifecycle::leases;

fn calls(host: &Host) -> [Call; 3] {
    // No routes: their gateway would be in the same namespace.
    let ipam = json!({ "type": "host-local", "subnet": "10.1.2.0/24" });
    let [bridge, ptp] = [Network::bridge(), Network::ptp()]
        .map(|network| network.with(json!({ "ipam": ipam })).call(host, "c1"));
    let config = json!({ "cniVersion": "1.1.0", "name": "net", "type": "loopback" });
    let loopback = host
        .plugin("loopback")
        .container("c1")
        .ifname("lo")
        .config(config);
    [bridge, ptp, loopback]
}

ferrule_testkit::test! {
    /// ADD is refused before anything changes, whatever path leads to the namespace and whatever
    /// else is wrong. DEL without an attachment succeeds and changes nothing.
    fn add_in_the_hosts_namespace_is_refused(host, path in PATHS) {
        host.ip("link add eth0 type veth peer name eth1");
        let (path, mut process) = resolved(host, path);
        let before = host.snapshot();
        for call in calls(host) {
            let call = call.netns(&path);
            for call in [call.clone(), call.env("CNI_NETNS_OVERRIDE", "0")] {
                call.add().fails_with_code(8).mentions("should not be the same");
                let outcome = call.del().succeeds().stdout_is("");
                assert!(outcome.stderr.contains("the host's own"), "{outcome}");
                assert_same(&before, &host.snapshot());
            }
        }
        assert!(host.ping("127.0.0.1"), "lo is up");
        process.kill();
        process.wait();
    }
}

/// Paths of the host's namespace.
const PATHS: [&str; 4] = [
    "mounted",
    "/proc/self/ns/net",
    "/proc/thread-self/ns/net",
    "recycled",
];

/// The path, with the id of a process on the host in place of PID for the runtime's
/// `/proc/PID/ns/net`.
fn resolved(host: &Host, path: &str) -> (PathBuf, Running) {
    let process = host.start("sleep 60");
    let path = match path {
        "mounted" => host.path().to_owned(),
        "recycled" => format!("/proc/{}/ns/net", process.pid()).into(),
        path => path.into(),
    };
    (path, process)
}

ferrule_testkit::test! {
    /// The process id in the container's namespace path belongs to a process of the host by now:
    /// DEL releases the addresses and the host end, and changes nothing else on the host.
    fn del_with_a_recycled_process_id_spares_the_host(host, path in PATHS) {
        let (path, mut process) = resolved(host, path);
        for plugin in ["bridge", "ptp"] {
            let network = Network::of(plugin);
            let attachment = network.attach(host, plugin);
            // Links that DEL would remove if this were the container's namespace.
            host.ip("link add eth0 type veth peer name eth1");
            let config = with_prev_result(&network.config, &attachment.result);
            let call = attachment.call.clone().netns(&path).config(config);
            call.del().succeeds().stdout_is("");
            assert!(!host.has_link(attachment.host_end()) && host.has_link("eth0"));
            assert_eq!(leases(), [""; 0]);
            call.del().succeeds();
            host.ip("link delete eth0");
        }
        process.kill();
        process.wait();
    }
}

ferrule_testkit::test! {
    /// The address plugin gets no namespace either: the Go plugins would fail with code 8.
    fn an_address_plugin_is_not_told_of_the_hosts_namespace(host, plugin in ["bridge", "ptp"]) needs [PeerPlugins] {
        let folder = host.work_folder().join("peer");
        fs::create_dir(&folder).unwrap();
        symlink(format!("{PEER_FOLDER}/host-local"), folder.join("host-local")).unwrap();
        let call = Network::of(plugin).version("1.0.0").attach(host, "c1").call.cni_path(folder);
        call.netns(host.path()).del().succeeds().stdout_is("");
        assert_eq!(leases(), [""; 0]);
    }
}

ferrule_testkit::test! {
    /// `CNI_NETNS_OVERRIDE` allows it: then both ends are on the host.
    fn the_guard_can_be_overridden(host, value in ["1", "true", "TRUE"]) {
        let [bridge, ptp, loopback] = calls(host).map(|call| {
            call.netns(host.path()).env("CNI_NETNS_OVERRIDE", value)
        });
        for call in [bridge, ptp] {
            let before = host.snapshot().ignoring(&["cni0", "/var/lib/cni"]);
            let result = call.add().succeeds().json();
            assert!(host.has_link("eth0"));
            assert!(answers_at_once(host, "10.1.2.2"));
            assert!(result["interfaces"].as_array().unwrap().iter().any(|entry| entry["name"] == "eth0"));
            call.del().succeeds();
            assert!(!host.has_link("eth0"));
            assert_same(&before, &host.snapshot().ignoring(&["cni0", "/var/lib/cni"]));
            let _ = host.exec("ip link delete cni0");
            std::fs::remove_dir_all("/var/lib/cni/networks").unwrap();
        }
        loopback.add().succeeds();
        loopback.del().succeeds();
        assert!(!host.ping("127.0.0.1"), "lo is down");
    }
}
