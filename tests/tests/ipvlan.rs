//! The plugin `ipvlan`: black-box tests.

use std::time::Duration;

use ferrule_testkit::{Host, assert_same};
use ferrule_tests::single_link::{self, check_detects};
use ferrule_tests::{Network, Wire, answers_at_once};
use serde_json::{Value, json};

fn ipvlan() -> Network {
    Network::on_wire("ipvlan")
}

/// The kernel's data of the container's link.
fn data(attachment: &ferrule_tests::Attachment, key: &str) -> Value {
    attachment.container.link("eth0")["linkinfo"]["info_data"][key].clone()
}

ferrule_testkit::test! {
    /// In mode l2 containers reach the peer on the wire and each other at once, over both families,
    /// with the master's MAC address.
    fn l2_joins_the_wire(host) needs [Ipvlan] {
        let wire = Wire::new(host);
        for address in ["10.1.2.2", "fd00:1:2::2"] {
            wire.far.ip(["neigh", "add", address, "lladdr", "02:00:00:00:00:99", "dev", "wire1",
                         "nud", "stale"]);
        }
        let first = ipvlan().attach(host, "c1");
        let mac = host.link("wire0")["address"].clone();
        // A reused address is announced, so no stale neighbour entry delays packets.
        for address in [first.address(0), first.address(1)] {
            assert!(answers_at_once(&wire.far, address), "{address}");
            let known = wire.far.ip(["neigh", "show", address, "dev", "wire1"]);
            assert!(known.contains(mac.as_str().unwrap()), "{known}");
        }
        let second = ipvlan().with(json!({ "mode": "l2" })).attach(host, "c2");
        for attachment in [&first, &second] {
            assert_eq!(attachment.container.link("eth0")["linkinfo"]["info_kind"], "ipvlan");
            assert_eq!(data(attachment, "mode"), "l2");
            assert_eq!(attachment.result["interfaces"][0]["mac"], mac);
            for address in ["10.1.2.1", "fd00:1:2::1"] {
                assert!(answers_at_once(&attachment.container, address), "{address}");
            }
        }
        for position in [0, 1] {
            assert!(answers_at_once(&first.container, second.address(position)));
        }
    }
}

ferrule_testkit::test! {
    /// In the modes l3 and l3s the host routes: containers reach each other and what the host
    /// reaches, and announce nothing on the wire.
    fn l3_is_routed_by_the_host(host, mode in ["l3", "l3s"]) needs [Ipvlan] {
        let wire = Wire::without_addresses(host);
        host.ip("address add 10.9.0.1/24 dev wire0");
        host.ip("address add fd00:9::1/64 dev wire0 nodad");
        wire.far.ip("address add 10.9.0.2/24 dev wire1");
        wire.far.ip("address add fd00:9::2/64 dev wire1 nodad");
        wire.far.ip("route add 10.1.2.0/24 via 10.9.0.1");
        wire.far.ip("route add fd00:1:2::/64 via fd00:9::1");
        assert!(host.ping("10.9.0.2") && host.ping("fd00:9::2"));
        let capture = wire.far.capture();
        let network = ipvlan().with(json!({ "mode": mode }));
        let (first, second) = (network.attach(host, "c1"), network.attach(host, "c2"));
        assert_eq!(data(&first, "mode"), mode);
        let announced = capture.collect(Duration::from_millis(200));
        assert!(!announced.iter().any(|frame| {
            frame.arp().is_some_and(|arp| arp.sender.to_string().starts_with("10.1.2."))
        }));
        for (position, far) in ["10.9.0.2", "fd00:9::2"].into_iter().enumerate() {
            assert!(answers_at_once(&first.container, far), "{far}");
            assert!(answers_at_once(&wire.far, first.address(position)));
            assert!(answers_at_once(&first.container, second.address(position)));
        }
        first.check().succeeds();
    }
}

ferrule_testkit::test! {
    /// The kernel has the configured MTU; CHECK detects each change.
    fn check_detects_every_change(host) needs [Ipvlan] {
        Wire::new(host);
        host.ip("link add other type veth peer name other1");
        let network = ipvlan().with(json!({ "mtu": 1400 }));
        let attachment = network.attach(host, "first");
        assert_eq!(attachment.container.link("eth0")["mtu"], 1400);
        let path = attachment.container.path().display().to_string();
        let mac = host.link("wire0")["address"].clone();
        assert_eq!(attachment.result["interfaces"], json!([
            { "name": "eth0", "mac": mac, "mtu": 1400, "sandbox": path },
        ]));
        for keys in [json!({ "mode": "l3s" }), json!({ "master": "absent" })] {
            let with_result = network.clone().with(json!({ "prevResult": attachment.result }));
            with_result.with(keys).call(host, "first").check().fails();
        }
        attachment.detach();
        check_detects(host, &network, &[
            ("link set eth0 type ipvlan mode l3", "mode l3, expected l2"),
            ("link set eth0 mtu 1350", "MTU"),
            ("link set eth0 down", "down"),
            ("address delete ADDRESS/24 dev eth0", "lacks the address"),
            ("route delete default", "0.0.0.0/0"),
            ("link delete eth0; link add eth0 address MAC mtu 1400 type veth peer name x", "kind"),
            ("link delete eth0; host: link set other address MAC; host: link add link other \
              name eth0 netns NETNS mtu 1400 type ipvlan mode l2; link set eth0 up", "master"),
            ("host: link set wire0 address 02:00:00:00:00:98", "MAC"),
        ]);
    }
}

ferrule_testkit::test! {
    /// DEL in every state of container and master, a failed ADD, and GC leave nothing.
    fn nothing_is_left(host) needs [Ipvlan] {
        Wire::new(host);
        single_link::del_leaves_nothing(host, &ipvlan());
        single_link::del_spares_others(host, &ipvlan());
        single_link::failed_add_leaves_nothing(host, &ipvlan());
        single_link::gc_collects_what_is_dead(host, &ipvlan());

        // Without the key, DEL cannot know the master and does not need it.
        host.ip("route add default dev wire0");
        let network = ipvlan().with(json!({ "master": null }));
        for name in ["m1", "m2"] {
            let attachment = network.attach(host, name);
            attachment.check().succeeds();
            let mut several = attachment.result.clone();
            several["interfaces"].as_array_mut().unwrap().push(json!({ "name": "lo" }));
            if name == "m1" { host.ip("route delete default") } else { host.ip("link delete wire0") };
            let call = network.clone().with(json!({ "prevResult": several })).call(host, name);
            call.del().succeeds();
            call.del().succeeds();
            assert!(!attachment.container.has_link("eth0"));
            assert_eq!(single_link::leases(), Vec::<String>::new());
            if name == "m1" { host.ip("route add default dev wire0"); }
        }
    }
}

ferrule_testkit::test! {
    /// The name may exist on the host. DEL removes everything after an ADD that was killed at any
    /// system call.
    fn a_killed_add_leaves_nothing_after_del(host) needs [Ipvlan] {
        Wire::new(host);
        host.ip("link add eth0 type veth peer name eth1");
        let container = host.netns("c1");
        let call = ipvlan().call(host, "c1");
        let links = || container.ip("-o link show");
        let host_links = || host.ip("-o -br link show");
        let (inside, outside) = (links(), host_links());
        let mut killed = 0;
        // Not every one on a slow kernel: few calls are made between two changes.
        for count in (40..).step_by(5) {
            let Some(outcome) = call.clone().verb("ADD").killed_at_syscall(count) else { break };
            killed += 1;
            assert_eq!(host_links(), outside, "on the host, after {outcome}");
            call.del().succeeds();
            assert_eq!(links(), inside, "after {outcome}");
            assert_eq!(single_link::leases(), Vec::<String>::new(), "after {outcome}");
        }
        assert!(killed > 8, "only {killed} system calls");
        assert!(container.has_link("eth0"));
        assert_eq!(container.link("eth0")["ifalias"], "cni:net/c1/eth0");
        call.del().succeeds();
        assert!(host.has_link("eth0") && !container.has_link("eth0"));
    }
}

ferrule_testkit::test! {
    /// Chained without an address plugin it takes over the addresses of the previous plugin, and
    /// its interface as the master.
    fn chained_it_takes_over_addresses(host) needs [Ipvlan] {
        Wire::new(host);
        let previous = json!({
            "cniVersion": "1.1.0", "interfaces": [{ "name": "wire0" }],
            "ips": [{ "address": "10.1.2.40/24", "gateway": "10.1.2.1", "interface": 0 }],
            "routes": [{ "dst": "0.0.0.0/0" }],
        });
        let chained = ipvlan().with(json!({ "ipam": null, "master": null }));
        let network = chained.clone().with(json!({ "prevResult": previous }));
        let call = network.call(host, "c1");
        let container = host.netns("c1");
        let result = call.add().succeeds().json();
        let path = container.path().display().to_string();
        let mac = host.link("wire0")["address"].clone();
        assert_eq!(result, json!({
            "cniVersion": "1.1.0",
            "interfaces": [{ "name": "eth0", "mac": mac, "mtu": 1500, "sandbox": path }],
            "ips": previous["ips"], "routes": previous["routes"],
        }));
        assert_eq!(container.addresses("eth0"), ["10.1.2.40/24"]);
        assert!(answers_at_once(&container, "10.1.2.1"));
        let with_result = network.clone().with(json!({ "prevResult": result })).call(host, "c1");
        with_result.check().succeeds();
        with_result.del().succeeds();
        assert!(!container.has_link("eth0"));

        // The key `master` precedes the previous result, and an address plugin its addresses.
        let named = ipvlan().with(json!({ "prevResult": { "cniVersion": "1.1.0",
            "interfaces": [{ "name": "a" }, { "name": "b" }], "ips": previous["ips"] } }));
        let result = named.call(host, "c1").add().succeeds().json();
        assert_ne!(result["ips"][0]["address"], "10.1.2.40/24");
        named.call(host, "c1").del().succeeds();
        let unclear = named.with(json!({ "master": null }));
        unclear.call(host, "c1").add().fails_with_code(7).mentions("key master");
        chained.call(host, "c1").add().fails_with_code(7).mentions("ipam.type");

        // With `linkInContainer` the master is the interface in the container.
        host.ip("link set wire0 netns c1");
        container.ip("link set wire0 up");
        let inside = chained.with(json!({ "linkInContainer": true, "prevResult": {
            "cniVersion": "1.1.0", "ips": previous["ips"],
            "interfaces": [{ "name": "br0" }, { "name": "wire0", "sandbox": path }] } }));
        let result = inside.call(host, "c1").add().succeeds().json();
        let checked = inside.clone().with(json!({ "prevResult": result, "master": "wire0" }));
        checked.call(host, "c1").check().succeeds();
        inside.call(host, "c1").del().succeeds();
        assert!(!container.has_link("eth0") && container.has_link("wire0"));
    }
}

fn refusals(host: &Host) {
    host.ip("link add port type veth peer name port1");
    host.ip("link add ports type bridge");
    host.ip("link set port master ports");
    let container = host.netns("c1");
    let before = (host.snapshot(), container.network_snapshot());
    for (keys, code, texts) in [
        (json!({ "mode": "bridge" }), 7, ["bridge", "l2, l3 or l3s"]),
        (
            json!({ "mtu": 1501 }),
            7,
            ["invalid MTU 1501", "must be [0, master MTU(1500)]"],
        ),
        (
            json!({ "mtu": -1 }),
            7,
            ["invalid MTU -1", "must be [0, master MTU(1500)]"],
        ),
        (json!({ "mtu": "big" }), 6, ["mtu", "mtu"]),
        (json!({ "ipam": null }), 7, ["ipam.type", "no plugin name"]),
        (json!({ "master": "absent" }), 999, ["absent", "key master"]),
        (
            json!({ "master": null }),
            999,
            ["default route", "key master"],
        ),
        (
            json!({ "master": "port" }),
            999,
            ["port", "port of a bridge"],
        ),
    ] {
        let call = ipvlan().with(keys).call(host, "c1");
        let outcome = call.add().fails_with_code(code);
        texts
            .iter()
            .fold(outcome, |outcome, text| outcome.mentions(text));
        call.del().succeeds();
    }
    assert_same(&before.0, &host.snapshot().ignoring(&["/var/lib/cni"]));
    assert_same(&before.1, &container.network_snapshot());
    container.remove();
    for (keys, code) in [
        (json!({ "mode": "bridge" }), 7),
        (json!({ "master": "absent" }), 50),
    ] {
        ipvlan()
            .with(keys)
            .call(host, "c1")
            .status()
            .fails_with_code(code);
    }
    ipvlan().call(host, "c1").status().succeeds();
    ipvlan()
        .with(json!({ "master": null }))
        .call(host, "c1")
        .status()
        .succeeds();
}

ferrule_testkit::test! {
    /// Invalid values are refused before any change; every version works.
    fn refusals_and_versions(host, _all in ["all"]) needs [Ipvlan] {
        Wire::new(host);
        refusals(host);
        for version in ferrule_testkit::VERSIONS {
            let attachment = ipvlan().version(version).attach(host, "c1");
            if ["0.4.0", "1.0.0", "1.1.0"].contains(version) {
                attachment.check().succeeds();
            }
            attachment.detach();
            attachment.container.remove();
        }
    }
}

ferrule_testkit::test! {
    /// Results and links are those of the Go plugin; each suite checks and removes what the other
    /// has added.
    fn the_go_plugin_agrees(host) needs [Ipvlan, PeerPlugins] {
        Wire::new(host);
        single_link::results_are_the_peers(host, &ipvlan().with_addresses(&["10.1.2.9/24"]));
        let routes = json!([{ "dst": "10.77.0.0/16", "gw": "10.1.2.9" }, { "dst": "0.0.0.0/0" }]);
        let keys = json!({ "mtu": 1400, "mode": "l2", "dns": { "nameservers": ["192.0.2.7"] },
            "ipam": { "type": "host-local", "subnet": "10.1.2.0/24", "routes": routes } });
        single_link::results_and_links_are_the_peers(host, &ipvlan().with(keys), "1.0.0");
        single_link::suites_share_attachments(host, &ipvlan());
    }
}
