//! The daemon killed at any moment.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::{Duration, SystemTime};

use ferrule_tests::dhcp::message::DISCOVER;
use ferrule_tests::dhcp::{Daemon, Message, Pool, Segment, Server, ServerKind, wait_until};

use crate::dhcp::client::{Client, address, clients, plain};

/// Numbers that depend on a seed alone (xorshift).
pub(crate) struct Random(u64);

impl Random {
    /// From `FERRULE_SEED`, or from the time; the seed is printed.
    pub(crate) fn seeded() -> Self {
        let given = std::env::var("FERRULE_SEED").ok();
        let given = given.and_then(|text| text.parse().ok());
        let seed = given.unwrap_or_else(|| {
            let now = SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .unwrap();
            u64::from(now.subsec_nanos()) | 1
        });
        let mut out = std::io::stdout();
        writeln!(out, "FERRULE_SEED={seed}").unwrap();
        Self(seed.max(1))
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % bound
    }

    fn pause(&mut self, milliseconds: usize) {
        std::thread::sleep(Duration::from_millis(
            self.below(milliseconds).try_into().unwrap(),
        ));
    }
}

ferrule_testkit::test! {
    /// Ten leases of ten seconds through fifty kills: none is sought anew, none changes, no address
    /// is given twice, and the server hears each DEL.
    fn leases_survive_fifty_kills(host, kind in ["dhcpd", "kea-dhcp4"])
        needs [Tool("dhcpd"), Tool("kea-dhcp4")] {
        let segment = Segment::new(host);
        let server = Server::start(&segment, "s1", ServerKind::of(kind), Pool::new(10));
        let mut daemon = Daemon::start(host);
        let clients = clients(&segment, 10, &plain());
        let leased: BTreeMap<&str, String> =
            clients.iter().map(|client| (client.name.as_str(), client.attach())).collect();
        let expected = server.leases();
        assert_eq!(expected.len(), 10);
        let capture = server.machine.capture();
        let mut random = Random::seeded();
        for _ in 0..50 {
            random.pause(1200);
            daemon.kill();
            random.pause(300);
            daemon.launch();
        }
        wait_until("listening", 20, || ferrule_tests::dhcp::answers(ferrule_tests::dhcp::SOCKET.as_ref()));
        // Each has been renewed since.
        std::thread::sleep(Duration::from_secs(11));
        assert_eq!(server.leases(), expected);
        for client in &clients {
            assert_eq!(client.addresses(), [format!("{}/24", leased[client.name.as_str()])]);
        }
        let frames = capture.collect(Duration::from_millis(100));
        let sought = frames.iter().filter_map(Message::of).filter(|message| message.kind() == DISCOVER);
        assert_eq!(sought.count(), 0);
        for client in &clients {
            client.call.del().succeeds();
        }
        wait_until("all released", 20, || server.leases().is_empty());
        for address in leased.values() {
            assert!(server.releases(address) >= 1, "{address}\n{}", server.log());
        }
    }
}

ferrule_testkit::test! {
    /// Kills while containers come and go: after DEL, with the daemon back, the server holds nothing,
    /// whether ADD was heard to the end or not.
    fn kills_amid_calls_leave_nothing(host) needs [Tool("kea-dhcp4")] {
        let segment = Segment::new(host);
        let server = Server::start(&segment, "s1", ServerKind::Kea, Pool::new(600));
        let mut daemon = Daemon::start(host);
        let clients = clients(&segment, 5, &plain());
        let mut random = Random::seeded();
        for _ in 0..20 {
            let running: Vec<_> = clients.iter().map(|client| client.call.clone().verb("ADD").start()).collect();
            random.pause(60);
            daemon.kill();
            for add in running {
                let outcome = add.wait();
                assert!(outcome.status.code().is_some(), "{outcome}");
                assert!(outcome.json().is_object());
            }
            // DEL before or after the daemon is back, or amid its start.
            let early = random.below(2) == 0;
            if early {
                delete_all(&clients);
            }
            daemon.launch();
            random.pause(40);
            if !early {
                delete_all(&clients);
            }
            wait_until("released", 30, || server.leases().is_empty());
        }
    }
}

fn delete_all(clients: &[Client]) {
    let running: Vec<_> = clients
        .iter()
        .map(|client| client.call.clone().verb("DEL").start())
        .collect();
    for del in running {
        del.wait().succeeds().stdout_is("");
    }
}

ferrule_testkit::test! {
    /// An orderly stop keeps the leases as well: nothing is released, and the next daemon goes on.
    fn a_restart_keeps_leases(host) needs [Tool("dhcpd")] {
        let segment = Segment::new(host);
        let server = Server::start(&segment, "s1", ServerKind::Isc, Pool::new(10));
        let mut daemon = Daemon::start(host);
        let client = Client::new(&segment, "c1", &plain());
        let leased = client.attach();
        daemon.stop();
        assert!(!std::path::Path::new(ferrule_tests::dhcp::SOCKET).exists());
        assert_eq!(server.releases(&leased), 0);
        // Past T1.
        std::thread::sleep(Duration::from_secs(6));
        daemon.start_again();
        std::thread::sleep(Duration::from_secs(8));
        assert!(server.holds(&leased));
        assert_eq!(client.addresses(), [format!("{leased}/24")]);
        let result = client.add();
        assert_eq!(address(&result), leased);
        client.check(&result).succeeds();
        client.call.del().succeeds();
        wait_until("released", 10, || server.leases().is_empty());
    }
}

ferrule_testkit::test! {
    /// A daemon that was away for longer than the lease: the address is given up on its return, and
    /// sought again.
    fn a_daemon_that_was_away_too_long_seeks_again(host) needs [Tool("dhcpd")] {
        let segment = Segment::new(host);
        let server = Server::start(&segment, "s1", ServerKind::Isc, Pool::new(10));
        let mut daemon = Daemon::start(host);
        let client = Client::new(&segment, "c1", &plain());
        client.attach();
        daemon.kill();
        std::thread::sleep(Duration::from_secs(12));
        daemon.start_again();
        wait_until("leased again", 30, || {
            let now = client.addresses();
            now.len() == 1 && server.holds(now[0].trim_end_matches("/24"))
        });
        client.call.del().succeeds();
        wait_until("released", 10, || server.leases().is_empty());
    }
}

ferrule_testkit::test! {
    /// DEL succeeds while no daemon runs, and the server hears of it once one does.
    fn a_release_waits_for_the_daemon(host, namespace in ["kept", "removed"])
        needs [Tool("kea-dhcp4")] {
        let segment = Segment::new(host);
        let server = Server::start(&segment, "s1", ServerKind::Kea, Pool::new(3600));
        let mut daemon = Daemon::start(host);
        let client = Client::new(&segment, "c1", &plain());
        let leased = client.attach();
        daemon.kill();
        client.call.del().succeeds().stdout_is("");
        assert!(server.holds(&leased));
        if namespace == "removed" {
            // The release has nowhere to leave from: the daemon drops the lease.
            client.container.remove();
            daemon.start_again();
            wait_until("dropped", 20, || ferrule_tests::dhcp::held_leases(host) == serde_json::json!([]));
        } else {
            daemon.start_again();
            wait_until("released", 20, || server.leases().is_empty());
            assert_eq!(server.releases(&leased), 1, "{}", server.log());
        }
    }
}

ferrule_testkit::test! {
    /// Records that are empty, torn or of somebody else do not keep the daemon from starting, nor
    /// from keeping the other leases.
    fn damaged_records_are_passed_over(host) needs [Tool("kea-dhcp4")] {
        let segment = Segment::new(host);
        let server = Server::start(&segment, "s1", ServerKind::Kea, Pool::new(10));
        let mut daemon = Daemon::start(host);
        let clients = clients(&segment, 2, &plain());
        let leased: Vec<String> = clients.iter().map(Client::attach).collect();
        daemon.kill();
        let folder = std::path::Path::new("/run/cni/dhcp/leases");
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().path();
        let records: Vec<_> = std::fs::read_dir(folder).unwrap().map(name).collect();
        let of_first = records.iter().find(|path| {
            std::fs::read_to_string(path).is_ok_and(|text| text.contains("\"c0\""))
        });
        let text = std::fs::read(of_first.unwrap()).unwrap();
        std::fs::write(of_first.unwrap(), &text[..text.len() / 2]).unwrap();
        std::fs::write(folder.join("empty"), "").unwrap();
        std::fs::write(folder.join("zeros"), [0; 4096]).unwrap();
        daemon.start_again();
        std::thread::sleep(Duration::from_secs(11));
        assert!(daemon.runs());
        assert!(server.holds(&leased[1]), "{}", daemon.log());
        for client in &clients {
            client.call.del().succeeds();
        }
        wait_until("released", 20, || !server.holds(&leased[1]));
    }
}
