//! One pool of `host-local`, used by both at once, a thousand times.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use ferrule_testkit::{Host, binaries_folder, peer_folder};
use ferrule_tests::{NetworkList, Row};
use serde_json::Value;

use crate::interop::{VERSION, needs};

const TIMES: usize = 1000;
const AT_ONCE: usize = 8;

/// The addresses of a result.
fn addresses(result: &Value) -> Vec<String> {
    let ips = result["ips"].as_array().into_iter().flatten();
    ips.map(|ip| ip["address"].to_string()).collect()
}

/// Adds and removes, each time by the side that did not do the last, and takes care that no address
/// is given to two at a time.
fn use_pool(
    sides: &[NetworkList<'_>; 2],
    turns: &AtomicUsize,
    held: &Mutex<HashSet<String>>,
) -> Result<(), String> {
    loop {
        let turn = turns.fetch_add(1, Ordering::Relaxed);
        if turn >= TIMES {
            return Ok(());
        }
        let container = format!("c{turn}");
        let [first, second] = [&sides[turn % 2], &sides[(turn + 1) % 2]];
        let result = first.add(&container)?;
        let given = addresses(&result);
        if given.len() != 2 {
            return Err(format!("{container} got {given:?}"));
        }
        for address in &given {
            if !held.lock().expect("nobody panics").insert(address.clone()) {
                return Err(format!("{address} was given twice"));
            }
        }
        second.check(&container, &result)?;
        held.lock()
            .expect("nobody panics")
            .retain(|address| !given.contains(address));
        second.del(&container, &result)?;
    }
}

fn reservations() -> Vec<String> {
    let entries = std::fs::read_dir("/var/lib/cni/networks/net")
        .into_iter()
        .flatten();
    let names = entries.map(|entry| entry.expect("read the pool").file_name());
    let names = names.map(|name| name.to_string_lossy().into_owned());
    names
        .filter(|name| name.starts_with("10.") || name.starts_with("fd"))
        .collect()
}

fn of_host_local(_: &str) -> &'static [ferrule_testkit::Need] {
    needs("host-local")
}

ferrule_testkit::test! {
    fn both_use_one_pool_a_thousand_times(host, _case in ["host-local"] => of_host_local) {
        let host: &Host = host;
        let sides = [binaries_folder(), peer_folder()]
            .map(|folder| NetworkList::new(host, "host-local", &folder, VERSION));
        let (turns, held) = (AtomicUsize::new(0), Mutex::default());
        let outcomes: Vec<Result<(), String>> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(|| use_pool(&sides, &turns, &held))).collect();
            workers.into_iter().map(|worker| worker.join().expect("a worker")).collect()
        });
        let outcome = outcomes.into_iter().collect::<Result<(), String>>().and_then(|()| {
            let left = reservations();
            if left.is_empty() { Ok(()) } else { Err(format!("still reserved: {left:?}")) }
        });
        let mut row = Row::new("host-local");
        row.record("one pool by both, 1000 times", outcome);
        row.judge();
    }
}
