//! Containers that are gone without a DEL.

use ferrule_tests::dhcp::{Daemon, Pool, Segment, Server, ServerKind, held_leases, wait_until};
use serde_json::json;

use crate::dhcp::client::{Client, clients, plain};

ferrule_testkit::test! {
    /// A namespace that is removed dies at once, although the daemon holds a lease in it, and its
    /// lease ends; the others stay.
    fn a_removed_namespace_is_not_kept(host) needs [Tool("dhcpd")] {
        let segment = Segment::new(host);
        let server = Server::start(&segment, "s1", ServerKind::Isc, Pool::new(10));
        let _daemon = Daemon::start(host);
        let clients = clients(&segment, 3, &plain());
        let leased: Vec<String> = clients.iter().map(Client::attach).collect();
        clients[0].container.remove();
        // The peer goes with the namespace.
        wait_until("gone", 20, || !host.has_link("p-c0"));
        wait_until("forgotten", 20, || held_leases(host).as_array().unwrap().len() == 2);
        clients[0].call.del().succeeds();
        std::thread::sleep(std::time::Duration::from_secs(10));
        assert!(server.holds(&leased[1]) && server.holds(&leased[2]));
    }
}

ferrule_testkit::test! {
    /// While no daemon runs the namespace goes: the next daemon forgets the lease.
    fn a_namespace_gone_meanwhile_is_forgotten(host) needs [Tool("dnsmasq")] {
        let segment = Segment::new(host);
        let _server = Server::start(&segment, "s1", ServerKind::Dnsmasq, Pool::new(120));
        let mut daemon = Daemon::start(host);
        let client = Client::new(&segment, "c1", &plain());
        client.attach();
        daemon.kill();
        client.container.remove();
        daemon.start_again();
        wait_until("forgotten", 20, || held_leases(host) == json!([]));
        client.call.del().succeeds();
    }
}

ferrule_testkit::test! {
    /// Another namespace at the same path is another container: nothing is done in it.
    fn a_recycled_path_is_another_container(host) needs [Tool("dhcpd")] {
        let segment = Segment::new(host);
        let server = Server::start(&segment, "s1", ServerKind::Isc, Pool::new(10));
        let _daemon = Daemon::start(host);
        let client = Client::new(&segment, "c1", &plain());
        client.attach();
        client.container.remove();
        wait_until("gone", 20, || !host.has_link("p-c1"));
        let other = segment.container("c1");
        other.ip("link set eth0 up");
        other.ip("address add 10.9.0.201/24 dev eth0");
        let capture = other.capture();
        wait_until("forgotten", 20, || held_leases(host) == json!([]));
        client.call.del().succeeds();
        let frames = capture.collect(std::time::Duration::from_secs(6));
        let sent = frames.iter().filter(|frame| frame.outgoing).filter_map(ferrule_tests::dhcp::Message::of);
        assert_eq!(sent.count(), 0);
        assert_eq!(other.addresses("eth0"), ["10.9.0.201/24"]);
        drop(server);
    }
}

ferrule_testkit::test! {
    /// A hardware address that is changed after ADD, as `tuning` does: the lease is kept on, the
    /// client identifier being the same.
    fn a_changed_hardware_address_is_followed(host) needs [Tool("dhcpd")] {
        let segment = Segment::new(host);
        let server = Server::start(&segment, "s1", ServerKind::Isc, Pool::new(10));
        let _daemon = Daemon::start(host);
        let client = Client::new(&segment, "c1", &plain());
        let leased = client.attach();
        client.container.ip("link set eth0 address 02:00:00:00:77:01");
        std::thread::sleep(std::time::Duration::from_secs(14));
        assert!(server.holds(&leased));
        assert_eq!(client.addresses(), [format!("{leased}/24")]);
        client.call.del().succeeds();
        wait_until("released", 10, || server.leases().is_empty());
    }
}

ferrule_testkit::test! {
    /// An interface that is removed ends the lease.
    fn a_removed_interface_ends_the_lease(host) needs [Tool("dhcpd")] {
        let segment = Segment::new(host);
        let _server = Server::start(&segment, "s1", ServerKind::Isc, Pool::new(10));
        let mut daemon = Daemon::start(host);
        let client = Client::new(&segment, "c1", &plain());
        client.attach();
        client.container.ip("link delete eth0");
        wait_until("forgotten", 30, || held_leases(host) == json!([]));
        client.call.del().succeeds();
        assert!(daemon.runs());
    }
}
