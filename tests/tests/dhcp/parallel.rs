//! Calls about one container at the same time, and calls that are cut off.

use std::time::Duration;

use ferrule_tests::dhcp::message::{DISCOVER, RELEASE};
use ferrule_tests::dhcp::{
    Daemon, Pool, ScriptedServer, Segment, Server, ServerKind, good_answer, held_leases, wait_until,
};
use serde_json::json;

use crate::dhcp::client::{Client, address, plain};

ferrule_testkit::test! {
    /// ADDs of one attachment at once get the one lease.
    fn adds_at_once_share_the_lease(host) needs [Tool("dnsmasq")] {
        let segment = Segment::new(host);
        let server = Server::start(&segment, "s1", ServerKind::Dnsmasq, Pool::new(120));
        let _daemon = Daemon::start(host);
        let client = Client::new(&segment, "c1", &plain());
        let running: Vec<_> = (0..5).map(|_| client.call.clone().verb("ADD").start()).collect();
        let mut leased: Vec<String> = running.into_iter().map(|add| address(&add.wait().succeeds().json())).collect();
        leased.dedup();
        assert_eq!(leased.len(), 1, "{leased:?}");
        assert_eq!(server.leases().len(), 1);
        assert_eq!(held_leases(host).as_array().unwrap().len(), 1);
        client.call.del().succeeds();
        wait_until("released", 10, || server.leases().is_empty());
    }
}

ferrule_testkit::test! {
    /// DEL during ADD: whichever wins, another DEL leaves nothing, and no lease appears later.
    fn del_during_add_leaves_nothing(host) needs [Tool("kea-dhcp4")] {
        let segment = Segment::new(host);
        let server = Server::start(&segment, "s1", ServerKind::Kea, Pool::new(600));
        let _daemon = Daemon::start(host);
        let client = Client::new(&segment, "c1", &plain());
        for pause in 0..12 {
            let add = client.call.clone().verb("ADD").start();
            std::thread::sleep(Duration::from_millis(pause * 4));
            client.call.del().succeeds();
            add.wait();
            client.call.del().succeeds();
            assert_eq!(held_leases(host), json!([]));
            wait_until("released", 10, || server.leases().is_empty());
        }
    }
}

ferrule_testkit::test! {
    /// DEL while the daemon still seeks: it stops, and nobody is asked any more.
    fn del_stops_the_search(host) {
        let segment = Segment::new(host);
        let server = ScriptedServer::start(&segment, |_, _| Vec::new());
        let _daemon = Daemon::start_with(host, "-timeout 1s -resendmax 2s -resendtimeout 2m");
        let client = Client::new(&segment, "c1", &plain());
        let add = client.call.clone().verb("ADD").start();
        wait_until("asked", 20, || server.count(DISCOVER) > 0);
        let del = client.call.del().succeeds();
        assert!(del.elapsed < Duration::from_secs(20), "{del}");
        add.wait().fails();
        let sent = server.heard().len();
        std::thread::sleep(Duration::from_secs(5));
        assert_eq!(server.heard().len(), sent);
        assert_eq!(held_leases(host), json!([]));
    }
}

ferrule_testkit::test! {
    /// A plugin that its runtime kills while the daemon seeks: the search ends, and what a server
    /// gave meanwhile is given back.
    fn a_killed_plugin_leaves_no_search(host, answer in ["none", "late"]) {
        let segment = Segment::new(host);
        let seen = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let is_late = answer == "late";
        let server = ScriptedServer::start(&segment, move |message, wire| {
            let number = seen.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let reply = good_answer(message, [10, 9, 0, 77].into(), 600);
            let reply = reply.filter(|_| is_late && number >= 1);
            reply.map(|reply| wire.frame(&reply.encode())).into_iter().collect()
        });
        let _daemon = Daemon::start_with(host, "-timeout 2s -resendmax 2s -resendtimeout 2m");
        let client = Client::new(&segment, "c1", &plain());
        let mut add = client.call.clone().verb("ADD").start();
        wait_until("asked", 20, || server.count(DISCOVER) > 0);
        add.kill();
        add.wait();
        wait_until("ended", 20, || held_leases(host) == json!([]));
        let sent = server.heard().len();
        std::thread::sleep(Duration::from_secs(5));
        let after = server.heard();
        let more = after[sent..].iter().filter(|message| message.kind() != RELEASE).count();
        assert_eq!(more, 0, "{after:#?}");
    }
}
