//! GC.

use ferrule_testkit::{Host, Outcome, assert_same};
use ferrule_tests::Network;
use ferrule_tests::single_link::leases;
use serde_json::{Value, json};

use crate::host_device::{idle_wire, on_wire, reaches_far_end, state};

fn collect(host: &Host, network: &Network, valid: &[&str]) -> Outcome {
    let valid: Vec<Value> = valid
        .iter()
        .map(|id| json!({ "containerID": id, "ifname": "eth0" }))
        .collect();
    let keys = json!({ "cni.dev/valid-attachments": valid });
    network.clone().with(keys).call(host, "any").gc()
}

ferrule_testkit::test! {
    /// GC returns the devices of attachments that are not listed, keeps the others, and calls the
    /// address plugin.
    fn stale_devices_are_returned(host) {
        idle_wire(host);
        host.ip("link add spare type veth peer name other");
        let spare = on_wire().with(json!({ "device": "spare" }));
        let before = state(host);
        let alive = on_wire().attach(host, "alive");
        let held = leases();
        let dead = spare.attach(host, "dead");

        collect(host, &on_wire(), &["alive", "dead"]).succeeds().stdout_is("");
        assert!(!host.has_link("spare") && dead.container.has_link("eth0"));
        // GC of one network does not touch devices of another.
        collect(host, &on_wire().with(json!({ "name": "other" })), &[]).succeeds();
        assert!(!host.has_link("spare") && !host.has_link("wire0"));

        collect(host, &on_wire(), &["alive"]).succeeds();
        assert!(host.has_link("spare") && !dead.container.has_link("eth0"));
        assert_eq!(leases(), held);
        assert!(reaches_far_end(&alive.container));
        alive.check().succeeds();
        dead.call.del().succeeds();

        on_wire().call(host, "any").gc().succeeds().stdout_is("");
        alive.check().succeeds();
        collect(host, &on_wire(), &[]).succeeds();
        collect(host, &on_wire(), &[]).succeeds();
        assert!(host.has_link("wire0"));
        assert_eq!(leases(), Vec::<String>::new());
        on_wire().version("1.0.0").call(host, "any").gc().fails_with_code(1);
        alive.container.remove();
        dead.container.remove();
        assert_same(&before, &state(host));
    }
}

ferrule_testkit::test! {
    /// After the end of the namespace, a device that the kernel has returned to the host is
    /// renamed, and one that ended with the namespace leaves no record.
    fn a_device_of_an_ended_container_is_renamed(host, name in ["eth0", "dev7"]) {
        idle_wire(host);
        let before = state(host);
        let dead = on_wire().attach(host, "dead");
        let path = host.path().display().to_string();
        dead.container.ip(["link", "set", "eth0", "netns", &path, "name", name]);
        dead.container.remove();
        collect(host, &on_wire(), &[]).succeeds();
        assert_same(&before, &state(host));

        let dead = on_wire().attach(host, "dead");
        dead.container.remove();
        collect(host, &on_wire(), &[]).succeeds();
        assert!(!std::path::Path::new("/run/cni/host-device").exists());
    }
}

ferrule_testkit::test! {
    /// One failure is reported and does not stop GC.
    fn one_failure_stops_nothing(host) {
        idle_wire(host);
        host.ip("link add spare type veth peer name other");
        let first = on_wire().attach(host, "first");
        let second = on_wire().with(json!({ "device": "spare" })).attach(host, "second");
        host.ip("link add wire0 type veth peer name wire9");
        collect(host, &on_wire(), &[]).fails().mentions("\"wire0\" already exists on the host");
        assert!(host.has_link("spare") && !second.container.has_link("eth0"));
        assert_eq!(leases(), Vec::<String>::new());
        assert!(first.container.has_link("eth0"));
        host.ip("link delete wire0");
        collect(host, &on_wire(), &[]).succeeds();
        assert!(host.has_link("wire0"));
    }
}
