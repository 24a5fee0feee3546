//! Leases that are prolonged, moved or lost.

use std::time::Duration;

use ferrule_testkit::{Capture, Container};
use ferrule_tests::dhcp::message::{ACK, DISCOVER, REQUEST};
use ferrule_tests::dhcp::{Daemon, Message, Pool, Segment, Server, ServerKind, wait_until};
use serde_json::json;

use crate::dhcp::client::{Client, config, plain};

/// The messages that a capture has seen within the time and from then on.
fn messages(capture: &Capture, seconds: u64) -> Vec<Message> {
    let frames = capture.collect(Duration::from_secs(seconds));
    frames.iter().filter_map(Message::of).collect()
}

/// The next message of a type.
#[track_caller]
fn next(capture: &Capture, kind: u8, seconds: u64) -> Message {
    let of = |frame: &_| Message::of(frame).is_some_and(|message| message.kind() == kind);
    let frame = capture.wait_for(Duration::from_secs(seconds), of);
    let frame = frame.unwrap_or_else(|| panic!("no message of type {kind}"));
    Message::of(&frame).unwrap()
}

fn mac(container: &Container) -> String {
    container.link("eth0")["address"]
        .as_str()
        .unwrap()
        .to_owned()
}

ferrule_testkit::test! {
    /// At T1 the server is asked by unicast from the leased address; the server goes on holding it.
    fn a_lease_is_renewed_by_unicast(host, kind in ["dhcpd", "kea-dhcp4"])
        needs [Tool("dhcpd"), Tool("kea-dhcp4")] {
        let segment = Segment::new(host);
        let server = Server::start(&segment, "s1", ServerKind::of(kind), Pool::new(10));
        let _daemon = Daemon::start(host);
        let client = Client::new(&segment, "c1", &plain());
        let leased = client.attach();
        let capture = server.machine.capture();
        // Three lives of the lease.
        let seen = messages(&capture, 30);
        let asked: Vec<&Message> = seen.iter().filter(|message| message.op == 1).collect();
        assert!(asked.len() >= 4, "{seen:#?}");
        for message in asked {
            assert_eq!(message.kind(), REQUEST, "{message:#?}");
            assert_eq!(message.ciaddr.to_string(), leased);
            assert_eq!(message.source.to_string(), leased);
            assert_eq!(message.destination.to_string(), "10.9.0.1");
            assert_eq!(message.destination_mac, mac(&server.machine));
            assert_eq!((message.option(50), message.option(54)), (None, None));
            assert!(!message.broadcast);
        }
        assert!(seen.iter().filter(|message| message.kind() == ACK).count() >= 4, "{seen:#?}");
        assert!(server.holds(&leased));
        assert_eq!(client.addresses(), [format!("{leased}/24")]);
        client.call.del().succeeds();
        wait_until("released", 10, || server.leases().is_empty());
    }
}

ferrule_testkit::test! {
    /// Where the server does not answer from T1 on, any server may prolong the lease from T2 on: the
    /// address stays, and the new server hears the release.
    fn another_server_takes_the_lease_over(host) needs [Tool("kea-dhcp4"), Tool("dnsmasq")] {
        let segment = Segment::new(host);
        let mut first = Server::start(&segment, "s1", ServerKind::Kea, Pool::new(10));
        let _daemon = Daemon::start(host);
        let client = Client::new(&segment, "c1", &plain());
        let leased = client.attach();
        let capture = client.container.capture();
        first.stop();
        let second = Server::start(&segment, "s2", ServerKind::Dnsmasq, Pool::new(120).from_server(2));
        wait_until("rebound", 30, || second.holds(&leased));
        let seen = messages(&capture, 1);
        let rebinding = seen.iter().filter(|message| message.op == 1 && message.destination.is_broadcast());
        for message in rebinding.clone() {
            assert_eq!((message.kind(), message.option(50), message.option(54)), (REQUEST, None, None), "{message:#?}");
            assert_eq!(message.ciaddr.to_string(), leased);
        }
        assert!(rebinding.count() > 0, "{seen:#?}");
        assert_eq!(client.addresses(), [format!("{leased}/24")]);
        client.call.del().succeeds();
        wait_until("released", 10, || second.releases(&leased) == 1 && second.leases().is_empty());
    }
}

ferrule_testkit::test! {
    /// A server that refuses the address gives another one, which takes the place of the first on
    /// the interface, together with the routes.
    fn a_refused_address_is_replaced(host, kind in ["dhcpd", "kea-dhcp4"])
        needs [Tool("dhcpd"), Tool("kea-dhcp4")] {
        let segment = Segment::new(host);
        let mut server = Server::start(&segment, "s1", ServerKind::of(kind), Pool::new(10).range(100, 110));
        let _daemon = Daemon::start(host);
        let client = Client::new(&segment, "c1", &plain());
        let leased = client.attach();
        client.container.ip("route add default via 10.9.0.1");
        server.forget();
        server.pool = server.pool.clone().range(150, 160);
        server.start_again();
        wait_until("moved", 40, || {
            let now = client.addresses();
            now.len() == 1 && now[0] != format!("{leased}/24")
        });
        let now = client.addresses()[0].trim_end_matches("/24").to_owned();
        let last: u8 = now.rsplit('.').next().unwrap().parse().unwrap();
        assert!((150..=160).contains(&last), "{now}");
        wait_until("routed", 10, || client.container.ping("10.9.0.1"));
        let routes = client.container.ip_json("route show default");
        assert_eq!((&routes[0]["gateway"], routes.as_array().unwrap().len()), (&json!("10.9.0.1"), 1), "{routes}");
        assert!(server.holds(&now));
        assert_eq!(crate::dhcp::client::address(&client.add()), now);
        client.call.del().succeeds();
        wait_until("released", 10, || server.leases().is_empty());
    }
}

ferrule_testkit::test! {
    /// A server that is away for longer than the lease: the address is taken off the interface when
    /// its time is over, and comes back with the server.
    fn an_expired_address_is_not_used(host) needs [Tool("dhcpd")] {
        let segment = Segment::new(host);
        let mut server = Server::start(&segment, "s1", ServerKind::Isc, Pool::new(10));
        let _daemon = Daemon::start(host);
        let client = Client::new(&segment, "c1", &plain());
        let leased = client.attach();
        client.container.ip("route add default via 10.9.0.1");
        let capture = client.container.capture();
        server.stop();
        wait_until("expired", 30, || client.addresses().is_empty());
        // It is sought again, from the beginning.
        next(&capture, DISCOVER, 30);
        assert_eq!(client.container.ip_json("route show"), json!([]));
        server.start_again();
        wait_until("back", 60, || client.addresses() == [format!("{leased}/24")]);
        wait_until("routed", 10, || client.container.ping("10.9.0.1"));
        let routes = client.container.ip_json("route show default");
        assert_eq!(routes[0]["gateway"], "10.9.0.1", "{routes}");
        client.call.del().succeeds();
        wait_until("released", 10, || server.leases().is_empty());
    }
}

ferrule_testkit::test! {
    /// A cable that is cut for less than the lease does no harm.
    fn a_cut_cable_is_survived(host) needs [Tool("dhcpd")] {
        let segment = Segment::new(host);
        let server = Server::start(&segment, "s1", ServerKind::Isc, Pool::new(20));
        let mut daemon = Daemon::start(host);
        let client = Client::new(&segment, "c1", &config("1.0.0", &json!({})));
        let leased = client.attach();
        segment.join("c1", false);
        // Past T1.
        std::thread::sleep(Duration::from_secs(12));
        segment.join("c1", true);
        let capture = server.machine.capture();
        let renewed = next(&capture, ACK, 15);
        assert_eq!(renewed.yiaddr.to_string(), leased);
        assert_eq!(client.addresses(), [format!("{leased}/24")]);
        assert!(daemon.runs());
    }
}
