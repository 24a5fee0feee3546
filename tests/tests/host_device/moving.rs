//! The device is moved into the container and returned.

use std::time::Duration;

use ferrule_testkit::{Namespace, Running, assert_same};
use ferrule_tests::single_link::{check_detects, leases};
use serde_json::{Value, json};

use crate::host_device::{idle_wire, on_wire, reaches_far_end, state};

ferrule_testkit::test! {
    /// In every version: the device is in the container, with addresses and a working wire, and its
    /// alias is its name on the host; after DEL it is on the host again and nothing else is left.
    fn the_device_is_moved_and_returned(host, version in VERSIONS) {
        idle_wire(host);
        let before = state(host);
        let mac = host.link("wire0")["address"].clone();
        let attachment = on_wire().version(version).attach(host, "c1");
        assert!(!host.has_link("wire0"));
        let link = attachment.container.link("eth0");
        assert_eq!((&link["ifalias"], &link["address"]), (&json!("wire0"), &mac));
        assert!(reaches_far_end(&attachment.container));

        let path = attachment.container.path().display().to_string();
        let mut entry = json!({ "name": "eth0", "mac": mac, "sandbox": path });
        if version == "1.1.0" {
            entry["mtu"] = json!(1500);
        }
        if ["0.1.0", "0.2.0"].contains(&version) {
            assert_eq!(attachment.result.get("interfaces"), None);
            assert_eq!(attachment.result["ip4"]["ip"], "10.1.2.2/24");
        } else {
            assert_eq!(attachment.result["interfaces"], json!([entry]));
            assert_eq!(attachment.result["ips"][1]["interface"], 0);
        }
        if version >= "0.4.0" {
            attachment.check().succeeds().stdout_is("");
        } else {
            attachment.check().fails_with_code(1);
        }

        attachment.detach();
        assert_eq!(leases(), Vec::<String>::new());
        attachment.detach();
        attachment.call.del().succeeds();
        assert!(!attachment.container.has_link("eth0"));
        attachment.container.remove();
        assert_same(&before, &state(host));
    }
}

ferrule_testkit::test! {
    /// Without an address plugin the device is only moved and brought up; the two oldest versions
    /// have no result for that, so ADD does not touch it.
    fn a_device_without_addresses(host, version in VERSIONS) {
        idle_wire(host);
        let before = state(host);
        let container = host.netns("c1");
        let dns = json!({ "nameservers": ["192.0.2.7"] });
        let call = on_wire().version(version).without_ipam().with(json!({ "dns": dns }));
        let call = call.call(host, "c1");
        let outcome = call.add();
        if ["0.1.0", "0.2.0"].contains(&version) {
            outcome.fails().mentions("cannot convert: no valid IP addresses");
            assert!(host.has_link("wire0"));
        } else {
            let result = outcome.succeeds().json();
            assert_eq!((&result["interfaces"][0]["name"], &result["dns"]), (&json!("eth0"), &dns));
            assert!(container.link("eth0")["flags"].as_array().unwrap().contains(&json!("UP")));
        }
        call.del().succeeds();
        container.remove();
        assert_same(&before, &state(host));
    }
}

/// A running `ip monitor link`.
fn watch(namespace: &Namespace) -> Running {
    let monitor = namespace.start("ip -o monitor link");
    std::thread::sleep(Duration::from_millis(300));
    monitor
}

/// The names of links that came up; there is at least one.
fn names_seen(mut monitor: Running) -> Vec<String> {
    std::thread::sleep(Duration::from_millis(300));
    monitor.kill();
    let text = monitor.wait().stdout;
    let mut names: Vec<String> = text
        .lines()
        .filter_map(|line| line.trim_start_matches("Deleted ").split(": ").nth(1))
        .map(|name| name.split('@').next().unwrap().to_owned())
        .collect();
    names.sort();
    names.dedup();
    names
}

ferrule_testkit::test! {
    /// Neither side ever has the device under the other side's name.
    fn no_temporary_names_are_visible(host) {
        idle_wire(host);
        let container = host.netns("c1");
        let call = on_wire().call(host, "c1");
        let (here, there) = (watch(host), watch(&container));
        call.add().succeeds();
        call.del().succeeds();
        assert_eq!(names_seen(here), ["wire0"]);
        assert_eq!(names_seen(there), ["eth0"]);
    }
}

ferrule_testkit::test! {
    /// Links that have the device's names on the other side are not touched.
    fn equal_names_on_the_other_side_do_not_matter(host) {
        idle_wire(host);
        host.ip("link add eth0 type veth peer name eth1");
        let before = state(host);
        let container = host.netns("c1");
        container.ip("link add wire0 type veth peer name wire9");
        let inside = container.network_snapshot();
        let call = on_wire().call(host, "c1");
        call.add().succeeds();
        assert!(reaches_far_end(&container));
        call.del().succeeds();
        assert_same(&inside, &container.network_snapshot());
        container.remove();
        let same = || before.difference(&state(host)).is_empty();
        assert!((0..100).any(|_| same() || { std::thread::sleep(Duration::from_millis(20)); false }));
    }
}

ferrule_testkit::test! {
    /// The device may have the same name on both sides.
    fn the_name_may_stay(host) {
        idle_wire(host);
        let before = state(host);
        let container = host.netns("c1");
        let call = on_wire().call(host, "c1").ifname("wire0");
        call.add().succeeds();
        assert!(reaches_far_end(&container));
        call.del().succeeds();
        container.remove();
        assert_same(&before, &state(host));
    }
}

ferrule_testkit::test! {
    /// DNS settings are those of the configuration, else those of the address plugin.
    fn dns_settings_are_in_the_result(host) {
        idle_wire(host);
        let own = json!({ "nameservers": ["192.0.2.7"] });
        let ipam = json!({ "type": "static", "addresses": [{ "address": "10.1.2.9/24" }], "dns": own });
        let answered = on_wire().with(json!({ "ipam": ipam }));
        assert_eq!(answered.attach(host, "c1").result["dns"], own);
        answered.call(host, "c1").del().succeeds();
        let other = json!({ "domain": "a.example" });
        let both = answered.with(json!({ "dns": other }));
        assert_eq!(both.attach(host, "c2").result["dns"], other);
    }
}

ferrule_testkit::test! {
    /// CHECK detects each change.
    fn check_detects_every_change(host) {
        idle_wire(host);
        check_detects(host, &on_wire(), &[
            ("link set eth0 address 02:00:00:00:00:99", "MAC"),
            ("link set eth0 mtu 1300", "MTU"),
            ("link set eth0 down", "down"),
            ("address delete ADDRESS/24 dev eth0", "lacks the address"),
            ("route delete default", "0.0.0.0/0"),
            ("link set eth0 down; link set eth0 name other", "not found"),
        ]);
        assert!(host.has_link("wire0"));
        let attachment = on_wire().attach(host, "last");
        attachment.call.check().fails_with_code(7).mentions("prevResult");
        let mut recorded = attachment.result.clone();
        recorded["interfaces"][0]["sandbox"] = Value::from("/run/netns/other");
        let config = ferrule_tests::with_prev_result(&attachment.config, &recorded);
        attachment.call.clone().config(config).check().fails().mentions("/run/netns/last");
        // The container does not need the alias, and CHECK ignores its absence.
        attachment.container.ip(["link", "set", "eth0", "alias", ""]);
        attachment.check().succeeds();
    }
}
