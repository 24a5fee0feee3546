//! Leases of IPv6 addresses (stateful DHCPv6).

use std::net::{Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use ferrule_tests::dhcp::{
    Daemon, Pool, Segment, Server, ServerKind, held_leases, listing, wait_until,
};
use serde_json::{Value, json};

use crate::dhcp::client::{Client, address, clients, config};
use crate::dhcp::pod::{self, Lan};

const SERVERS: [&str; 3] = ["dnsmasq", "dhcpd", "kea-dhcp6"];

/// A configuration for IPv6 alone, with these keys.
fn only_v6(keys: &Value) -> Value {
    let mut config = config("1.1.0", keys);
    config["ipam"]["ipv4"] = json!(false);
    config["ipam"]["ipv6"] = json!(true);
    config
}

fn plain() -> Value {
    only_v6(&json!({}))
}

/// The one lease that is held.
fn only_lease(held: &Value) -> &Value {
    assert_eq!(held.as_array().map(Vec::len), Some(1), "{held}");
    &held[0]
}

ferrule_testkit::test! {
    /// The server's file has the lease from ADD to DEL.
    fn a_server_holds_it_until_del(host, kind in SERVERS)
        needs [Ipv6, Tool("dnsmasq"), Tool("dhcpd"), Tool("kea-dhcp6")] {
        let segment = Segment::new(host);
        let server = Server::start(&segment, "s1", ServerKind::of(kind), Pool::v6(120));
        let _daemon = Daemon::start(host);
        let client = Client::new(&segment, "c1", &plain());
        let result = client.add();
        let leased = address(&result);
        assert_eq!(result, json!({
            "cniVersion": "1.1.0", "ips": [{ "address": format!("{leased}/128") }],
        }));
        assert!(server.holds(&leased), "{:?}\n{}", server.leases(), server.log());
        assert_eq!(client.add(), result);
        client.check(&result).succeeds();
        let held = held_leases(host);
        assert_eq!(only_lease(&held)["protocol"], "v6");
        assert!(listing(host, "leases").succeeds().stdout.contains(&leased));
        client.call.del().succeeds().stdout_is("");
        wait_until("released", 10, || server.leases().is_empty());
        assert_eq!(held_leases(host), json!([]));
        client.check(&result).fails();
        client.call.del().succeeds();
    }
}

ferrule_testkit::test! {
    /// Each attachment is a client of its own, and the same one in its next life: it gets the same
    /// address again.
    fn clients_are_told_apart(host) needs [Ipv6, Tool("kea-dhcp6")] {
        let segment = Segment::new(host);
        let server = Server::start(&segment, "s1", ServerKind::Kea, Pool::v6(600));
        let _daemon = Daemon::start(host);
        let clients = clients(&segment, 5, &plain());
        let mut leased: Vec<String> = clients.iter().map(Client::lease).collect();
        let mut names: Vec<String> = server.leases().into_iter().map(|lease| lease.client).collect();
        leased.sort();
        leased.dedup();
        names.sort();
        names.dedup();
        assert_eq!((leased.len(), names.len()), (5, 5));
        for client in &clients {
            client.call.del().succeeds();
        }
        wait_until("released", 10, || server.leases().is_empty());
        clients[0].lease();
        assert!(names.contains(&server.leases()[0].client));
    }
}

ferrule_testkit::test! {
    /// Leases of ten seconds are renewed, also by a daemon that was killed and started again.
    fn leases_are_renewed(host, kind in ["dhcpd", "kea-dhcp6"])
        needs [Ipv6, Tool("dhcpd"), Tool("kea-dhcp6")] {
        let segment = Segment::new(host);
        let server = Server::start(&segment, "s1", ServerKind::of(kind), Pool::v6(10));
        let mut daemon = Daemon::start(host);
        let clients = clients(&segment, 3, &plain());
        let leased: Vec<String> = clients.iter().map(Client::attach).collect();
        let expected = server.leases();
        std::thread::sleep(Duration::from_secs(12));
        daemon.kill();
        std::thread::sleep(Duration::from_secs(3));
        daemon.start_again();
        std::thread::sleep(Duration::from_secs(12));
        assert_eq!(server.leases(), expected);
        for (client, leased) in clients.iter().zip(&leased) {
            assert_eq!(client.addresses(), [format!("{leased}/128")]);
            client.call.del().succeeds();
        }
        wait_until("released", 10, || server.leases().is_empty());
    }
}

ferrule_testkit::test! {
    /// From T2 on another server may take the lease over.
    fn another_server_takes_the_lease_over(host) needs [Ipv6, Tool("kea-dhcp6"), Tool("dnsmasq")] {
        let segment = Segment::new(host);
        let mut first = Server::start(&segment, "s1", ServerKind::Kea, Pool::v6(10));
        let _daemon = Daemon::start(host);
        let client = Client::new(&segment, "c1", &plain());
        let leased = client.attach();
        first.stop();
        let second = Server::start(&segment, "s2", ServerKind::Dnsmasq, Pool::v6(120).from_server(2));
        wait_until("rebound", 30, || second.holds(&leased));
        wait_until("known", 5, || only_lease(&held_leases(host))["stage"] == "held");
        assert_eq!(client.addresses(), [format!("{leased}/128")]);
        client.call.del().succeeds();
        wait_until("released", 10, || second.leases().is_empty());
    }
}

ferrule_testkit::test! {
    /// A server that is away for longer than the lease: the address is taken off the interface, and
    /// comes back with the server. One that has forgotten the lease gives it anew.
    fn an_expired_address_is_not_used(host) needs [Ipv6, Tool("kea-dhcp6")] {
        let segment = Segment::new(host);
        let mut server = Server::start(&segment, "s1", ServerKind::Kea, Pool::v6(10).range(100, 110));
        let _daemon = Daemon::start(host);
        let client = Client::new(&segment, "c1", &plain());
        client.attach();
        server.stop();
        wait_until("expired", 40, || client.addresses().is_empty());
        server.forget();
        server.pool = server.pool.clone().range(150, 160);
        server.start_again();
        wait_until("leased again", 60, || client.addresses().len() == 1);
        let leased = client.addresses()[0].trim_end_matches("/128").to_owned();
        assert!(leased.starts_with("fd00:9::15") && server.holds(&leased), "{leased}");
        // It forgets again, while the lease is held.
        server.forget();
        server.start_again();
        wait_until("known", 30, || server.leases().len() == 1);
        client.call.del().succeeds();
        wait_until("released", 10, || server.leases().is_empty());
    }
}

ferrule_testkit::test! {
    /// Both families in one ADD, and both released by DEL, whatever the configuration says by then.
    fn both_families_at_once(host) needs [Ipv6, Tool("kea-dhcp4"), Tool("kea-dhcp6")] {
        let segment = Segment::new(host);
        let v4 = Server::start(&segment, "s1", ServerKind::Kea, Pool::new(600));
        let v6 = Server::start(&segment, "s2", ServerKind::Kea, Pool::v6(600));
        let _daemon = Daemon::start(host);
        let client = Client::new(&segment, "c1", &config("1.1.0", &json!({ "ipv6": true })));
        let result = client.add();
        let ips = result["ips"].as_array().unwrap();
        assert_eq!(ips.len(), 2, "{result}");
        assert_eq!(ips[0]["gateway"], "10.9.0.1");
        assert!(ips[1]["address"].as_str().unwrap().starts_with("fd00:9::"));
        assert_eq!(result["routes"].as_array().map(Vec::len), Some(1));
        client.check(&result).succeeds();
        assert_eq!((v4.leases().len(), v6.leases().len()), (1, 1));
        client.call.clone().config(config("1.1.0", &json!({}))).del().succeeds();
        wait_until("released", 10, || v4.leases().is_empty() && v6.leases().is_empty());
        assert_eq!(held_leases(host), json!([]));
    }
}

ferrule_testkit::test! {
    /// Where one family has no server, the other's lease is given back.
    fn one_family_without_a_server(host) needs [Ipv6, Tool("kea-dhcp4")] {
        let segment = Segment::new(host);
        let v4 = Server::start(&segment, "s1", ServerKind::Kea, Pool::new(600));
        let _daemon = Daemon::start_with(host, "-timeout 1s -resendmax 2s -resendtimeout 4s");
        let client = Client::new(&segment, "c1", &config("1.1.0", &json!({ "ipv6": true })));
        client.call.add().fails().mentions("SOLICIT");
        wait_until("released", 10, || v4.leases().is_empty());
        assert_eq!(held_leases(host), json!([]));
    }
}

ferrule_testkit::test! {
    /// A pod of `bridge` reaches the server over its leased address, and DEL releases it.
    fn a_pod_has_its_address(host) needs [Ipv6, Tool("dhcpd")] {
        let lan = Lan::new(host, ServerKind::Isc, Pool::v6(600));
        let _daemon = Daemon::start(host);
        let container = host.netns("c1");
        let mut config = Lan::config("bridge");
        config["ipam"]["ipv4"] = json!(false);
        config["ipam"]["ipv6"] = json!(true);
        let call = pod::call(host, &config, &container);
        let leased = address(&call.add().succeeds().json());
        assert_eq!(container.addresses("eth0"), [format!("{leased}/128")]);
        // Which prefix is on the link routers tell; there is none here.
        container.ip("-6 route add fd00:9::/64 dev eth0");
        assert!(container.ping6("fd00:9::1"));
        call.del().succeeds();
        wait_until("released", 10, || lan.server.leases().is_empty());
    }
}

ferrule_testkit::test! {
    /// Name servers and search domains come into the result once they are requested.
    fn requested_settings_are_in_the_result(host) needs [Ipv6, Tool("dnsmasq")] {
        let segment = Segment::new(host);
        let pool = Pool::v6(120)
            .with("--dhcp-option=option6:dns-server,[fd00:9::53]")
            .with("--dhcp-option=option6:domain-search,a.example.org,b.example.org");
        let _server = Server::start(&segment, "s1", ServerKind::Dnsmasq, pool);
        let _daemon = Daemon::start(host);
        let without = Client::new(&segment, "c1", &plain());
        assert_eq!(without.add()["dns"], Value::Null);
        let keys = json!({ "request6": [{ "option": "23" }, { "option": "24" }] });
        let with = Client::new(&segment, "c2", &only_v6(&keys));
        assert_eq!(with.add()["dns"], json!({
            "nameservers": ["fd00:9::53"], "search": ["a.example.org", "b.example.org"],
        }));
    }
}

ferrule_testkit::test! {
    /// Wrong keys are told by their names.
    fn wrong_keys(host) {
        let _daemon = Daemon::start(host);
        for (keys, text) in [
            (json!({ "ipv4": false }), "ipv6"),
            (json!({ "ipv6": "yes" }), "ipv6"),
            (json!({ "ipv6": true, "request6": [{ "option": "3" }] }), "request6"),
        ] {
            let call = host.plugin("dhcp").container("c1").netns("/run/netns/c1").ifname("eth0");
            call.config(config("1.1.0", &keys)).add().fails().mentions(text);
        }
    }
}

ferrule_testkit::test! {
    /// Answers that are torn, for others, or refuse: passed over, and ADD ends in its time.
    fn bad_answers_are_passed_over(host) needs [Ipv6] {
        let segment = Segment::new(host);
        let machine = segment.machine("s1", &["fd00:9::1/64"]);
        let index = u32::try_from(machine.link("eth0")["ifindex"].as_u64().unwrap()).unwrap();
        let socket = machine.inside(|| UdpSocket::bind("[::]:547")).unwrap();
        let group: Ipv6Addr = "ff02::1:2".parse().unwrap();
        socket.join_multicast_v6(&group, index).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
        let mut daemon = Daemon::start_with(host, "-timeout 1s -resendmax 1s -resendtimeout 4s");
        let client = Client::new(&segment, "c1", &plain());
        let add = client.call.clone().verb("ADD").start();
        let mut buffer = [0; 1500];
        let (length, from) = socket.recv_from(&mut buffer).unwrap();
        for answer in bad_answers(&buffer[..length]) {
            send(&socket, &answer, from);
        }
        let outcome = add.wait().fails();
        assert!(outcome.stdout.contains("SOLICIT"), "{outcome}");
        assert!(daemon.runs(), "{}", daemon.log());
        assert_eq!(held_leases(host), json!([]));
    }
}

fn send(socket: &UdpSocket, bytes: &[u8], to: SocketAddr) {
    socket.send_to(bytes, to).expect("send an answer");
}

/// Answers to a SOLICIT that grant nothing.
fn bad_answers(solicit: &[u8]) -> Vec<Vec<u8>> {
    let option = |code: u16, content: &[u8]| {
        let length = u16::try_from(content.len()).unwrap();
        [&code.to_be_bytes()[..], &length.to_be_bytes(), content].concat()
    };
    // The client's identifier is the first option of its message, and its association the next.
    let client = &solicit[4..26];
    let iaid = &solicit[30..34];
    let header = [&[2], &solicit[1..4]].concat();
    let known = [&header[..], client, &option(2, &[0, 3, 9])].concat();
    let association = |inner: &[u8]| option(3, &[iaid, &[0; 8], inner].concat());
    let address = |text: &str, valid: u32| {
        let address: Ipv6Addr = text.parse().unwrap();
        let times = [valid.to_be_bytes(), valid.to_be_bytes()].concat();
        option(5, &[&address.octets()[..], &times].concat())
    };
    let good = association(&address("fd00:9::77", 60));
    let mut answers = vec![
        known.clone(),
        [&known[..], &option(13, &[])].concat(),
        [&known[..], &option(13, &[0]), &good].concat(),
        [&known[..], &option(13, &[0, 1]), &good].concat(),
        [&known[..], &option(16, &[1]), &[0, 3, 0]].concat(),
        [&known[..], &association(&option(13, &[0, 2]))].concat(),
        [&known[..], &association(&option(13, &[]))].concat(),
        [&known[..], &association(&address("::1", 60))].concat(),
        [&known[..], &association(&address("ff02::1", 60))].concat(),
        [&known[..], &association(&address("fd00:9::77", 0))].concat(),
        [&header[..], client, &good].concat(),
        [&header[..], &option(1, &[9; 18]), &option(2, &[1]), &good].concat(),
        [&[2, 0, 0, 0], client, &option(2, &[1]), &good].concat(),
        [&[99], &known[1..], &good].concat(),
    ];
    let mut nested = Vec::new();
    for _ in 0..80 {
        nested = option(3, &[&[0; 12], &nested[..]].concat());
    }
    answers.push([&known[..], &nested].concat());
    let whole = [&known[..], &good].concat();
    answers.extend(
        (0..whole.len())
            .step_by(3)
            .map(|length| whole[..length].to_vec()),
    );
    answers
}
