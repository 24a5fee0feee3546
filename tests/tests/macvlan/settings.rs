//! Settings of the link, its master, and refused values.

use ferrule_testkit::{Host, assert_same};
use ferrule_tests::single_link::check_detects;
use ferrule_tests::{Network, Wire};
use serde_json::{Value, json};

ferrule_testkit::test! {
    /// The kernel has the configured MTU, MAC address, mode and queue length, and the result
    /// contains them.
    fn settings_reach_the_kernel(host) needs [Macvlan] {
        Wire::new(host);
        let keys = json!({ "mtu": 1400, "mac": "02-00-00-00-00-AB", "bcqueuelen": 321,
                           "mode": "private" });
        let attachment = Network::on_wire("macvlan").with(keys).attach(host, "c1");
        let link = attachment.container.link("eth0");
        assert_eq!(link["mtu"], 1400);
        assert_eq!(link["address"], "02:00:00:00:00:ab");
        assert_eq!(link["linkinfo"]["info_data"]["bcqueuelen"], 321);
        assert_eq!(link["linkinfo"]["info_data"]["mode"], "private");
        let path = attachment.container.path().display().to_string();
        assert_eq!(attachment.result["interfaces"], json!([
            { "name": "eth0", "mac": "02:00:00:00:00:ab", "mtu": 1400, "sandbox": path },
        ]));
        for ip in attachment.result["ips"].as_array().unwrap() {
            assert_eq!(ip["interface"], 0);
        }
        attachment.check().succeeds();

        // Defaults are the kernel's: the master's MTU, and its own queue length.
        host.ip("link set wire0 mtu 1300");
        let plain = Network::on_wire("macvlan").attach(host, "c2");
        assert_eq!(plain.container.link("eth0")["mtu"], 1300);
        assert_eq!(plain.result["interfaces"][0]["mtu"], 1300);
        assert_eq!(plain.container.link("eth0")["linkinfo"]["info_data"]["bcqueuelen"], 1000);
    }
}

ferrule_testkit::test! {
    /// The MAC address of `runtimeConfig` precedes that of `CNI_ARGS`, and that the key `mac`.
    fn the_mac_address_has_three_sources(host) needs [Macvlan] {
        Wire::new(host);
        let mac = |number: u8| format!("02:00:00:00:00:{number:02x}");
        let plain = Network::on_wire("macvlan").without_ipam().with(json!({ "mac": mac(1) }));
        let runtime = plain.clone().with(json!({
            "capabilities": { "mac": true }, "RuntimeConfig": { "mac": mac(3) },
        }));
        let args = format!("IgnoreUnknown=1;K8S_POD_NAME=x;MAC={}", mac(2));
        for (network, args, expected) in [
            (&plain, "", mac(1)), (&plain, args.as_str(), mac(2)), (&runtime, args.as_str(), mac(3)),
        ] {
            let container = host.netns("c1");
            let call = network.call(host, "c1").args(args);
            let result = call.add().succeeds().json();
            assert_eq!(result["interfaces"][0]["mac"], expected);
            assert_eq!(container.link("eth0")["address"], expected);
            call.del().succeeds();
            container.remove();
        }
        host.netns("c1");
        let unknown = plain.call(host, "c1").args("POD=x");
        unknown.add().fails_with_code(4).mentions("POD");
        unknown.del().succeeds();
    }
}

fn attached_to(host: &Host, master: &str) {
    let network = Network::on_wire("macvlan").with(json!({ "master": null }));
    let call = network.call(host, "c1");
    let container = host.netns("c1");
    let result = call.add().succeeds().json();
    let parent = container.link("eth0")["link_index"].clone();
    assert_eq!(parent, host.link(master)["ifindex"], "on {master}");
    // CHECK ignores a change of the default route since ADD.
    let checked = network
        .with(json!({ "prevResult": result }))
        .call(host, "c1");
    host.ip("link add moved type veth peer name moved1");
    host.ip("link set moved up");
    host.ip("route replace default dev moved metric 1");
    checked.check().succeeds();
    host.ip("link delete moved");
    call.del().succeeds();
    container.remove();
}

ferrule_testkit::test! {
    /// The default master is the interface of the default route in the main table: the best one,
    /// IPv4 before IPv6, the first hop, regardless of routing rules and tunnels.
    fn the_master_is_that_of_the_default_route(host) needs [Macvlan] {
        let wire = Wire::new(host);
        host.ip("link add other type veth peer name far-other netns far");
        host.ip("link set other up");
        let call = Network::on_wire("macvlan").with(json!({ "master": null })).call(host, "c1");
        let container = host.netns("c1");
        call.add().fails().mentions("default route");
        call.status().fails_with_code(50).mentions("default route");
        assert!(!container.has_link("eth0"));
        container.remove();

        host.ip("-6 route add default dev other");
        attached_to(host, "other");
        host.ip("address add 10.1.2.250/24 dev wire0");
        host.ip("route add default via 10.1.2.1 dev wire0 metric 50");
        attached_to(host, "wire0");
        host.ip("route add default dev other metric 20");
        attached_to(host, "other");
        host.ip("route delete default dev other metric 20");
        host.ip("route replace default metric 50 nexthop via 10.1.2.1 dev wire0 nexthop dev other");
        attached_to(host, "wire0");
        // Routes and rules as tunnels add them: two more specific routes, or a rule before the main
        // table.
        host.ip("route add 128.0.0.0/1 dev other");
        attached_to(host, "wire0");
        host.ip("route add default dev other table 99");
        host.ip("rule add from all lookup 99 priority 100");
        attached_to(host, "wire0");
        host.ip("route add blackhole default table 98");
        host.ip("rule add from all lookup 98 priority 90");
        attached_to(host, "wire0");
        call.status().succeeds();
        drop(wire);
    }
}

ferrule_testkit::test! {
    /// CHECK detects each change.
    fn check_detects_every_change(host) needs [Macvlan] {
        Wire::new(host);
        host.ip("link add other type veth peer name other1");
        let network = Network::on_wire("macvlan").with(json!({ "bcqueuelen": 200, "mtu": 1450 }));
        check_detects(host, &network, &[
            ("link set eth0 address 02:00:00:00:00:99", "MAC"),
            ("link set eth0 mtu 1400", "MTU"),
            ("link set eth0 type macvlan mode private", "mode private, expected bridge"),
            ("link set eth0 type macvlan bcqueuelen 7", "bcqueuelen"),
            ("link set eth0 down", "down"),
            ("address delete ADDRESS/24 dev eth0", "lacks the address 10.1.2."),
            ("-6 route delete default", "::/0"),
            ("link delete eth0", "not found"),
            ("link delete eth0; link add eth0 address MAC mtu 1450 type veth peer name x", "kind"),
            ("link delete eth0; host: link add link other name eth0 netns NETNS address MAC \
              mtu 1450 type macvlan mode bridge bcqueuelen 200; link set eth0 up", "master"),
        ]);
        let attachment = network.attach(host, "last");
        for (keys, text) in [
            (json!({ "mode": "vepa" }), "vepa"),
            (json!({ "master": "absent" }), "absent"),
            (json!({ "prevResult": null }), "prevResult"),
            (json!({ "cniVersion": "0.3.1" }), "config version does not allow CHECK"),
        ] {
            let with_result = network.clone().with(json!({ "prevResult": attachment.result }));
            with_result.with(keys).call(host, "last").check().fails().mentions(text);
        }
    }
}

ferrule_testkit::test! {
    /// Invalid values are refused, by ADD before any change and by STATUS, with the key or the
    /// interface and a hint.
    fn invalid_values_are_refused(host) needs [Macvlan] {
        Wire::new(host);
        host.ip("link add ports type bridge");
        host.ip("link add port type veth peer name port1");
        host.ip("link set port master ports");
        let container = host.netns("c1");
        let before = (host.snapshot(), container.network_snapshot());
        let network = Network::on_wire("macvlan");
        let refused = |keys: &Value, texts: &[&str]| {
            let call = network.clone().with(keys.clone()).call(host, "c1");
            let outcome = texts.iter().fold(call.add().fails(), |outcome, text| outcome.mentions(text));
            call.del().succeeds();
            (call, outcome)
        };
        for (keys, texts) in [
            (json!({ "mode": "source" }), ["source", "bridge, private, vepa or passthru"]),
            (json!({ "mtu": 1501 }), ["invalid MTU 1501", "must be [0, master MTU(1500)]"]),
            (json!({ "mtu": -100 }), ["invalid MTU -100", "must be [0, master MTU(1500)]"]),
            (json!({ "mac": "02:00" }), ["mac", "02:00"]),
            (json!({ "mac": "01:00:5e:00:00:01" }), ["mac", "group"]),
        ] {
            let (call, outcome) = refused(&keys, &texts);
            assert_eq!(outcome.error().code, 7);
            call.status().fails_with_code(7);
        }
        let (call, _) = refused(&json!({ "master": "absent" }), &["absent", "key master"]);
        call.status().fails_with_code(50).mentions("absent");
        refused(&json!({ "master": "port" }), &["port of a bridge"]);
        refused(&json!({ "mode": "passthru", "mac": "02:00:00:00:00:01" }), &["of its master"]);
        for (keys, text) in [(json!({ "mtu": "big" }), "mtu"), (json!({ "bcqueuelen": -1 }), "bcqueuelen")] {
            let call = network.clone().with(keys).call(host, "c1");
            call.add().fails_with_code(6).mentions(text);
            call.del().succeeds();
        }
        assert_same(&before.0, &host.snapshot().ignoring(&["/var/lib/cni"]));
        assert_same(&before.1, &container.network_snapshot());
        network.call(host, "c1").status().succeeds().stdout_is("");
    }
}
