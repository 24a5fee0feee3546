//! What the daemon costs, and that it does not cost more with time.

use std::time::Duration;

use ferrule_testkit::Running;
use ferrule_tests::dhcp::{Daemon, Pool, Segment, Server, ServerKind, held_leases, wait_until};
use serde_json::json;

use crate::dhcp::client::{Client, clients, plain};

fn all(clients: &[Client], verb: &str) {
    let running: Vec<Running> = clients
        .iter()
        .map(|client| client.call.clone().verb(verb).start())
        .collect();
    for call in running {
        call.wait().succeeds();
    }
}

ferrule_testkit::test! {
    /// Containers that come and go leave no descriptor, no thread and no memory behind.
    fn coming_and_going_leaves_nothing(host) needs [Tool("dnsmasq")] {
        let segment = Segment::new(host);
        let _server = Server::start(&segment, "s1", ServerKind::Dnsmasq, Pool::new(120));
        let daemon = Daemon::start(host);
        let clients = clients(&segment, 10, &plain());
        for _ in 0..3 {
            all(&clients, "ADD");
            all(&clients, "DEL");
        }
        wait_until("idle", 20, || held_leases(host) == json!([]));
        let cost = || (daemon.descriptors(), daemon.threads());
        let (before, memory) = (cost(), daemon.memory());
        for _ in 0..15 {
            all(&clients, "ADD");
            all(&clients, "DEL");
        }
        // Threads end some seconds after their last work, so there may have been some before.
        wait_until("idle", 20, || {
            let (descriptors, threads) = cost();
            descriptors <= before.0 && threads <= before.1
        });
        let grown = daemon.memory().saturating_sub(memory);
        assert!(grown < 300, "{grown} kB more after 150 leases");
    }
}

ferrule_testkit::test! {
    /// A lease costs no thread and little memory.
    fn a_lease_is_small(host) needs [Tool("dhcpd")] {
        let segment = Segment::new(host);
        let server = Server::start(&segment, "s1", ServerKind::Isc, Pool::new(10));
        let daemon = Daemon::start(host);
        let mut clients = clients(&segment, 40, &plain());
        let rest = clients.split_off(5);
        for client in &clients {
            client.attach();
        }
        let memory = daemon.memory();
        for client in &rest {
            client.attach();
        }
        std::thread::sleep(Duration::from_secs(12));
        assert_eq!(server.leases().len(), 40);
        assert!(daemon.threads() < 10, "{} threads", daemon.threads());
        let each = daemon.memory().saturating_sub(memory) / 35;
        assert!(each < 32, "{each} kB a lease");
    }
}
