//! The plugin `vlan`: black-box tests.

use ferrule_testkit::assert_same;
use ferrule_tests::single_link::{self, check_detects};
use ferrule_tests::{Network, Wire, answers_at_once};
use serde_json::json;

fn vlan(id: i64) -> Network {
    Network::on_wire("vlan").with(json!({ "vlanId": id }))
}

ferrule_testkit::test! {
    /// Frames of the container have the VLAN's tag at the peer on the wire, and only frames with
    /// that tag reach it.
    fn frames_are_tagged_on_the_wire(host) needs [Vlan8021q] {
        let wire = Wire::without_addresses(host);
        wire.far.ip("link add link wire1 name tagged type vlan id 100");
        wire.far.ip("link set tagged up");
        wire.answer_on("tagged");
        let capture = wire.far.capture();
        let inside = vlan(100).attach(host, "c1");
        let link = inside.container.link("eth0");
        assert_eq!(link["linkinfo"]["info_kind"], "vlan");
        assert_eq!(link["linkinfo"]["info_data"]["id"], 100);
        assert_eq!(link["linkinfo"]["info_data"]["protocol"], "802.1Q");
        for (position, far) in ["10.1.2.1", "fd00:1:2::1"].into_iter().enumerate() {
            assert!(answers_at_once(&inside.container, far), "{far}");
            assert!(answers_at_once(&wire.far, inside.address(position)));
        }
        // The kernel delivers a frame to the link of its tag, so frames captured there had the tag.
        let mac = inside.result["interfaces"][0]["mac"].as_str().unwrap();
        let tagged = capture.wait_for(std::time::Duration::from_secs(5), |frame| {
            frame.link == "tagged" && !frame.outgoing && frame.source() == mac
                && frame.ethertype() == 0x0800
        });
        assert!(tagged.is_some());

        let other = vlan(200).attach(host, "c2");
        let untagged = host.netns("c3");
        host.ip("link add link wire0 name plain netns c3 type macvlan");
        untagged.ip("address add 10.1.2.77/24 dev plain");
        untagged.ip("link set plain up");
        assert!(!answers_at_once(&other.container, "10.1.2.1"));
        assert!(!answers_at_once(&untagged, "10.1.2.1"));
        // A master has at most one link per VLAN, in whatever namespace.
        let call = vlan(100).call(host, "c4");
        let container = host.netns("c4");
        call.add().fails().mentions("carries that VLAN");
        call.del().succeeds();
        assert!(!container.has_link("eth0") && inside.container.has_link("eth0"));
    }
}

ferrule_testkit::test! {
    /// The kernel has the configured MTU and VLAN; CHECK detects each change.
    fn check_detects_every_change(host) needs [Vlan8021q, Macvlan] {
        Wire::new(host);
        host.ip("link add other type veth peer name other1");
        host.ip("link set other up");
        let attachment = vlan(0).with(json!({ "vlanId": null })).attach(host, "none");
        let link = attachment.container.link("eth0");
        assert_eq!((&link["linkinfo"]["info_data"]["id"], &link["mtu"]), (&json!(0), &json!(1500)));
        attachment.detach();
        let network = vlan(4094).with(json!({ "mtu": 1400 }));
        let attachment = network.attach(host, "first");
        assert_eq!(attachment.container.link("eth0")["mtu"], 1400);
        let path = attachment.container.path().display().to_string();
        let mac = attachment.container.link("eth0")["address"].clone();
        assert_eq!(attachment.result["interfaces"], json!([
            { "name": "eth0", "mac": mac, "mtu": 1400, "sandbox": path },
        ]));
        attachment.detach();
        check_detects(host, &network, &[
            ("link set eth0 mtu 1350", "MTU"),
            ("link set eth0 address 02:00:00:00:00:99", "MAC"),
            ("link set eth0 down", "down"),
            ("address delete ADDRESS/24 dev eth0", "lacks the address"),
            ("route delete default", "0.0.0.0/0"),
            ("link delete eth0; host: link add link wire0 name eth0 netns NETNS address MAC \
              mtu 1400 type macvlan mode bridge", "kind"),
            ("link delete eth0; host: link add link wire0 name eth0 netns NETNS address MAC \
              mtu 1400 type vlan id 5; link set eth0 up", "VLAN 5, expected vlanId 4094"),
            ("link delete eth0; host: link add link other name eth0 netns NETNS address MAC \
              mtu 1400 type vlan id 4094; link set eth0 up", "master"),
        ]);
    }
}

ferrule_testkit::test! {
    /// DEL in every state of container and master, a failed ADD, and GC leave nothing.
    fn nothing_is_left(host) needs [Vlan8021q] {
        Wire::new(host);
        let network = vlan(100);
        single_link::del_leaves_nothing(host, &network);
        single_link::del_spares_others(host, &network);
        // Containers that run at the same time need different VLANs.
        let before = host.snapshot().ignoring(&["/var/lib/cni"]);
        let container = host.netns("c1");
        for ipam in [
            json!({ "type": "no-such-plugin" }),
            json!({ "type": "host-local", "subnet": "10.1.2.0/24",
                    "routes": [{ "dst": "10.9.0.0/16", "gw": "192.0.2.77" }] }),
        ] {
            let call = network.clone().with(json!({ "ipam": ipam })).call(host, "c1");
            call.add().fails();
            assert!(!container.has_link("eth0"));
            assert_eq!(single_link::leases(), Vec::<String>::new());
        }
        container.remove();
        assert_same(&before, &host.snapshot().ignoring(&["/var/lib/cni"]));

        // DEL needs neither the master nor its MTU.
        for (change, back) in [
            ("link set wire0 mtu 1200", "link set wire0 mtu 1500"), ("link delete wire0", "link show"),
        ] {
            let attachment = network.clone().with(json!({ "mtu": 1500 })).attach(host, "m1");
            host.ip(change);
            attachment.call.del().succeeds();
            attachment.call.del().succeeds();
            assert!(!attachment.container.has_link("eth0"));
            assert_eq!(single_link::leases(), Vec::<String>::new());
            attachment.container.remove();
            host.ip(back);
        }
    }
}

ferrule_testkit::test! {
    /// GC releases the addresses of attachments that are not listed, and removes a link of theirs.
    fn gc_collects_stale_attachments(host) needs [Vlan8021q] {
        Wire::new(host);
        let attachment = vlan(100).attach(host, "dead");
        let path = host.path().display().to_string();
        attachment.container.ip(["link", "set", "eth0", "netns", &path, "name", "stray"]);
        let gc = |valid| vlan(100).with(json!({ "cni.dev/valid-attachments": valid })).call(host, "x").gc();
        gc(json!([{ "containerID": "dead", "ifname": "eth0" }])).succeeds();
        assert!(host.has_link("stray"));
        gc(json!([])).succeeds();
        assert!(!host.has_link("stray"));
        assert_eq!(single_link::leases(), Vec::<String>::new());
    }
}

ferrule_testkit::test! {
    /// Invalid values are refused before any change; `linkInContainer` finds the master in the
    /// container; every version works.
    fn refusals_and_versions(host) needs [Vlan8021q] {
        Wire::new(host);
        let container = host.netns("c1");
        let before = (host.snapshot(), container.network_snapshot());
        for (keys, code, texts) in [
            (json!({ "vlanId": 4095 }), 7, ["4095", "key vlanId"]),
            (json!({ "vlanId": -1 }), 7, ["-1", "key vlanId"]),
            (json!({ "vlanId": "a" }), 6, ["vlanId", "vlanId"]),
            (json!({ "mtu": 1600 }), 7, ["invalid MTU 1600", "must be [0, master MTU(1500)]"]),
            (json!({ "mtu": -100 }), 7, ["invalid MTU -100", "must be [0, master MTU(1500)]"]),
            (json!({ "master": null }), 7, ["key master", "missing"]),
            (json!({ "master": "absent" }), 999, ["absent", "key master"]),
            (json!({ "linkInContainer": true }), 999, ["wire0", "netns/c1"]),
            (json!({ "ipam": {} }), 7, ["ipam.type", "no plugin name"]),
        ] {
            let call = vlan(100).with(keys).call(host, "c1");
            let outcome = call.add().fails_with_code(code);
            texts.iter().fold(outcome, |outcome, text| outcome.mentions(text));
            call.del().succeeds();
        }
        assert_same(&before.0, &host.snapshot().ignoring(&["/var/lib/cni"]));
        assert_same(&before.1, &container.network_snapshot());
        let status = |keys| vlan(100).with(keys).call(host, "c1").status();
        status(json!({ "vlanId": 4095 })).fails_with_code(7);
        status(json!({ "master": "absent" })).fails_with_code(50);
        status(json!({})).succeeds();
        host.ip("link set wire0 down");
        let call = vlan(100).call(host, "c1");
        call.add().fails().mentions("ip link set wire0 up");
        call.status().fails_with_code(50).mentions("down");
        assert_eq!(single_link::leases(), Vec::<String>::new());
        host.ip("link set wire0 up");
        container.remove();

        for version in ferrule_testkit::VERSIONS {
            let attachment = vlan(100).version(version).attach(host, "c1");
            if ["0.4.0", "1.0.0", "1.1.0"].contains(version) {
                attachment.check().succeeds();
            }
            attachment.detach();
            attachment.container.remove();
        }
        let container = host.netns("in");
        host.ip("link set wire0 netns in");
        container.ip("link set wire0 up");
        let inside = vlan(100).with(json!({ "linkInContainer": true }));
        let result = inside.call(host, "in").add().succeeds().json();
        assert_eq!(container.link("eth0")["linkinfo"]["info_data"]["id"], 100);
        inside.clone().with(json!({ "prevResult": result })).call(host, "in").check().succeeds();
        inside.call(host, "in").del().succeeds();
        assert!(!container.has_link("eth0") && container.has_link("wire0"));
    }
}

ferrule_testkit::test! {
    /// Results and links are those of the Go plugin; each suite checks and removes what the other
    /// has added.
    fn the_go_plugin_agrees(host) needs [Vlan8021q, PeerPlugins] {
        Wire::new(host);
        single_link::results_are_the_peers(host, &vlan(100).with_addresses(&["10.1.2.9/24"]));
        let keys = json!({ "mtu": 1400, "dns": { "nameservers": ["192.0.2.7"] } });
        single_link::results_and_links_are_the_peers(host, &vlan(7).with(keys), "1.0.0");
        single_link::suites_share_attachments(host, &vlan(100));
    }
}
