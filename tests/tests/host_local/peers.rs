//! Our plugin and the Go plugin on one folder.

use std::collections::BTreeSet;
use std::fs;

use ferrule_testkit::{Call, Host, Outcome};
use serde_json::{Value, json};

use crate::host_local::pool::{Pool, addresses, content};

/// Versions that Debian's executables support.
const COMMON: &[&str] = &["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0"];

fn dual_stack<'h>(host: &'h Host, version: &str) -> Pool<'h> {
    let ranges = json!([
        [{ "subnet": "10.1.2.0/24" }, { "subnet": "10.2.2.0/24", "gateway": "10.2.2.254" }],
        [{ "subnet": "fd00:0:0:1::/64" }],
    ]);
    Pool::new(host, json!({ "ranges": ranges })).with("cniVersion", json!(version))
}

ferrule_testkit::test! {
    /// Results are equal, byte by byte where Debian's is not too old.
    fn results_are_equal(host, version in COMMON) needs [PeerPlugins] {
        let resolv_conf = host.work_folder().join("resolv.conf");
        fs::write(&resolv_conf, "domain d.example\nnameserver 192.0.2.3\nsearch <a> b\noptions x\n").unwrap();
        let routes = json!([
            { "dst": "0.0.0.0/0" }, { "dst": "10.9.1.7/16", "gw": "10.1.2.9" },
            { "dst": "::/0", "gw": "" }, { "dst": "fd09::/16", "gw": "FE80::1" },
        ]);
        let ipams = [
            json!({ "subnet": "10.1.2.0/24", "rangeStart": "10.1.2.20", "gateway": "10.1.2.254", "routes": routes }),
            json!({ "ranges": [[{ "SUBNET": "10.1.2.0/29" }], [{ "subnet": "FD00::/64", "gateway": "fe80::9" }]], "routes": routes }),
            json!({ "ranges": [[{ "subnet": "2001:db8::/126", "rangeEnd": "2001:db8::2", "ipRange": "x" }]] }),
        ];
        for (number, ipam) in ipams.into_iter().enumerate() {
            let pool = Pool::new(host, ipam).with("cniVersion", json!(version));
            let [mut ours, mut peers] = ["ours", "peers"]
                .map(|name| pool.clone().in_folder(&format!("/var/lib/cni/{name}{number}")));
            for pool in [&mut ours, &mut peers] {
                pool.config["ipam"]["resolvConf"] = json!(resolv_conf);
            }
            let (our, their) = (ours.ours("c1").add().succeeds(), peers.peer("c1").add().succeeds());
            assert_eq!(our.json(), their.json());
            if version < "1.0.0" {
                assert_eq!(our.stdout, their.stdout);
            }
            assert_eq!(ours.files(), peers.files());
        }
    }
}

ferrule_testkit::test! {
    /// Each finds the reservations of the other, refuses to add them again, and removes them.
    fn each_removes_what_the_other_added(host, version in COMMON) needs [PeerPlugins] {
        let pool = dual_stack(host, version);
        let turns: [fn(&Pool, &str) -> Call; 2] = [|pool, id| pool.ours(id), |pool, id| pool.peer(id)];
        for (first, second) in [(turns[0], turns[1]), (turns[1], turns[0])] {
            first(&pool, "keep").add().succeeds();
            first(&pool, "c1").add().succeeds();
            if version >= "0.4.0" {
                second(&pool, "c1").check().succeeds().stdout_is("");
                second(&pool, "c2").check().fails();
            }
            second(&pool, "c1").add().fails_with_code(999).mentions("has been allocated to c1, duplicate allocation is not allowed");
            second(&pool, "c1").del().succeeds().stdout_is("");
            let left: BTreeSet<String> = pool.reservations().into_values().collect();
            assert_eq!(left, BTreeSet::from([content("keep")]));
            // The order continues across both.
            let before = addresses(&first(&pool, "c3").add().succeeds().json());
            let after = addresses(&second(&pool, "c4").add().succeeds().json());
            assert!(before[0] < after[0] && before[1] < after[1], "{before:?} {after:?}");
            for container in ["keep", "c3", "c4"] {
                second(&pool, container).del().succeeds();
            }
        }
        assert!(pool.reservations().is_empty());
    }
}

/// Last bytes of requested addresses: all of a range, as the Go plugin moves its cursor before it
/// refuses others. One is a gateway.
const REQUESTED: [u8; 7] = [2, 3, 4, 6, 7, 8, 9];

/// A reproducible pseudo-random sequence of numbers.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// The addresses of a success; `None` for a failure.
fn addresses_of(outcome: &Outcome) -> Option<Vec<String>> {
    let result = outcome.status.success().then_some(&outcome.stdout)?;
    Some(
        serde_json::from_str(result)
            .map(|value: Value| addresses(&value))
            .unwrap_or_default(),
    )
}

ferrule_testkit::test! {
    /// A long sequence of verbs has the same effect on every file, whether run by ours, by the Go
    /// plugin or by both in turn.
    fn sequences_have_equal_effects(host, seed in ["1", "2", "3"]) needs [PeerPlugins] {
        let ranges = json!([
            [{ "subnet": "10.1.2.0/28", "rangeEnd": "10.1.2.4" }, { "subnet": "10.1.2.0/28", "rangeStart": "10.1.2.6", "rangeEnd": "10.1.2.9", "gateway": "10.1.2.7" }],
            [{ "subnet": "fd00::/124" }],
        ]);
        let pool = Pool::new(host, json!({ "ranges": ranges })).with("cniVersion", json!("1.0.0"));
        let [ours, peers, mixed] = ["ours", "peers", "mixed"].map(|name| pool.clone().in_folder(&format!("/var/lib/cni/{name}")));
        let mut dice = Dice(seed.parse().unwrap());
        for step in 0..120 {
            let container = format!("c{}", dice.roll(8));
            let verb = ["ADD", "ADD", "DEL", "CHECK"][usize::try_from(dice.roll(4)).unwrap()];
            let args = match dice.roll(5) {
                0 if verb == "ADD" => format!("IP=10.1.2.{}", REQUESTED[usize::try_from(dice.roll(7)).unwrap()]),
                _ => String::new(),
            };
            // A request for an attachment that has addresses: refused by ours only, on purpose.
            let repeated = !args.is_empty() && peers.reservations().values().any(|text| *text == content(&container));
            if repeated {
                continue;
            }
            let run = |call: Call| addresses_of(&call.args(&args).verb(verb).run());
            let results = [
                run(ours.ours(&container)),
                run(peers.peer(&container)),
                run(if dice.roll(2) == 0 { mixed.ours(&container) } else { mixed.peer(&container) }),
            ];
            let what = format!("step {step}: {verb} {container} {args}");
            assert_eq!(results[0], results[1], "{what}");
            assert_eq!(results[0], results[2], "{what}");
            assert_eq!(ours.reservations(), peers.reservations(), "{what}");
            assert_eq!(ours.reservations(), mixed.reservations(), "{what}");
        }
    }
}

ferrule_testkit::test! {
    /// Two hundred ADDs at the same time get two hundred addresses.
    fn parallel_adds_get_distinct_addresses(host) {
        let pool = Pool::of_subnet(host, "10.1.2.0/24");
        let names: Vec<String> = (0..200).map(|number| format!("c{number}")).collect();
        let running: Vec<_> = names.iter().map(|name| pool.ours(name).verb("ADD").start()).collect();
        let given: BTreeSet<Vec<String>> = running.into_iter().map(|r| addresses(&r.wait().succeeds().json())).collect();
        assert_eq!(given.len(), 200);
        assert_eq!(pool.reservations().len(), 200);
        let running: Vec<_> = names.iter().map(|name| pool.ours(name).verb("DEL").start()).collect();
        for running in running {
            running.wait().succeeds();
        }
        assert!(pool.reservations().is_empty());
    }
}

ferrule_testkit::test! {
    /// Both implementations at the same time, adding and removing, never return an address twice.
    fn mixed_parallel_verbs_do_not_collide(host) needs [PeerPlugins] {
        let pool = Pool::of_subnet(host, "10.1.2.0/24").with("cniVersion", json!("1.0.0"));
        let call = |number: usize, mine: usize| {
            let name = format!("c{number}");
            if number % 2 == mine { pool.ours(&name) } else { pool.peer(&name) }
        };
        let first: Vec<_> = (0..60).map(|number| call(number, 0).verb("ADD").start()).collect();
        let mut given: BTreeSet<Vec<String>> = first.into_iter().map(|r| addresses(&r.wait().succeeds().json())).collect();
        assert_eq!(given.len(), 60);
        // Half of them are removed, each by the other implementation, while sixty more are added.
        let gone: Vec<_> = (0..30).map(|number| call(number, 1).verb("DEL").start()).collect();
        let come: Vec<_> = (60..120).map(|number| call(number, 0).verb("ADD").start()).collect();
        for running in gone {
            running.wait().succeeds();
        }
        for running in come {
            given.insert(addresses(&running.wait().succeeds().json()));
        }
        let reservations = pool.reservations();
        assert_eq!(reservations.len(), 90);
        let owners: BTreeSet<&String> = reservations.values().collect();
        let expected: BTreeSet<String> = (30..120).map(|number| content(&format!("c{number}"))).collect();
        assert_eq!(owners, expected.iter().collect());
        for number in 30..120 {
            call(number, 1).check().succeeds();
            call(number, 1).del().succeeds();
        }
        assert!(pool.reservations().is_empty());
    }
}

ferrule_testkit::test! {
    /// Each waits while the other holds the lock.
    fn the_lock_is_the_same(host) needs [PeerPlugins, Tool("flock")] {
        let pool = Pool::of_subnet(host, "10.1.2.0/24").with("cniVersion", json!("1.0.0"));
        pool.add("c0");
        let lock = fs::File::open(pool.folder().join("lock")).unwrap();
        lock.lock().unwrap();
        let waiting = [pool.ours("c1").verb("ADD").start(), pool.peer("c2").verb("ADD").start()];
        // Long enough to finish if they did not wait.
        std::thread::sleep(std::time::Duration::from_millis(300));
        assert_eq!(pool.reservations().len(), 1);
        drop(lock);
        for running in waiting {
            running.wait().succeeds();
        }
        assert_eq!(pool.reservations().len(), 3);
    }
}
