//! `kill -9` at any system call, then DEL: nothing is left.

use ferrule_testkit::{Host, assert_same};
use ferrule_tests::Network;
use serde_json::json;

use crate::lifecycle::{leases, without_bridge};

/// The links of the host except `lo` and the bridge.
fn links(host: &Host) -> Vec<String> {
    let names = host.inside(|| {
        let entries = std::fs::read_dir("/sys/class/net").unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect::<Vec<_>>()
    });
    let foreign = |name: &String| !["lo", "cni0", "bonding_masters"].contains(&name.as_str());
    names.into_iter().filter(foreign).collect()
}

/// Kills `verb` at each of its system calls in turn; DEL must clean up.
fn sweep(host: &Host, plugin: &str, verb: &str, remove_namespace: bool) {
    let network = Network::of(plugin);
    let before = without_bridge(host);
    let call = network.call(host, "c1");
    let mut container = host.netns("c1");
    for count in 1.. {
        if verb == "DEL" {
            call.add().succeeds();
        }
        let Some(killed) = call.clone().verb(verb).killed_at_syscall(count) else {
            break;
        };
        if remove_namespace {
            container.remove();
        }
        call.del().succeeds();
        assert_eq!(
            (links(host), leases()),
            (vec![], vec![]),
            "left by {killed}"
        );
        if remove_namespace {
            container = host.netns("c1");
        } else {
            assert!(!container.has_link("eth0"), "left by {killed}");
        }
        assert!(count < 2000, "an ADD or DEL takes fewer system calls");
    }
    // The last one ran to completion.
    call.del().succeeds();
    container.remove();
    assert_same(&before, &without_bridge(host));
}

ferrule_testkit::test! {
    /// ADD, then DEL with the namespace.
    fn add_is_killed(host, plugin in ["bridge", "ptp"]) {
        sweep(host, plugin, "ADD", false);
    }
}

ferrule_testkit::test! {
    /// ADD, then DEL without the namespace.
    fn add_is_killed_and_the_namespace_removed(host, plugin in ["bridge", "ptp"]) {
        sweep(host, plugin, "ADD", true);
    }
}

ferrule_testkit::test! {
    /// DEL, then DEL with the namespace.
    fn del_is_killed(host, plugin in ["bridge", "ptp"]) {
        sweep(host, plugin, "DEL", false);
    }
}

ferrule_testkit::test! {
    /// ADD, then GC without DEL: the pair is found even before it has its alias. Listed
    /// attachments and those of other networks stay.
    fn add_is_killed_and_collected(host, plugin in ["bridge", "ptp"]) {
        let network = Network::of(plugin);
        let call = network.call(host, "c1");
        let list = |valid| call.clone().config(network.clone().with(json!({ "cni.dev/valid-attachments": valid })).config);
        let others = |name: &str| network.clone().with(json!({ "name": name, "cni.dev/valid-attachments": [] }));
        let container = host.netns("c1");
        let mut half_made = 0;
        for count in 1.. {
            let Some(killed) = call.clone().verb("ADD").killed_at_syscall(count) else {
                break;
            };
            let unnamed = |name: &String| host.link(name).get("ifalias").is_none();
            let found: Vec<_> = links(host).into_iter().filter(unnamed).collect();
            if !found.is_empty() {
                half_made += 1;
                list(json!([{ "containerID": "c1", "ifname": "eth0" }])).gc().succeeds();
                others("other").call(host, "any").gc().succeeds();
                assert_eq!(links(host), found, "left by {killed}");
            }
            list(json!([])).gc().succeeds();
            assert_eq!((links(host), leases()), (vec![], vec![]), "left by {killed}");
            assert!(!container.has_link("eth0"), "left by {killed}");
        }
        assert!(half_made > 0, "never caught between the making and the naming");
        // The last one ran to completion: as with the Go plugin, its link is in no group.
        assert_eq!(host.link(&links(host)[0])["group"], "default");
    }
}
