//! Invalid values, and ADDs that fail.

use ferrule_testkit::assert_same;
use ferrule_tests::single_link::leases;
use serde_json::{Value, json};

use crate::host_device::{idle_wire, on_wire, reaches_far_end, state};

ferrule_testkit::test! {
    /// Keys that select no device are refused by name, change nothing, and do not make DEL fail.
    fn invalid_values_are_refused(host) {
        idle_wire(host);
        let container = host.netns("c1");
        let before = container.network_snapshot();
        let outside = state(host);
        let exact = r#"specify either "device", "hwaddr", "kernelpath" or "pciBusID""#;
        for (keys, code, text) in [
            (json!({}), 7, exact),
            (json!({ "device": "", "hwaddr": null }), 7, exact),
            (json!({ "device": 5 }), 6, "device"),
            (json!({ "device": "none0" }), 999, "device \"none0\" not found on the host"),
            (json!({ "hwaddr": "02:00:00" }), 7, "key hwaddr"),
            (json!({ "hwaddr": "02:00:00:00:00:77" }), 999, "hwaddr 02:00:00:00:00:77 not found"),
            (json!({ "kernelpath": "sys/devices/virtual" }), 7, "key kernelpath"),
            (json!({ "kernelpath": "/sys/devices/../bus" }), 7, "key kernelpath"),
            (json!({ "kernelpath": "/sys/devices/none" }), 999, "/sys/devices/none/net"),
            (json!({ "pciBusID": "../virtual" }), 7, "../virtual"),
            (json!({ "pciBusID": "ffff:ff:ff.7" }), 999, "ffff:ff:ff.7"),
            (json!({ "runtimeConfig": { "deviceID": "nothing" } }), 999, "runtimeConfig.deviceID"),
            (json!({ "device": "lo" }), 999, "change link 1 (netns)"),
        ] {
            let network = on_wire().with(json!({ "device": null })).with(keys);
            let call = network.call(host, "c1");
            call.add().fails_with_code(code).mentions(text);
            assert_same(&before, &container.network_snapshot());
            call.del().succeeds();
            assert_same(&outside, &state(host));
            assert_eq!(leases(), Vec::<String>::new());
        }
        let absent = on_wire().call(host, "c1").netns("/run/netns/none");
        absent.add().fails().mentions("no such file or directory");
        absent.del().succeeds();
        let own = on_wire().call(host, "c1").netns(host.path());
        own.add().fails_with_code(8);
        own.del().succeeds();
        assert_same(&outside, &state(host));
    }
}

/// Ways to fail, with the text of the error.
fn failures() -> [(Value, &'static str); 4] {
    let subnet = json!({ "subnet": "10.1.2.0/24" });
    let empty = json!({ "subnet": "10.1.2.0/24", "rangeStart": "10.1.3.9" });
    let unreachable = json!([{ "dst": "10.9.0.0/16", "gw": "192.0.2.77" }]);
    [
        (json!({ "type": "no-such-plugin" }), "no-such-plugin"),
        (
            json!({ "type": "host-local", "ranges": [[empty]] }),
            "10.1.3.9",
        ),
        (
            json!({ "type": "host-local", "ranges": [[subnet]], "routes": unreachable }),
            "10.9.0.0/16",
        ),
        (json!({ "type": "static", "addresses": [] }), "IP"),
    ]
}

ferrule_testkit::test! {
    /// When the address plugin fails or the addresses cannot be added, the device is on the host as
    /// before, up if it was up, and no address is reserved.
    fn a_failed_add_returns_the_device(host, was in ["up", "down"]) {
        idle_wire(host);
        host.ip(["link", "set", "wire0", was]);
        host.ip(["link", "set", "wire0", "alias", "uplink to rack 7"]);
        host.ip("link set wire0 mtu 1400");
        let outside = state(host);
        for (ipam, text) in failures() {
            let container = host.netns("c1");
            let before = container.network_snapshot();
            let call = on_wire().with(json!({ "ipam": ipam })).call(host, "c1");
            let error = call.add().fails().mentions(text).error();
            assert!(!error.details.contains("could not"), "{error:?}");
            assert_same(&before, &container.network_snapshot());
            container.remove();
            assert_same(&outside, &state(host));
            assert_eq!(leases(), Vec::<String>::new());
            on_wire().call(host, "c1").del().succeeds();
            assert_same(&outside, &state(host));
        }
    }
}

ferrule_testkit::test! {
    /// The device keeps its addresses on the host if the address plugin fails.
    fn an_early_failure_does_not_touch_the_device(host) {
        let wire = idle_wire(host);
        host.ip("link set wire0 up");
        host.ip("address add 10.1.2.99/24 dev wire0");
        let before = state(host);
        let container = host.netns("c1");
        let [(missing, _), (empty, _), ..] = failures();
        for ipam in [missing, empty] {
            on_wire().with(json!({ "ipam": ipam })).call(host, "c1").add().fails();
        }
        container.remove();
        assert_same(&before, &state(host));
        assert!(wire.far.ping("10.1.2.99"));
    }
}

ferrule_testkit::test! {
    /// A failed ADD does not take a link that has the interface's name in the container by then.
    fn a_failed_add_takes_no_link_of_the_container(host) {
        idle_wire(host);
        let outside = state(host);
        let container = host.netns("c1");
        let folder = host.work_folder();
        let script = "#!/bin/sh\nnsenter --net=$CNI_NETNS ip link add eth0 type veth peer name eth1\n\
                      echo '{ \"code\": 999, \"msg\": \"no addresses\" }'\nexit 1\n";
        let path = folder.join("host-local");
        std::fs::write(&path, script).unwrap();
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&path, executable).unwrap();
        let call = on_wire().call(host, "c1").cni_path(&folder);
        let error = call.add().fails().mentions("no addresses").error();
        assert!(!error.details.contains("could not"), "{error:?}");
        assert!(container.has_link("eth0") && host.has_link("wire0"));
        container.ip("link delete eth0");
        container.remove();
        assert_same(&outside, &state(host));
    }
}

ferrule_testkit::test! {
    /// A second ADD is refused and the first attachment keeps working: for the same interface,
    /// under another name, and for a device that is in use.
    fn a_second_add_is_refused(host) {
        idle_wire(host);
        let attachment = on_wire().attach(host, "c1");
        let before = attachment.container.network_snapshot();
        let again = attachment.call.add();
        again.fails().mentions("\"eth0\" already exists").mentions("DEL");
        on_wire().call(host, "c1").ifname("eth7").add().fails().mentions("\"wire0\" not found");
        host.netns("c2");
        let other = on_wire().call(host, "c2");
        other.add().fails().mentions("\"wire0\" not found").mentions("a container has it");
        other.del().succeeds();
        assert_same(&before, &attachment.container.network_snapshot());
        assert!(reaches_far_end(&attachment.container));
        attachment.container.ip("link set eth0 down");
        attachment.container.ip("link set eth0 name eth5");
        attachment.call.add().fails().mentions("another name").mentions("DEL");
        attachment.detach();
        assert!(host.has_link("wire0"));
        attachment.call.add().succeeds();
    }
}

ferrule_testkit::test! {
    /// If the name is taken in the container nothing moves, and DEL does not touch that link.
    fn a_taken_name_is_refused(host) {
        idle_wire(host);
        let outside = state(host);
        let container = host.netns("c1");
        container.ip("link add eth0 type veth peer name eth1");
        let before = container.network_snapshot();
        let call = on_wire().call(host, "c1");
        call.add().fails().mentions("\"eth0\" already exists");
        call.del().succeeds();
        assert_same(&before, &container.network_snapshot());
        container.ip("link delete eth0");
        container.remove();
        assert_same(&outside, &state(host));
    }
}
