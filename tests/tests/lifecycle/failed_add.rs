//! A failed ADD leaves neither a link nor a reserved address.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use ferrule_testkit::{Call, Host, assert_same};
use ferrule_tests::{Network, answers_at_once};
use serde_json::json;

use crate::lifecycle::leases;

/// The host with the bridge in place, so that a failed ADD must not change anything.
fn prepared(host: &Host, plugin: &str) -> Network {
    Network::of(plugin).attach(host, "earlier");
    Network::of(plugin)
}

/// A folder for `CNI_PATH` with an address plugin of these shell commands, which appends each verb
/// to the file `verbs`.
fn scripted(host: &Host, name: &str, lines: &str) -> String {
    let folder = host.work_folder();
    let path = folder.join(name);
    let log = folder.join("verbs");
    let text = format!(
        "#!/bin/sh\necho $CNI_COMMAND >>{}\ncat >/dev/null\n{lines}\n",
        log.display()
    );
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    folder.display().to_string()
}

fn verbs(host: &Host) -> String {
    fs::read_to_string(host.work_folder().join("verbs"))
        .unwrap_or_default()
        .replace('\n', " ")
}

/// ADD must fail with this text and change nothing.
#[track_caller]
fn assert_refused(host: &Host, call: &Call, text: &str) {
    let ignored = ["/var/lib/cni"];
    let before = (host.snapshot().ignoring(&ignored), leases());
    call.add().fails().mentions(text);
    assert_same(&before.0, &host.snapshot().ignoring(&ignored));
    assert_eq!(before.1, leases());
    call.del();
    assert_same(&before.0, &host.snapshot().ignoring(&ignored));
    assert_eq!(before.1, leases());
}

ferrule_testkit::test! {
    /// The address plugin is missing, fails, or returns garbage or no address. One that may hold a
    /// reservation gets DEL.
    fn a_failing_address_plugin_leaves_nothing(host, plugin in ["bridge", "ptp"]) {
        let network = prepared(host, plugin);
        let container = host.netns("c1");
        let missing = network.clone().with(json!({ "ipam": { "type": "missing" } }));
        assert_refused(host, &missing.call(host, "c1"), "failed to find plugin \"missing\"");
        let error = r#"echo '{"code": 11, "msg": "no room", "details": "later"}'; exit 1"#;
        for (answer, text, releases) in [
            (format!("[ $CNI_COMMAND != ADD ] || {{ {error}; }}"), "no room", false),
            ("echo sorry >&2; [ $CNI_COMMAND = DEL ]".into(), "sorry", true),
            ("[ $CNI_COMMAND != ADD ] || echo nonsense".into(), "failed to unmarshal raw result", true),
            (r#"[ $CNI_COMMAND != ADD ] || echo '{"cniVersion": "1.0.0"}'"#.into(), "missing IP config", true),
            ("[ $CNI_COMMAND != ADD ] || kill -9 $$".into(), "SIGKILL", true),
        ] {
            // The in-process one runs before the link is created, any other one after it.
            for name in ["host-local", "custom"] {
                let _ = fs::remove_file(host.work_folder().join("verbs"));
                let path = scripted(host, name, &answer);
                let network = network.clone().with(json!({ "ipam": { "type": name } }));
                assert_refused(host, &network.call(host, "c1").cni_path(path), text);
                // The last DEL is that of the runtime.
                let expected = if releases || name == "custom" { "ADD DEL DEL " } else { "ADD DEL " };
                assert_eq!(verbs(host), expected, "{name}: {answer}");
            }
        }
        assert!(!container.has_link("eth0"));
    }
}

ferrule_testkit::test! {
    /// The error object of the address plugin is passed on unchanged.
    fn the_address_plugins_error_is_passed_on(host, plugin in ["bridge", "ptp"]) {
        host.netns("c1");
        let error = r#"[ $CNI_COMMAND = DEL ] || { echo '{"code": 123, "msg": "m", "details": "d"}'; exit 1; }"#;
        let path = scripted(host, "custom", error);
        let call = Network::of(plugin).with(json!({ "ipam": { "type": "custom" } })).call(host, "c1");
        let error = call.cni_path(path).add().fails_with_code(123).error();
        assert_eq!((error.msg.as_str(), error.details.as_str()), ("m", "d"));
    }
}

ferrule_testkit::test! {
    /// Types that lead out of the folders of `CNI_PATH` are refused.
    fn address_plugins_come_from_cni_path(host, kind in ["../host-local", "/usr/lib/cni/host-local", "..", "."]) {
        host.netns("c1");
        for plugin in ["bridge", "ptp"] {
            let call = Network::of(plugin).with(json!({ "ipam": { "type": kind } })).call(host, "c1");
            call.add().fails().mentions(kind);
            call.del().fails().mentions(kind);
            assert_eq!(leases(), [""; 0]);
        }
    }
}

ferrule_testkit::test! {
    /// The interface's name exists in the container.
    fn an_existing_interface_name_is_refused(host, plugin in ["bridge", "ptp"]) {
        let network = prepared(host, plugin);
        let container = host.netns("c1");
        container.ip("link add eth0 type bridge");
        let before = container.network_snapshot();
        let text = "container veth name (\"eth0\") peer provided";
        assert_refused(host, &network.call(host, "c1"), text);
        assert_same(&before, &container.network_snapshot());
    }
}

ferrule_testkit::test! {
    /// A second ADD is refused, and the first attachment keeps working, with its reservation.
    fn a_second_add_is_refused(host, plugin in ["bridge", "ptp"]) {
        let attachment = Network::of(plugin).attach(host, "c1");
        let before = (host.snapshot(), attachment.container.network_snapshot());
        attachment.call.add().fails().mentions("already exists").mentions("DEL");
        assert_same(&before.0, &host.snapshot());
        assert_same(&before.1, &attachment.container.network_snapshot());
        attachment.check().succeeds();
        assert!(answers_at_once(host, attachment.address(0)));
        assert!(answers_at_once(&attachment.container, "fd00:1:2::1"));
    }
}

ferrule_testkit::test! {
    /// A second ADD of the same attachment in another namespace is refused as well.
    fn a_second_add_in_another_namespace_is_refused(host, plugin in ["bridge", "ptp"]) {
        let network = Network::of(plugin).with_addresses(&["10.1.2.7/24"]);
        let network = if plugin == "bridge" { network } else {
            let address = json!([{ "address": "10.1.2.7/24", "gateway": "10.1.2.1" }]);
            network.with(json!({ "ipam": { "type": "static", "addresses": address } }))
        };
        let attachment = network.attach(host, "c1");
        let other = host.netns("other");
        let before = host.snapshot();
        let call = attachment.call.clone().netns(&other);
        call.add().fails().mentions("DEL");
        assert_same(&before, &host.snapshot());
        assert!(!other.has_link("eth0"));
        attachment.check().succeeds();
        assert!(answers_at_once(host, "10.1.2.7"));
    }
}

ferrule_testkit::test! {
    /// The kernel refuses the link.
    fn a_refused_link_leaves_nothing(host, plugin in ["bridge", "ptp"]) {
        let network = prepared(host, plugin);
        let container = host.netns("c1");
        for mtu in [10, 70_000] {
            let call = network.clone().with(json!({ "mtu": mtu })).call(host, "c1");
            assert_refused(host, &call, "create veth");
        }
        if plugin == "bridge" {
            let keys = json!({ "runtimeConfig": { "mac": "01:00:5e:00:00:01" } });
            let call = network.clone().with(keys).call(host, "c1");
            assert_refused(host, &call, "a group address");
        }
        let call = network.call(host, "c1").netns("/run/netns/none");
        assert_refused(host, &call, "no such file or directory");
        assert_refused(host, &call.netns("/etc/passwd"), "not a network namespace");
        assert!(!container.has_link("eth0"));
    }
}

ferrule_testkit::test! {
    /// The container's kernel refuses a route, after all other steps.
    fn a_refused_route_is_undone(host, plugin in ["bridge", "ptp"]) {
        let network = prepared(host, plugin);
        host.netns("c1");
        let ipam = json!({ "type": "host-local", "subnet": "10.1.2.0/24",
                           "routes": [{ "dst": "10.50.0.0/16", "gw": "192.0.2.99" }] });
        let call = network.with(json!({ "ipam": ipam })).call(host, "c1");
        assert_refused(host, &call, "add route 10.50.0.0/16 via 192.0.2.99");
    }
}

ferrule_testkit::test! {
    /// Objects that keep the bridge from being created.
    fn a_bridge_that_cannot_be_created_leaves_nothing(host) {
        let network = prepared(host, "bridge");
        host.netns("c1");
        host.ip("link add taken type veth peer name other");
        let taken = network.clone().with(json!({ "bridge": "taken", "promiscMode": true }));
        assert_refused(host, &taken.call(host, "c1"), "\"taken\" on the host is of kind veth, not a bridge");
        let ipam = json!({ "type": "host-local", "subnet": "10.9.0.0/16" });
        let conflict = network.clone().with(json!({ "ipam": ipam }));
        assert_refused(host, &conflict.call(host, "c1"), "already has an IP address different");
        for name in ["", "a-name-that-is-too-long", "with/slash", ".."] {
            let named = network.clone().with(json!({ "bridge": name }));
            assert_refused(host, &named.call(host, "c1"), "");
        }
    }
}

ferrule_testkit::test! {
    /// ADD fails if its result cannot be written.
    fn a_result_that_nobody_reads_is_undone(host, plugin in ["bridge", "ptp"]) {
        let network = prepared(host, plugin);
        let container = host.netns("c1");
        let before = host.snapshot().ignoring(&["/var/lib/cni"]);
        let held = leases();
        let executable = ferrule_testkit::binaries_folder().join(plugin);
        let call = host.executable("/bin/sh", ["-c", "exec >/dev/full; exec \"$0\"", executable.to_str().unwrap()]);
        let call = call.cni_path(ferrule_testkit::binaries_folder()).container("c1").netns(&container);
        call.ifname("eth0").config(&network.config).add().fails();
        assert_same(&before, &host.snapshot().ignoring(&["/var/lib/cni"]));
        assert_eq!(held, leases());
        assert!(!container.has_link("eth0"));
    }
}
