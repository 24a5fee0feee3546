//! DEL gives the device back, whatever has happened meanwhile.

use std::time::Duration;

use ferrule_testkit::{Container, Host, assert_same};
use ferrule_tests::single_link::leases;
use ferrule_tests::{Attachment, Wire};
use serde_json::json;

use crate::host_device::{idle_wire, lent, reaches_far_end, state};

/// Attaches, has something done, sends DEL twice, and compares the host with before.
fn after(host: &Host, misdeed: impl FnOnce(&Attachment)) {
    host.ip(["link", "set", "wire0", "alias", "uplink to rack 7"]);
    let before = state(host);
    let attachment = lent().attach(host, "c1");
    misdeed(&attachment);
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
    /// Whatever the container does to the device: name, alias, hardware address and MTU are as they
    /// were on the host.
    fn the_container_cannot_keep_or_change_it(host) {
        idle_wire(host);
        for misdeed in [
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
                for line in misdeed.split("; ") {
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
    /// Links that the container has put on the device do not go on using it.
    fn links_on_top_of_it_are_removed(host, kind in ["vlan id 5", "macvlan"])
        needs [Vlan8021q, Macvlan] {
        idle_wire(host);
        after(host, |attachment| {
            attachment.container.ip(format!("link add link eth0 name top type {kind}"));
        });
        // A veth is not on top of another link, though the kernel tells its peer the same way.
        let attachment = lent().attach(host, "c2");
        attachment.container.ip("link add eth7 type veth peer name eth8");
        attachment.container.ip(format!("link add link eth0 name top type {kind}"));
        attachment.call.del().succeeds();
        assert!(attachment.container.has_link("eth7") && !attachment.container.has_link("top"));
    }
}

ferrule_testkit::test! {
    /// The path of the namespace is gone, but a process lives on in it.
    fn a_namespace_without_a_path_is_found(host) {
        idle_wire(host);
        let before = state(host);
        let attachment = lent().attach(host, "c1");
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
    /// The namespace has ended, and with it a link that no hardware is behind: DEL releases the
    /// addresses and leaves nothing, however the path is given.
    fn a_namespace_that_has_ended_is_no_error(host, path in ["gone", "empty", "file", "recycled"]) {
        let before = state(host);
        idle_wire(host);
        let attachment = lent().attach(host, "c1");
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

/// Puts the device on the host under another name, as the kernel does when a namespace ends.
fn hand_back(host: &Host, container: &Container, name: &str) {
    let path = host.path().display().to_string();
    container.ip(["link", "set", "eth0", "netns", &path, "name", name]);
}

ferrule_testkit::test! {
    /// On the host under another name, its alias set, as the kernel gives a device back: it gets
    /// its name again, and its own alias, whether it has been switched on since or not.
    fn a_device_that_came_back_gets_its_name(host, name in ["eth0", "dev7", "net5"]) {
        idle_wire(host);
        after(host, |attachment| {
            hand_back(host, &attachment.container, name);
            attachment.container.remove();
        });
        after(host, |attachment| hand_back(host, &attachment.container, "wire0"));
        let attachment = lent().attach(host, "c9");
        hand_back(host, &attachment.container, name);
        host.ip(["link", "set", name, "up"]);
        attachment.call.del().succeeds();
        assert!(host.link("wire0")["flags"].as_array().unwrap().contains(&json!("UP")));
    }
}

ferrule_testkit::test! {
    /// Its name is taken on the host: an error, and the device works on in the container until the
    /// name is free.
    fn a_name_conflict_stays_an_error(host) {
        let wire: Wire = idle_wire(host);
        let before = state(host);
        let attachment = lent().attach(host, "c1");
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
    /// DEL needs little of the configuration, none of the result, and not the device's keys.
    fn del_needs_little(host, keys in [r#"{"device": null}"#, r#"{"device": 5}"#, r#"{"device": "other"}"#,
        r#"{"pciBusID": "ffff:ff:ff.7", "device": null}"#, r#"{"hwaddr": "x", "device": null}"#]) {
        idle_wire(host);
        let before = state(host);
        let attachment = lent().attach(host, "c1");
        let keys: serde_json::Value = serde_json::from_str(keys).unwrap();
        lent().with(keys).call(host, "c1").del().succeeds();
        attachment.container.remove();
        assert_same(&before, &state(host));
    }
}

ferrule_testkit::test! {
    /// The network may have got another name since ADD: the record tells that it is the same container
    /// and interface. It may be in the container, or on the host under another name.
    fn the_network_may_have_been_renamed(host, place in ["container", "host"]) {
        idle_wire(host);
        let before = state(host);
        let attachment = lent().attach(host, "c1");
        let lent_state = state(host);
        let renamed = lent().with(json!({ "name": "renamed" }));
        // Neither another container's nor another interface's DEL takes it, nor one about another device.
        renamed.call(host, "c1").container("other").del().succeeds();
        renamed.call(host, "c1").ifname("eth5").del().succeeds();
        renamed.clone().with(json!({ "device": "other" })).call(host, "c1").del().succeeds();
        assert_same(&lent_state, &state(host));
        assert!(reaches_far_end(&attachment.container));
        if place == "host" {
            hand_back(host, &attachment.container, "net5");
            attachment.container.remove();
            renamed.call(host, "c1").container("other").del().succeeds();
            assert!(host.has_link("net5") && !host.has_link("wire0"));
        }
        renamed.call(host, "c1").del().succeeds();
        assert!(host.has_link("wire0"));
        // The address plugin keeps its books by network.
        lent().call(host, "c1").del().succeeds();
        if place == "container" {
            attachment.container.remove();
        }
        assert_same(&before, &state(host));
    }
}

ferrule_testkit::test! {
    /// A DEL for a container that never was attached takes nothing.
    fn del_of_nothing_takes_nothing(host) {
        idle_wire(host);
        let attachment = lent().attach(host, "c1");
        let before = (state(host), attachment.container.network_snapshot());
        host.netns("c2");
        lent().call(host, "c2").del().succeeds();
        lent().call(host, "c3").del().succeeds();
        lent().call(host, "c1").container("other").ifname("eth5").del().succeeds();
        host.exec("umount /run/netns/c2").succeeds();
        std::fs::remove_file("/run/netns/c2").unwrap();
        assert_same(&before.0, &state(host));
        assert_same(&before.1, &attachment.container.network_snapshot());
    }
}

ferrule_testkit::test! {
    /// The runtime's path, of a process, leads to the host now: the device comes back from where it
    /// is, and its namesake on the host stays.
    fn a_path_that_leads_to_the_host(host, namespace in ["alive", "gone"]) {
        idle_wire(host);
        let before = state(host);
        let attachment = lent().attach(host, "c1");
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
