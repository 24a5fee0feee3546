//! Every plugin of a folder of Go plugins, by every back end, and ours: one adds, the other goes on.
//!
//! `make interop PEER=FOLDER` runs this against any folder and prints a table.

mod pool;

use std::path::Path;
use std::time::{Duration, Instant};

use ferrule_testkit::{Container, Host, Need, Snapshot, binaries_folder, peer_folder};
use ferrule_tests::{NetworkList, PLUGINS, Row, kernel_needs, on_own_host};
use serde_json::Value;

/// The newest version that all Go plugins in use speak.
const VERSION: &str = "1.0.0";

/// The container itself, what one side keeps for itself, and which address a range gave last.
const OWN: [&str; 4] = [
    "/run/netns",
    "/run/cni",
    "/var/lib/cni/networks/net/last_reserved_ip.0",
    "/var/lib/cni/networks/net/last_reserved_ip.1",
];

fn needs(case: &str) -> &'static [Need] {
    let case = PLUGINS
        .iter()
        .find(|known| **known == case)
        .expect("a plugin of the list");
    let plugin = case.split(' ').next().unwrap_or(case);
    let mut needs = kernel_needs(case);
    needs.push(Need::PeerPlugin(plugin));
    if case.ends_with("nftables") {
        needs.push(Need::PeerNftables);
    }
    needs.leak()
}

fn state(host: &Host) -> Snapshot {
    host.snapshot().ignoring(&OWN)
}

/// The host is as it was, when the kernel has taken apart what was removed.
fn same(host: &Host, before: &Snapshot) -> Result<(), String> {
    let start = Instant::now();
    loop {
        let difference = before.difference(&state(host));
        if difference.is_empty() {
            return Ok(());
        } else if start.elapsed() > Duration::from_secs(3) {
            return Err(difference);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn detached(list: &NetworkList<'_>, container: &Container) -> Result<(), String> {
    if list.makes_interface() && list.is_attached(container) {
        return Err("the interface is still there".to_owned());
    }
    Ok(())
}

/// What came of the steps, by name.
type Steps = Vec<(&'static str, Result<(), String>)>;

/// ADD by the plugins of one folder, CHECK and DEL by those of the other, with the result and then,
/// as after the loss of the runtime's cache, without it.
fn one_adds_and_the_other_goes_on(host: &Host, case: &str, folders: [&Path; 2]) -> Steps {
    NetworkList::prepare(host, case);
    let [first, second] = folders.map(|folder| NetworkList::new(host, case, folder, VERSION));
    // What each makes once for all containers stays.
    for list in [&first, &second] {
        let warm = list.container("warm");
        let result = list.add("warm").unwrap_or_default();
        let _ = list.del("warm", &result);
        warm.remove();
    }
    let before = state(host);
    let mut steps = Steps::new();
    for verbs in [&["CHECK", "DEL"][..], &["DEL without result"]] {
        let container = first.container("c1");
        let added = first.add("c1");
        for verb in verbs {
            let outcome = added.clone().map_err(|error| format!("ADD: {error}"));
            let outcome = outcome.and_then(|result| match *verb {
                "CHECK" => second.check("c1", &result),
                "DEL" => second.del("c1", &result),
                _ => second.del("c1", &Value::Null),
            });
            let outcome = outcome.and_then(|()| match *verb {
                "CHECK" => Ok(()),
                _ => detached(&second, &container).and_then(|()| same(host, &before)),
            });
            steps.push((*verb, outcome));
        }
        container.remove();
    }
    steps
}

ferrule_testkit::test! {
    /// In both directions. What the Go plugin does not manage with what it has made itself, nobody
    /// expects of it, or of ours, across the two.
    fn one_adds_and_the_other_goes_on_with_it(_host, case in PLUGINS => needs) {
        let [ours, theirs] = [binaries_folder(), peer_folder()];
        let run = |folders: [&Path; 2]| {
            let steps = on_own_host(|host| one_adds_and_the_other_goes_on(host, case, folders));
            steps.unwrap_or_else(|error| panic!("{error}"))
        };
        let mut alone = None;
        let mut row = Row::new(case);
        for (label, folders) in [
            ("theirs, then ours", [&*theirs, &*ours]),
            ("ours, then theirs", [&*ours, &*theirs]),
        ] {
            for (position, (verb, outcome)) in run(folders).into_iter().enumerate() {
                let column = format!("{label}: {verb}");
                let Err(reason) = &outcome else {
                    row.record(&column, outcome);
                    continue;
                };
                let alone = alone.get_or_insert_with(|| run([&theirs, &theirs]));
                if alone[position].1.is_err() {
                    row.excuse(&column, reason);
                } else {
                    row.record(&column, outcome);
                }
            }
        }
        row.judge();
    }
}
