//! firewalld itself, on a bus of the test's own.

use serde_json::json;

use crate::firewall::node::Node;

const ADDRESSES: [&str; 2] = ["10.1.1.2", "fd00:1:1::2"];

fn sources(node: &Node, zone: &str) -> String {
    let zone = format!("--zone={zone}");
    node.host.tool("firewall-cmd", [&zone, "--list-sources"])
}

ferrule_testkit::test! {
    /// Where firewalld runs it is the default; addresses are sources of the zone from ADD to DEL.
    fn a_running_firewalld_is_the_default(host, backend in ["", "firewalld"])
    needs [Tool("firewalld"), Tool("dbus-daemon"), Nftables] {
        let node = Node::new(host, "firewalld");
        let call = node.call(1, "c1", &ADDRESSES, &json!({ "backend": backend }));
        call.status().succeeds();
        call.add().succeeds();
        assert_eq!(sources(&node, "trusted").trim(), "10.1.1.2/32 fd00:1:1::2/128");
        call.check().succeeds();
        call.add().succeeds();
        call.del().succeeds();
        assert_eq!(sources(&node, "trusted").trim(), "");
        call.check().fails().mentions("source not found in zone trusted of firewalld: 10.1.1.2/32");
        let zone = node.call(1, "c1", &ADDRESSES, &json!({ "backend": backend, "firewalldZone": "internal" }));
        call.add().succeeds();
        zone.add().succeeds();
        assert_eq!(sources(&node, "trusted").trim(), "");
        assert_eq!(sources(&node, "internal").trim(), "10.1.1.2/32 fd00:1:1::2/128");
        // DEL finds the zone that ADD used.
        node.call_without_result(1, "c1").del().succeeds();
        assert_eq!(sources(&node, "internal").trim(), "");
    }
}

ferrule_testkit::test! {
    /// What firewalld refuses fails ADD, and nothing of it stays.
    fn what_firewalld_refuses_fails(host) needs [Tool("firewalld"), Tool("dbus-daemon"), Nftables] {
        let node = Node::new(host, "firewalld");
        let nowhere = node.call(1, "c1", &ADDRESSES, &json!({ "firewalldZone": "nowhere" }));
        // STATUS succeeds if firewalld is too busy to answer in time.
        let status = (0..50).map(|_| nowhere.status()).find(|outcome| !outcome.status.success());
        status.unwrap().fails_with_code(50).mentions("INVALID_ZONE");
        nowhere.add().fails().mentions("failed to add the address 10.1.1.2/32 to nowhere zone");
        // The second address is in another zone: the first one is taken back.
        host.tool("firewall-cmd", "--zone=drop --add-source=fd00:1:1::2/128");
        let call = node.call(1, "c1", &ADDRESSES, &json!({}));
        call.add().fails().mentions("ZONE_CONFLICT").mentions("remove it there");
        assert_eq!(sources(&node, "trusted").trim(), "");
        assert_eq!(sources(&node, "drop").trim(), "fd00:1:1::2/128");
        assert!(!std::path::Path::new("/run/cni/firewall").exists());
    }
}

ferrule_testkit::test! {
    /// A firewalld that was started anew has forgotten the container: CHECK says so and ADD mends
    /// it. One that does not run keeps nothing, so DEL succeeds.
    fn firewalld_comes_and_goes(host) needs [Tool("firewalld"), Tool("dbus-daemon"), Nftables, Iptables] {
        let mut node = Node::new(host, "firewalld");
        let call = node.call(1, "c1", &ADDRESSES, &json!({ "backend": "" }));
        call.add().succeeds();
        node.restart_firewalld();
        call.check().fails().mentions("source not found");
        call.add().succeeds();
        call.check().succeeds();
        node.stop_firewalld();
        // What ADD did counts, not what would be chosen now.
        call.check().fails().mentions("D-Bus");
        call.status().succeeds();
        call.del().succeeds();
        let explicit = node.call(1, "c2", &ADDRESSES, &json!({}));
        explicit.status().fails_with_code(50).mentions("D-Bus");
        explicit.add().fails().mentions("D-Bus");
        explicit.del().succeeds();
        // Without firewalld it is iptables.
        call.add().succeeds();
        let rules = host.iptables_rules("iptables", "filter", "CNI-FORWARD");
        let ours = rules.iter().filter(|rule| rule.contains("10.1.1.2/32"));
        assert_eq!(ours.count(), 2, "{rules:#?}");
        call.check().succeeds();
        call.del().succeeds();
    }
}

ferrule_testkit::test! {
    /// A bus that is not one, or does not answer as one, is told.
    fn a_bus_that_is_none_is_told(host, answer in ["silent", "refusing", "babbling"])
    needs [Iptables, Ip6tables] {
        let node = Node::new(host, "iptables");
        let path = host.work_folder().join("bus");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let address = format!("unix:path={}", path.display());
        let call = node.call(1, "c1", &ADDRESSES, &json!({ "backend": "firewalld" }));
        let call = call.env("DBUS_SYSTEM_BUS_ADDRESS", address);
        let answer = match answer {
            "silent" => "",
            "refusing" => "REJECTED\r\n",
            _ => "OK\r\nwords that make no message",
        };
        std::thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                use std::io::{Read as _, Write as _};
                let _ = stream.read(&mut [0; 64]);
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        call.status().fails_with_code(50).mentions("D-Bus");
        call.add().fails().mentions("D-Bus");
        // It is no firewalld either.
        let default = node.call(1, "c1", &ADDRESSES, &json!({ "backend": "" }));
        default.add().succeeds();
        default.check().succeeds();
    }
}

ferrule_testkit::test! {
    /// A bus that does not answer in time decides nothing: firewalld may run, so it is not iptables
    /// then. DEL of a container that firewalld knows nothing about needs no bus.
    fn a_late_bus_is_an_error(host) needs [Iptables, Ip6tables] {
        let node = Node::new(host, "iptables");
        let path = host.work_folder().join("bus");
        // Its queue takes connections that nobody accepts.
        let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let address = format!("unix:path={}", path.display());
        for backend in ["", "firewalld"] {
            let call = node.call(1, "c1", &ADDRESSES, &json!({ "backend": backend }));
            let outcome = call.env("DBUS_SYSTEM_BUS_ADDRESS", &address).status();
            outcome.fails_with_code(50).mentions("no answer in time");
        }
        let call = node.call(1, "c1", &ADDRESSES, &json!({ "backend": "iptables" }));
        let call = call.env("DBUS_SYSTEM_BUS_ADDRESS", &address);
        call.status().succeeds();
        call.add().succeeds();
        call.del().succeeds();
    }
}
