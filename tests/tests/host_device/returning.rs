//! DEL returns the device in every situation.

use std::time::Duration;

use ferrule_testkit::{Container, Host, assert_same};
use ferrule_tests::single_link::leases;
use ferrule_tests::{Attachment, Wire};
use serde_json::json;

use crate::host_device::{idle_wire, on_wire, reaches_far_end, state};

/// Attaches, runs `change`, sends DEL twice, and compares the host with before.
fn after(host: &Host, change: impl FnOnce(&Attachment)) {
    host.ip(["link", "set", "wire0", "alias", "uplink to rack 7"]);
    let before = state(host);
    let attachment = on_wire().attach(host, "c1");
    change(&attachment);
    attachment.call.del().succeeds().stdout_is("");
    assert!(host.has_link("wire0"));
    attachment.call.del().succeeds();
    if attachment.container.path().exists() {
        attachment.container.remove();
    }
    assert_same(&before, &state(host));
    assert_eq!(leases(), Vec::<String>::new());
}

ferrule_testkit::test! {
    /// After every change by the container: name, alias, MAC address and MTU are those the device
    /// had on the host.
    fn changes_by_the_container_are_reverted(host) {
        idle_wire(host);
        for change in [
            "link set eth0 down",
            "link set eth0 mtu 1300",
            "link set eth0 address 02:00:00:00:00:99",
            "link set eth0 alias other",
            "link set eth0 down; link set eth0 name eth7; link set eth7 up",
            "link set eth0 down; link set eth0 name wire0",
            "address flush dev eth0; address add 192.0.2.1/24 dev eth0",
            "link add br0 type bridge; link set eth0 master br0",
            "link set eth0 promisc on; link set eth0 allmulticast on",
            "link add eth7 alias wire0 type veth peer name eth8",
        ] {
            after(host, |attachment| {
                for line in change.split("; ") {
                    attachment.container.ip(line);
                }
            });
        }
        after(host, |attachment| {
            attachment.container.ip(["link", "set", "eth0", "alias", ""]);
        });
    }
}

ferrule_testkit::test! {
    /// Links that the container has created on the device are removed.
    fn links_on_top_of_it_are_removed(host, kind in ["vlan id 5", "macvlan"])
        needs [Vlan8021q, Macvlan] {
        idle_wire(host);
        after(host, |attachment| {
            attachment.container.ip(format!("link add link eth0 name top type {kind}"));
        });
        // A veth is not on top of another link, although the kernel reports its peer in the same
        // attribute.
        let attachment = on_wire().attach(host, "c2");
        attachment.container.ip("link add eth7 type veth peer name eth8");
        attachment.container.ip(format!("link add link eth0 name top type {kind}"));
        attachment.call.del().succeeds();
        assert!(attachment.container.has_link("eth7") && !attachment.container.has_link("top"));
    }
}

ferrule_testkit::test! {
    /// The path of the namespace is gone, but a process still runs in it.
    fn a_namespace_without_a_path_is_found(host) {
        idle_wire(host);
        let before = state(host);
        let attachment = on_wire().attach(host, "c1");
        attachment.container.ip("link set eth0 down");
        attachment.container.ip("link set eth0 name eth7");
        let mut process = attachment.container.start("sleep 60");
        attachment.container.remove();
        attachment.call.del().succeeds();
        assert!(host.has_link("wire0"));
        process.kill();
        process.wait();
        assert_same(&before, &state(host));
        assert_eq!(leases(), Vec::<String>::new());
    }
}

ferrule_testkit::test! {
    /// The namespace has ended, and a virtual device with it: DEL releases the addresses and leaves
    /// nothing, for every form of the path.
    fn an_ended_namespace_is_no_error(host, path in ["gone", "empty", "file", "recycled"]) {
        let before = state(host);
        idle_wire(host);
        let attachment = on_wire().attach(host, "c1");
        attachment.container.remove();
        let mut call = attachment.call.clone();
        match path {
            "empty" => call = call.netns(""),
            "file" => std::fs::write("/run/netns/c1", "").unwrap(),
            "recycled" => {
                let other = host.netns("c1");
                other.ip("link add eth0 alias wire0 type veth peer name eth1");
                call.del().succeeds();
                assert!(other.has_link("eth0"));
                other.ip("link delete eth0");
                other.remove();
            }
            _ => {}
        }
        call.del().succeeds();
        call.del().succeeds();
        let _ = std::fs::remove_file("/run/netns/c1");
        assert_eq!(leases(), Vec::<String>::new());
        std::fs::remove_file("/run/netns/far").unwrap_or_default();
        host.exec("umount /run/netns/far");
        let _ = std::fs::remove_file("/run/netns/far");
        let same = || before.difference(&state(host)).is_empty();
        assert!((0..100).any(|_| same() || pause()), "{}", before.difference(&state(host)));
    }
}

fn pause() -> bool {
    std::thread::sleep(Duration::from_millis(20));
    false
}

/// Moves the device to the host under another name, as the kernel does when a namespace ends.
fn return_to_host(host: &Host, container: &Container, name: &str) {
    let path = host.path().display().to_string();
    container.ip(["link", "set", "eth0", "netns", &path, "name", name]);
}

ferrule_testkit::test! {
    /// A device that the kernel has returned under another name, with its alias, gets its own name
    /// and alias back, whether it is up or down.
    fn a_device_returned_by_the_kernel_is_renamed(host, name in ["eth0", "dev7", "net5"]) {
        idle_wire(host);
        after(host, |attachment| {
            return_to_host(host, &attachment.container, name);
            attachment.container.remove();
        });
        after(host, |attachment| return_to_host(host, &attachment.container, "wire0"));
        let attachment = on_wire().attach(host, "c9");
        return_to_host(host, &attachment.container, name);
        host.ip(["link", "set", name, "up"]);
        attachment.call.del().succeeds();
        assert!(host.link("wire0")["flags"].as_array().unwrap().contains(&json!("UP")));
    }
}

ferrule_testkit::test! {
    /// If its name is taken on the host, DEL fails and the device works in the container until the
    /// name is free.
    fn a_name_conflict_stays_an_error(host) {
        let wire: Wire = idle_wire(host);
        let before = state(host);
        let attachment = on_wire().attach(host, "c1");
        host.ip("link add wire0 type veth peer name wire9");
        let inside = attachment.container.network_snapshot();
        for _ in 0..2 {
            let refused = attachment.call_with_result().del();
            refused.fails().mentions("\"wire0\" already exists on the host").mentions("rename");
        }
        assert_same(&inside, &attachment.container.network_snapshot());
        assert!(reaches_far_end(&attachment.container));
        host.ip("link delete wire0");
        attachment.detach();
        attachment.container.remove();
        assert_same(&before, &state(host));
        assert!(wire.far.has_link("wire1"));
    }
}

ferrule_testkit::test! {
    /// DEL needs little of the configuration, no result, and none of the device's keys.
    fn del_needs_little(host, keys in [r#"{"device": null}"#, r#"{"device": 5}"#, r#"{"device": "other"}"#,
        r#"{"pciBusID": "ffff:ff:ff.7", "device": null}"#, r#"{"hwaddr": "x", "device": null}"#]) {
        idle_wire(host);
        let before = state(host);
        let attachment = on_wire().attach(host, "c1");
        let keys: serde_json::Value = serde_json::from_str(keys).unwrap();
        on_wire().with(keys).call(host, "c1").del().succeeds();
        attachment.container.remove();
        assert_same(&before, &state(host));
    }
}

ferrule_testkit::test! {
    /// The network may have another name than at ADD: the record contains container and interface.
    /// The device may be in the container, or on the host under another name.
    fn the_network_may_have_been_renamed(host, place in ["container", "host"]) {
        idle_wire(host);
        let before = state(host);
        let attachment = on_wire().attach(host, "c1");
        let lent_state = state(host);
        let renamed = on_wire().with(json!({ "name": "renamed" }));
        // DEL for another container, another interface or another device does not take it.
        renamed.call(host, "c1").container("other").del().succeeds();
        renamed.call(host, "c1").ifname("eth5").del().succeeds();
        renamed.clone().with(json!({ "device": "other" })).call(host, "c1").del().succeeds();
        assert_same(&lent_state, &state(host));
        assert!(reaches_far_end(&attachment.container));
        if place == "host" {
            return_to_host(host, &attachment.container, "net5");
            attachment.container.remove();
            renamed.call(host, "c1").container("other").del().succeeds();
            assert!(host.has_link("net5") && !host.has_link("wire0"));
        }
        renamed.call(host, "c1").del().succeeds();
        assert!(host.has_link("wire0"));
        // The address plugin stores reservations by network.
        on_wire().call(host, "c1").del().succeeds();
        if place == "container" {
            attachment.container.remove();
        }
        assert_same(&before, &state(host));
    }
}

ferrule_testkit::test! {
    /// DEL for a container that was never attached changes nothing.
    fn del_without_add_changes_nothing(host) {
        idle_wire(host);
        let attachment = on_wire().attach(host, "c1");
        let before = (state(host), attachment.container.network_snapshot());
        host.netns("c2");
        on_wire().call(host, "c2").del().succeeds();
        on_wire().call(host, "c3").del().succeeds();
        on_wire().call(host, "c1").container("other").ifname("eth5").del().succeeds();
        host.exec("umount /run/netns/c2").succeeds();
        std::fs::remove_file("/run/netns/c2").unwrap();
        assert_same(&before.0, &state(host));
        assert_same(&before.1, &attachment.container.network_snapshot());
    }
}

ferrule_testkit::test! {
    /// The path of a process leads to the host's namespace now: DEL finds the device where it is,
    /// and does not touch the interface of the same name on the host.
    fn a_path_that_leads_to_the_host(host, namespace in ["alive", "gone"]) {
        idle_wire(host);
        let before = state(host);
        let attachment = on_wire().attach(host, "c1");
        let mut process = attachment.container.start("sleep 60");
        attachment.container.remove();
        if namespace == "gone" {
            process.kill();
        }
        host.ip("link add eth0 alias wire0 type veth peer name eth1");
        attachment.call.clone().netns(host.path()).del().succeeds().stdout_is("");
        assert!(host.has_link("eth0"));
        host.ip("link delete eth0");
        assert!(host.has_link("wire0") || namespace == "gone");
        process.kill();
        process.wait();
        if namespace == "alive" {
            assert_same(&before, &state(host));
        }
        assert_eq!(leases(), Vec::<String>::new());
    }
}
