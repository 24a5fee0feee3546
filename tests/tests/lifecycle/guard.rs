//! The host's own namespace is not a container's.

use ferrule_testkit::{Call, Host, assert_same};
use ferrule_tests::{Network, answers_at_once};
use serde_json::json;

fn calls(host: &Host) -> [Call; 3] {
    // No routes: a gateway that is in the same namespace is none.
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
    /// ADD and DEL are refused before anything changes, whatever path names the namespace and
    /// whatever else is wrong.
    fn the_hosts_namespace_is_refused(host, path in ["mounted", "/proc/self/ns/net", "/proc/thread-self/ns/net"]) {
        host.ip("link add eth0 type bridge");
        let before = host.snapshot();
        let path = if path == "mounted" { host.path().to_owned() } else { path.into() };
        for call in calls(host) {
            let call = call.netns(&path);
            for verb in ["ADD", "DEL"] {
                let outcome = call.clone().verb(verb).run().fails_with_code(8);
                outcome.mentions("should not be the same");
                call.clone().verb(verb).env("CNI_NETNS_OVERRIDE", "0").run().fails_with_code(8);
            }
            assert_same(&before, &host.snapshot());
        }
        assert!(host.ping("127.0.0.1"), "lo is up");
    }
}

ferrule_testkit::test! {
    /// `CNI_NETNS_OVERRIDE` allows it: both ends are on the host then.
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
