//! A lease from ADD to DEL.

use ferrule_tests::dhcp::{Daemon, Pool, Segment, Server, ServerKind, held_leases, wait_until};
use ferrule_tests::with_prev_result;
use serde_json::json;

use ferrule_tests::dhcp::hexadecimal;

use crate::dhcp::client::{Client, address, clients, config, plain};

const SERVERS: [&str; 3] = ["dnsmasq", "dhcpd", "kea-dhcp4"];

ferrule_testkit::test! {
    /// The server's file has the lease from ADD to DEL, under the client identifier of the Go plugin.
    fn a_server_holds_it_until_del(host, kind in SERVERS)
        needs [Tool("dnsmasq"), Tool("dhcpd"), Tool("kea-dhcp4")] {
        let segment = Segment::new(host);
        let server = Server::start(&segment, "s1", ServerKind::of(kind), Pool::new(120));
        let _daemon = Daemon::start(host);
        let client = Client::new(&segment, "c1", &plain());
        let result = client.add();
        let leased = address(&result);
        assert_eq!(result, json!({
            "cniVersion": "1.1.0",
            "ips": [{ "address": format!("{leased}/24"), "gateway": "10.9.0.1" }],
            "routes": [{ "dst": "0.0.0.0/0", "gw": "10.9.0.1" }],
        }));
        client.container.ip(format!("address add {leased}/24 dev eth0"));
        let leases = server.leases();
        assert_eq!(leases.len(), 1, "{leases:?}");
        assert_eq!(leases[0].address.to_string(), leased);
        let name = hexadecimal(b"\0c1/net/eth0");
        assert_eq!(leases[0].client, name);
        client.check(&result).succeeds().stdout_is("");
        assert_eq!(held_leases(host).as_array().map(Vec::len), Some(1), "{}", held_leases(host));
        client.call.del().succeeds().stdout_is("");
        wait_until("released", 10, || server.releases(&leased) == 1 && server.leases().is_empty());
        assert_eq!(held_leases(host), json!([]));
        client.check(&result).fails();
        client.call.del().succeeds();
    }
}

ferrule_testkit::test! {
    /// Each version of the specification gets its shape of the result.
    fn every_version_has_its_result(host, version in VERSIONS) needs [Tool("dnsmasq")] {
        let segment = Segment::new(host);
        let server = Server::start(&segment, "s1", ServerKind::Dnsmasq, Pool::new(120).range(105, 105));
        let _daemon = Daemon::start(host);
        let client = Client::new(&segment, "c1", &config(version, &json!({})));
        let result = client.add();
        let is_old = version < "0.3.0";
        let expected = if is_old {
            json!({ "cniVersion": version, "dns": {}, "ip4": {
                "ip": "10.9.0.105/24", "gateway": "10.9.0.1",
                "routes": [{ "dst": "0.0.0.0/0", "gw": "10.9.0.1" }],
            }})
        } else {
            let mut expected = json!({
                "cniVersion": version,
                "ips": [{ "address": "10.9.0.105/24", "gateway": "10.9.0.1" }],
                "routes": [{ "dst": "0.0.0.0/0", "gw": "10.9.0.1" }],
            });
            if version < "1.0.0" {
                expected["ips"][0]["version"] = json!("4");
                expected["dns"] = json!({});
            }
            expected
        };
        assert_eq!(result, expected);
        // As in upstream's tests: DELs at once, and one more.
        let running: Vec<_> = (0..3).map(|_| client.call.clone().verb("DEL").start()).collect();
        for del in running {
            del.wait().succeeds();
        }
        client.call.del().succeeds();
        wait_until("released", 10, || server.leases().is_empty());
        assert_eq!(server.releases("10.9.0.105"), 1, "{}", server.log());
    }
}

ferrule_testkit::test! {
    /// A second ADD returns the same lease and asks nobody.
    fn add_is_idempotent(host) needs [Tool("dnsmasq")] {
        let segment = Segment::new(host);
        let mut server = Server::start(&segment, "s1", ServerKind::Dnsmasq, Pool::new(120));
        let _daemon = Daemon::start(host);
        let client = Client::new(&segment, "c1", &plain());
        let first = client.add();
        server.stop();
        assert_eq!(client.add(), first);
        server.start_again();
        assert_eq!(server.leases().len(), 1);
        client.call.del().succeeds();
        wait_until("released", 10, || server.leases().is_empty());
    }
}

ferrule_testkit::test! {
    /// Ten containers that come and go at once each have an address of their own.
    fn many_at_once_have_an_address_each(host) needs [Tool("dnsmasq")] {
        let segment = Segment::new(host);
        let server = Server::start(&segment, "s1", ServerKind::Dnsmasq, Pool::new(120));
        let _daemon = Daemon::start(host);
        let clients = clients(&segment, 10, &plain());
        let adds: Vec<_> = clients.iter().map(|client| client.call.clone().verb("ADD").start()).collect();
        let mut leased: Vec<String> = adds.into_iter().map(|add| address(&add.wait().succeeds().json())).collect();
        leased.sort();
        leased.dedup();
        assert_eq!(leased.len(), 10);
        let mut held: Vec<String> = server.leases().iter().map(|lease| lease.address.to_string()).collect();
        held.sort();
        assert_eq!(held, leased);
        let dels: Vec<_> = clients.iter().map(|client| client.call.clone().verb("DEL").start()).collect();
        for del in dels {
            del.wait().succeeds();
        }
        wait_until("all released", 10, || server.leases().is_empty());
    }
}

ferrule_testkit::test! {
    /// Two interfaces of one container have a lease each; DEL of one leaves the other.
    fn interfaces_of_a_container_are_apart(host) needs [Tool("dnsmasq")] {
        let segment = Segment::new(host);
        let server = Server::start(&segment, "s1", ServerKind::Dnsmasq, Pool::new(120).range(105, 106));
        let _daemon = Daemon::start(host);
        let client = Client::new(&segment, "c1", &plain());
        host.ip("link add q1 type veth peer name eth1 netns c1");
        host.ip("link set q1 master lan0 up");
        let second = client.call.clone().ifname("eth1");
        let one = client.lease();
        let result = second.add().succeeds().json();
        let two = address(&result);
        assert_ne!(one, two);
        client.call.del().succeeds();
        wait_until("released", 10, || !server.holds(&one));
        assert!(server.holds(&two));
        let with_result = with_prev_result(&client.config, &result);
        second.clone().config(with_result).check().succeeds();
        second.del().succeeds();
        wait_until("released", 10, || server.leases().is_empty());
    }
}
