//! Calls that cannot succeed: what they say, and what they leave.

use std::time::Duration;

use ferrule_testkit::assert_same;
use ferrule_tests::dhcp::{
    Daemon, Pool, SOCKET, ScriptedServer, Segment, Server, ServerKind, held_leases, wait_until,
};
use serde_json::json;

use crate::dhcp::client::{Client, address, config, plain};

/// Gives up after a few seconds.
const HASTY: &str = "-timeout 1s -resendmax 2s -resendtimeout 4s";

ferrule_testkit::test! {
    /// Without a daemon ADD and STATUS say how to start it, at once; DEL and GC succeed.
    fn no_daemon(host) {
        let segment = Segment::new(host);
        let client = Client::new(&segment, "c1", &plain());
        let add = client.call.add().fails();
        let error = add.error();
        let text = format!("{} {}", error.msg, error.details);
        assert!(text.contains(SOCKET) && text.contains("dhcp daemon"), "{add}");
        assert!(add.elapsed < Duration::from_secs(10));
        client.call.status().fails_with_code(50).mentions(SOCKET);
        let result = json!({ "cniVersion": "1.1.0", "ips": [{ "address": "10.9.0.77/24" }] });
        client.check(&result).fails().mentions(SOCKET);
        client.call.del().succeeds().stdout_is("");
        client.call.clone().config(gc_config(&[])).gc().succeeds();
    }
}

fn gc_config(valid: &[(&str, &str)]) -> serde_json::Value {
    let list: Vec<_> = valid
        .iter()
        .map(|(id, ifname)| json!({ "containerID": id, "ifname": ifname }))
        .collect();
    let mut config = plain();
    config["cni.dev/valid-attachments"] = json!(list);
    config
}

ferrule_testkit::test! {
    /// STATUS succeeds once the daemon runs.
    fn status_asks_the_daemon(host) {
        let segment = Segment::new(host);
        let mut daemon = Daemon::start(host);
        let client = Client::new(&segment, "c1", &plain());
        client.call.status().succeeds().stdout_is("");
        daemon.kill();
        client.call.status().fails_with_code(50);
        let elsewhere = config("1.1.0", &json!({ "daemonSocketPath": "/run/cni/other.sock" }));
        client.call.clone().config(&elsewhere).status().fails_with_code(50).mentions("/run/cni/other.sock");
    }
}

ferrule_testkit::test! {
    /// Without a server ADD says what was sent and that nothing came, and leaves the node as it was.
    fn no_server(host) {
        let segment = Segment::new(host);
        let _daemon = Daemon::start_with(host, HASTY);
        let client = Client::new(&segment, "c1", &plain());
        let before = host.snapshot().ignoring(&["/run/cni/dhcp"]);
        let outcome = client.call.add().fails();
        let text = outcome.stdout.to_lowercase();
        assert!(text.contains("discover"), "{outcome}");
        assert!(outcome.elapsed < Duration::from_secs(60));
        assert_same(&before, &host.snapshot().ignoring(&["/run/cni/dhcp"]));
        assert_eq!(held_leases(host), json!([]));
        assert_eq!(records(), 0);
        client.call.del().succeeds();
    }
}

/// How many records the daemon has.
fn records() -> usize {
    std::fs::read_dir("/run/cni/dhcp/leases").map_or(0, Iterator::count)
}

ferrule_testkit::test! {
    /// Without any flag ADD gives up before a runtime's patience ends.
    fn the_default_time_is_half_a_minute(host) {
        let segment = Segment::new(host);
        let _daemon = Daemon::start(host);
        let client = Client::new(&segment, "c1", &plain());
        let outcome = client.call.add().fails();
        assert!(outcome.elapsed < Duration::from_secs(50), "{outcome}");
    }
}

ferrule_testkit::test! {
    /// A pool that is used up fails the second ADD alone, as in upstream's test.
    fn an_exhausted_pool(host, version in VERSIONS) needs [Tool("dnsmasq")] {
        let segment = Segment::new(host);
        let server = Server::start(&segment, "s1", ServerKind::Dnsmasq, Pool::new(120).range(105, 105));
        let _daemon = Daemon::start_with(host, HASTY);
        let first = Client::new(&segment, "c1", &config(version, &json!({})));
        let second = Client::new(&segment, "c2", &config(version, &json!({})));
        first.lease();
        second.call.add().fails();
        second.call.del().succeeds();
        assert!(server.holds("10.9.0.105"));
        first.call.del().succeeds();
        wait_until("released", 10, || server.leases().is_empty());
        assert_eq!(second.lease(), "10.9.0.105");
    }
}

ferrule_testkit::test! {
    /// A server that offers and then falls silent: what was sent and what came is told, and nothing
    /// is kept.
    fn an_offer_without_an_end(host) {
        let segment = Segment::new(host);
        let _server = ScriptedServer::start(&segment, |message, wire| {
            let offer = ferrule_tests::dhcp::good_answer(message, [10, 9, 0, 77].into(), 60);
            let offer = offer.filter(|_| message.kind() == ferrule_tests::dhcp::message::DISCOVER);
            offer.map(|reply| wire.frame(&reply.encode())).into_iter().collect()
        });
        let _daemon = Daemon::start_with(host, HASTY);
        let client = Client::new(&segment, "c1", &plain());
        let outcome = client.call.add().fails();
        let text = outcome.stdout.to_lowercase();
        assert!(text.contains("request") && text.contains("10.9.0.1"), "{outcome}");
        wait_until("forgotten", 20, || held_leases(host) == json!([]));
    }
}

ferrule_testkit::test! {
    /// A path that leads to no namespace, or an interface that is not there, is told at once.
    fn a_place_that_is_none(host, case in ["file", "folder", "absent", "interface", "ipc"]) {
        let segment = Segment::new(host);
        let mut daemon = Daemon::start(host);
        let client = Client::new(&segment, "c1", &plain());
        let work = host.work_folder();
        std::fs::write(work.join("file"), "x").unwrap();
        let call = match case {
            "file" => client.call.clone().netns(work.join("file")),
            "folder" => client.call.clone().netns(&work),
            "absent" => client.call.clone().netns(work.join("absent")),
            "ipc" => client.call.clone().netns("/proc/self/ns/ipc"),
            _ => client.call.clone().ifname("eth7"),
        };
        let outcome = call.add().fails();
        assert!(outcome.elapsed < Duration::from_secs(20), "{outcome}");
        let named = match case {
            "interface" => "eth7",
            "ipc" => "/ns/ipc",
            _ => work.to_str().unwrap(),
        };
        assert!(outcome.stdout.contains(named), "{outcome}");
        call.del().succeeds();
        assert!(daemon.runs());
        assert_eq!(held_leases(host), json!([]));
    }
}

ferrule_testkit::test! {
    /// Keys of the wrong type are told by their names.
    fn wrong_configurations(host, case in ["request", "provide", "priority", "socket"]) {
        let segment = Segment::new(host);
        let _daemon = Daemon::start(host);
        let mut config = plain();
        match case {
            "request" => config["ipam"]["request"] = json!({ "option": "3" }),
            "provide" => config["ipam"]["provide"] = json!([{ "option": 12, "value": "x" }]),
            "priority" => config["ipam"]["priority"] = json!("high"),
            _ => config["ipam"]["daemonSocketPath"] = json!(5),
        }
        let client = Client::new(&segment, "c1", &config);
        let outcome = client.call.add().fails();
        let key = if case == "socket" { "daemonSocketPath" } else { case };
        assert!(outcome.stdout.contains(key), "{outcome}");
    }
}

ferrule_testkit::test! {
    /// GC ends the leases of what is not listed, of this network alone; without a list it ends none.
    fn garbage_is_collected(host) needs [Tool("dnsmasq")] {
        let segment = Segment::new(host);
        let server = Server::start(&segment, "s1", ServerKind::Dnsmasq, Pool::new(120));
        let _daemon = Daemon::start(host);
        let [kept, gone, other] = ["c1", "c2", "c3"].map(|name| Client::new(&segment, name, &plain()));
        let mut of_other_network = plain();
        of_other_network["name"] = json!("other");
        let [of_kept, of_gone] = [kept.add(), gone.add()];
        let leased = [&of_kept, &of_gone].map(address);
        let other_leased = address(&other.call.clone().config(&of_other_network).add().succeeds().json());
        kept.call.gc().succeeds();
        assert_eq!(server.leases().len(), 3);
        kept.call.clone().config(gc_config(&[("c1", "eth0"), ("c2", "eth1")])).gc().succeeds().stdout_is("");
        wait_until("collected", 10, || !server.holds(&leased[1]));
        assert!(server.holds(&leased[0]) && server.holds(&other_leased));
        kept.check(&of_kept).succeeds();
        gone.check(&of_gone).fails();
        kept.call.clone().config(gc_config(&[])).gc().succeeds();
        wait_until("collected", 10, || !server.holds(&leased[0]));
        assert!(server.holds(&other_leased));
    }
}

ferrule_testkit::test! {
    /// CHECK compares with the result of ADD, and fails for a lease that is not there.
    fn check_compares(host) needs [Tool("dnsmasq")] {
        let segment = Segment::new(host);
        let server = Server::start(&segment, "s1", ServerKind::Dnsmasq, Pool::new(120));
        let _daemon = Daemon::start(host);
        let client = Client::new(&segment, "c1", &plain());
        let result = json!({ "cniVersion": "1.1.0", "ips": [{ "address": "10.9.0.105/24" }] });
        client.check(&result).fails();
        assert!(server.leases().is_empty(), "CHECK leases nothing");
        let result = client.add();
        client.container.ip(format!("address add {} dev eth0", result["ips"][0]["address"].as_str().unwrap()));
        client.check(&result).succeeds();
        let mut wrong = result.clone();
        wrong["ips"][0]["address"] = json!("10.9.0.66/24");
        client.check(&wrong).fails();
    }
}
