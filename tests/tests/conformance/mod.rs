//! What must hold for any implementation of a plugin: the specification, and what nodes rely on.
//!
//! `make conformance BIN=FOLDER` runs this against any folder, and prints a table beside ours.

mod checks;

use std::sync::Mutex;
use std::time::{Duration, Instant};

use ferrule_testkit::{Container, Host, Need, Snapshot, VERSIONS, binaries_folder};
use ferrule_tests::{NetworkList, PLUGINS, Row, kernel_needs, on_own_host};
use serde_json::Value;

/// Which address a range gave last.
const SHARED: [&str; 2] = [
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
    needs.push(Need::Plugin(plugin));
    needs.leak()
}

/// A host on which the plugin has been called before.
struct Node<'h> {
    host: &'h Host,
    case: &'static str,
    list: NetworkList<'h>,
    before: Snapshot,
}

impl<'h> Node<'h> {
    fn new(host: &'h Host, case: &'static str) -> Self {
        NetworkList::prepare(host, case);
        let list = NetworkList::new(host, case, &binaries_folder(), "1.0.0");
        let warm = list.container("warm");
        let result = list.add("warm").unwrap_or_default();
        let _ = list.del("warm", &result);
        warm.remove();
        let before = host.snapshot().ignoring(&SHARED);
        Self {
            host,
            case,
            list,
            before,
        }
    }

    /// The network in another version.
    fn speak(&mut self, version: &str) {
        self.list = NetworkList::new(self.host, self.case, &binaries_folder(), version);
    }

    fn attach(&self, name: &str) -> Result<(Container, Value), String> {
        let container = self.list.container(name);
        Ok((container, self.list.add(name)?))
    }

    /// The host is as it was, when the kernel has taken apart what was removed.
    fn is_as_before(&self) -> Result<(), String> {
        let start = Instant::now();
        loop {
            let now = self.host.snapshot().ignoring(&SHARED);
            let difference = self.before.difference(&now);
            if difference.is_empty() {
                return Ok(());
            } else if start.elapsed() > Duration::from_secs(3) {
                return Err(difference);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

type Check = fn(&Node<'_>) -> Result<(), String>;

/// A column of the table, the version that is spoken, and what is checked.
type Column = (&'static str, &'static str, Check);

const CHECKS: &[Column] = &[
    ("DEL again", "1.0.0", checks::del_is_repeated),
    ("DEL before ADD", "1.0.0", checks::del_without_add),
    ("DEL, netns gone", "1.0.0", checks::del_without_namespace),
    ("DEL, no result", "1.0.0", checks::del_without_result),
    ("failed ADD", "1.0.0", checks::failed_add),
    ("host's netns", "1.0.0", checks::the_host_is_guarded),
    ("error codes", "1.0.0", checks::error_codes),
    ("unknown keys", "1.0.0", checks::unknown_keys),
    ("ten at once", "1.0.0", checks::ten_at_once),
    ("STATUS", "1.1.0", checks::status),
    ("GC", "1.1.0", checks::garbage),
    ("CHECK sees loss", "1.0.0", checks::check_sees_loss),
];

/// Runs checks one after the other. Each leaves the host as it was, apart from the last, or fails: then
/// the next one gets a new host.
fn run(case: &'static str, columns: &[Column], row: &mut Row) {
    let mut done = 0;
    while done < columns.len() {
        let outcomes = Mutex::new(Vec::new());
        let end = on_own_host(|host| {
            let mut node = Node::new(host, case);
            for (_, version, check) in &columns[done..] {
                node.speak(version);
                let outcome = check(&node);
                let is_over = outcome.is_err();
                outcomes
                    .lock()
                    .expect("nobody panics with it")
                    .push(outcome);
                if is_over {
                    break;
                }
            }
        });
        let mut outcomes = outcomes.into_inner().expect("nobody panics with it");
        if let Err(panic) = end {
            outcomes.push(Err(panic));
        }
        for outcome in outcomes {
            row.record(columns[done].0, outcome);
            done += 1;
        }
    }
}

ferrule_testkit::test! {
    /// Every version that it says it speaks, and every check.
    fn the_plugin_conforms(host, case in PLUGINS => needs) {
        let case = PLUGINS.iter().find(|known| **known == case).unwrap();
        let list = NetworkList::new(host, case, &binaries_folder(), "1.0.0");
        let spoken = list.versions();
        let speaks = |version: &str| spoken.iter().any(|spoken| spoken == version);
        // Before 0.3.0 plugins get no previous result.
        let versions = VERSIONS.iter().filter(|version| !(list.is_chained() && **version < "0.3.0"));
        let lives = versions.map(|&version| (version, version, checks::life_of_a_container as Check));
        let columns = lives.chain(CHECKS.iter().copied());
        let columns = columns.filter(|(_, version, _)| speaks(version)).collect::<Vec<_>>();
        assert!(!columns.is_empty(), "{case} speaks no version that is known: {spoken:?}");
        let mut row = Row::new(case);
        run(case, &columns, &mut row);
        row.judge();
    }
}
