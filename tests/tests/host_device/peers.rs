//! Sharing a node with the Go plugin.

use std::time::Duration;

use ferrule_testkit::{Host, assert_same};
use ferrule_tests::single_link::{leases, results_and_links_are_the_peers};
use ferrule_tests::with_prev_result;
use serde_json::json;

use crate::host_device::{idle_wire, on_wire, reaches_far_end, state};

ferrule_testkit::test! {
    /// Results and links are those of the Go plugin.
    fn results_are_the_go_plugins(host, version in VERSIONS) needs [PeerPlugins] {
        idle_wire(host);
        results_and_links_are_the_peers(host, &on_wire(), version);
    }
}

ferrule_testkit::test! {
    /// Also results without addresses, and for devices that a process drives.
    fn results_without_addresses_are_the_go_plugins(host, version in ["0.3.0", "0.3.1", "0.4.0", "1.0.0"])
        needs [PeerPlugins] {
        idle_wire(host);
        results_and_links_are_the_peers(host, &on_wire().without_ipam(), version);
    }
}

ferrule_testkit::test! {
    /// The Go plugin checks and returns a device that Ferrule has moved. The record is then stale,
    /// and the next verb removes it.
    fn the_go_plugin_returns_our_devices(host, version in ["0.4.0", "1.0.0"])
        needs [PeerPlugins] {
        idle_wire(host);
        let before = state(host);
        let network = on_wire().version(version);
        let ours = network.attach(host, "c1");
        let recorded = with_prev_result(&ours.config, &ours.result);
        let theirs = network.peer_call(host, "c1").config(&recorded);
        theirs.check().succeeds();
        theirs.del().succeeds();
        assert!(host.has_link("wire0") && !ours.container.has_link("eth0"));
        assert_eq!(leases(), Vec::<String>::new());
        // The device is in another container by then and stays there.
        let next = network.attach(host, "c2");
        ours.call.del().succeeds();
        assert!(reaches_far_end(&next.container));
        next.detach();
        for container in [ours.container, next.container] {
            container.remove();
        }
        assert_same(&before, &state(host));
    }
}

/// Has the Go plugin move the device into `c1`.
fn moved_by_peer(host: &Host, keys: &serde_json::Value) -> ferrule_tests::Attachment {
    let network = on_wire().version("1.0.0").with(keys.clone());
    let container = host.netns("c1");
    let result = network.peer_call(host, "c1").add().succeeds().json();
    ferrule_tests::Attachment {
        container,
        call: network.call(host, "c1"),
        config: network.config,
        result,
    }
}

ferrule_testkit::test! {
    /// Ferrule checks and returns a device that the Go plugin has moved, after every change by the
    /// container that can be found without a record.
    fn we_return_devices_of_the_go_plugin(host, change in [
        "link set eth0 up", "link set eth0 down",
        "link set eth0 down; link set eth0 name eth7",
        "link add eth7 alias eth6 type veth peer name eth8",
    ]) needs [PeerPlugins] {
        idle_wire(host);
        let before = state(host);
        let theirs = moved_by_peer(host, &json!({}));
        assert!(reaches_far_end(&theirs.container));
        theirs.check().succeeds();
        for line in change.split("; ") {
            theirs.container.ip(line);
        }
        theirs.call.del().succeeds();
        theirs.call.del().succeeds();
        assert_eq!(leases(), Vec::<String>::new());
        theirs.container.remove();
        let same = || before.difference(&state(host)).is_empty();
        assert!((0..100).any(|_| same() || pause()), "{}", before.difference(&state(host)));
    }
}

fn pause() -> bool {
    std::thread::sleep(Duration::from_millis(20));
    false
}

ferrule_testkit::test! {
    /// Also by its MAC address, and when the kernel has returned it to the host.
    fn the_go_plugins_alias_is_enough(host) needs [PeerPlugins] {
        idle_wire(host);
        host.ip("link set wire0 address 02:00:00:00:00:ab");
        let by_address = json!({ "device": null, "hwaddr": "02:00:00:00:00:ab" });
        for keys in [json!({}), by_address] {
            for name in ["stays", "renamed", "dev7", "eth0"] {
                let before = state(host);
                let theirs = moved_by_peer(host, &keys);
                match name {
                    "stays" => {}
                    "renamed" => {
                        theirs.container.ip("link set eth0 down");
                        theirs.container.ip("link set eth0 name eth9");
                    }
                    name => {
                        let path = host.path().display().to_string();
                        theirs.container.ip(["link", "set", "eth0", "netns", &path, "name", name]);
                        theirs.container.remove();
                    }
                }
                theirs.call.del().succeeds();
                if theirs.container.path().exists() {
                    theirs.container.remove();
                }
                assert_same(&before, &state(host));
            }
        }
        // An alias that an administrator has set is not a name.
        host.ip("link set wire0 alias wire7");
        let before = state(host);
        let by_address = json!({ "device": null, "hwaddr": "02:00:00:00:00:ab" });
        for keys in [json!({}), by_address, json!({ "device": "wire8" })] {
            on_wire().with(keys).call(host, "c1").del().succeeds();
        }
        assert_same(&before, &state(host));
    }
}

ferrule_testkit::test! {
    /// A name conflict is an error for attachments of the Go plugin, too.
    fn a_name_conflict_stays_an_error_for_theirs(host) needs [PeerPlugins] {
        idle_wire(host);
        let theirs = moved_by_peer(host, &json!({}));
        host.ip("link add wire0 type veth peer name wire9");
        theirs.call.del().fails().mentions("\"wire0\" already exists on the host");
        assert!(reaches_far_end(&theirs.container));
        host.ip("link delete wire0");
        // Either suite ends it.
        let peer = on_wire().version("1.0.0").peer_call(host, "c1");
        peer.del().succeeds();
        assert!(host.has_link("wire0"));
        theirs.call.del().succeeds();
    }
}
