//! CHECK detects each kind of damage and names it.

use ferrule_testkit::Host;
use ferrule_tests::{Attachment, Network};
use serde_json::json;

ferrule_testkit::test! {
    /// A correct attachment passes in every version that has CHECK; older versions refuse the
    /// verb.
    fn a_correct_attachment_passes(host, version in VERSIONS) {
        for plugin in ["bridge", "ptp"] {
            let attachment = Network::of(plugin).version(version).attach(host, plugin);
            if ["0.4.0", "1.0.0", "1.1.0"].contains(&version) {
                attachment.check().succeeds().stdout_is("");
            } else {
                attachment.check().fails_with_code(1).mentions("config version does not allow CHECK");
            }
        }
    }
}

ferrule_testkit::test! {
    /// MAC addresses in upper case and additional interfaces of chained plugins are no damage.
    fn harmless_differences_pass(host, plugin in ["bridge", "ptp"]) {
        let mut attachment = Network::of(plugin).attach(host, "c1");
        let interfaces = attachment.result["interfaces"].as_array_mut().unwrap();
        for interface in interfaces.iter_mut() {
            interface["mac"] = json!(interface["mac"].as_str().unwrap().to_uppercase());
        }
        interfaces.push(json!({ "name": "ifb0123", "mac": "02:00:00:00:00:09" }));
        attachment.result["dns"] = json!({ "domain": "changed.example" });
        attachment.check().succeeds();
    }
}

/// A change of an attachment: commands, and the text that CHECK reports.
type Damage = (
    &'static str,
    fn(&Host, &Attachment),
    &'static [&'static str],
);

const OF_BOTH: &[Damage] = &[
    (
        "link gone",
        |_, c| drop(c.container.ip("link delete eth0")),
        &["\"eth0\"", "not found"],
    ),
    (
        "host end gone",
        |h, c| drop(h.ip(["link", "delete", c.host_end()])),
        &["\"eth0\"", "not found"],
    ),
    (
        "link renamed",
        |_, c| {
            c.container.ip("link set eth0 down");
            c.container.ip("link set eth0 name eth7");
        },
        &["\"eth0\"", "not found"],
    ),
    (
        "link down",
        |_, c| drop(c.container.ip("link set eth0 down")),
        &["\"eth0\"", "is down, expected up"],
    ),
    (
        "host end down",
        |h, c| drop(h.ip(["link", "set", c.host_end(), "down"])),
        &["in the host is down, expected up"],
    ),
    (
        "link of another kind",
        |_, c| {
            c.container.ip("link delete eth0");
            c.container.ip("link add eth0 type bridge");
        },
        &["\"eth0\"", "bridge", "expected veth"],
    ),
    (
        "link replaced",
        |_, c| {
            c.container.ip("link delete eth0");
            c.container.ip("link add eth0 type veth peer name other");
        },
        &["\"eth0\"", "MAC address"],
    ),
    (
        "IPv4 address gone",
        |_, c| drop(c.container.ip("address delete 10.1.2.2/24 dev eth0")),
        &["\"eth0\"", "lacks the address 10.1.2.2/24"],
    ),
    (
        "IPv6 address gone",
        |_, c| drop(c.container.ip("address delete fd00:1:2::2/64 dev eth0")),
        &["\"eth0\"", "lacks the address fd00:1:2::2/64"],
    ),
    (
        "other prefix length",
        |_, c| {
            c.container.ip("address delete 10.1.2.2/24 dev eth0");
            c.container.ip("address add 10.1.2.2/25 dev eth0");
        },
        &["lacks the address 10.1.2.2/24"],
    ),
    (
        "IPv4 default route gone",
        |_, c| drop(c.container.ip("-4 route delete default")),
        &["route to 0.0.0.0/0", "missing"],
    ),
    (
        "IPv6 default route gone",
        |_, c| drop(c.container.ip("-6 route delete default")),
        &["route to ::/0", "missing"],
    ),
    (
        "network's route gone",
        |_, c| drop(c.container.ip("route delete 10.1.2.0/24")),
        &["no route to 10.1.2.0/24"],
    ),
    (
        "IPv6 network's route gone",
        |_, c| drop(c.container.ip("-6 route delete fd00:1:2::/64")),
        &["no route to fd00:1:2::/64"],
    ),
    (
        "container's MAC changed",
        |_, c| drop(c.container.ip("link set eth0 address 02:00:00:00:00:07")),
        &["\"eth0\"", "02:00:00:00:00:07"],
    ),
    (
        "host end's MAC changed",
        |h, c| {
            h.ip(["link", "set", c.host_end(), "address", "02:00:00:00:00:07"]);
        },
        &["02:00:00:00:00:07"],
    ),
    (
        "host end renamed",
        |h, c| {
            h.ip(["link", "set", c.host_end(), "down"]);
            h.ip(["link", "set", c.host_end(), "name", "renamed"]);
        },
        &["\"renamed\""],
    ),
    (
        "lease gone",
        |_, _| std::fs::remove_file("/var/lib/cni/networks/net/10.1.2.2").unwrap(),
        &[],
    ),
];

const OF_BRIDGE: &[Damage] = &[
    (
        "no port any more",
        |h, c| drop(h.ip(["link", "set", c.host_end(), "nomaster"])),
        &["not a port of bridge \"cni0\""],
    ),
    (
        "port of another bridge",
        |h, c| {
            h.ip("link add other type bridge");
            h.ip(["link", "set", c.host_end(), "master", "other"]);
        },
        &["not a port of bridge \"cni0\""],
    ),
    (
        "bridge gone",
        |h, _| drop(h.ip("link delete cni0")),
        &["\"cni0\"", "not found"],
    ),
    (
        "bridge replaced",
        |h, _| {
            h.ip("link delete cni0");
            h.ip("link add cni0 type bridge");
        },
        &["\"cni0\"", "MAC address"],
    ),
    (
        "bridge down",
        |h, _| drop(h.ip("link set cni0 down")),
        &["\"cni0\" in the host is down, expected up"],
    ),
    (
        "no bridge any more",
        |h, _| {
            h.ip("link delete cni0");
            h.ip("link add cni0 type veth peer name other");
        },
        &["\"cni0\"", "veth", "expected bridge"],
    ),
];

const OF_PTP: &[Damage] = &[
    (
        "host's route gone",
        |h, _| drop(h.ip("route delete 10.1.2.2/32")),
        &["route to 10.1.2.2/32", "missing"],
    ),
    (
        "host's IPv6 route gone",
        |h, _| drop(h.ip("-6 route delete fd00:1:2::2/128")),
        &["route to fd00:1:2::2/128", "missing"],
    ),
];

ferrule_testkit::test! {
    /// Every kind of damage, each on a new attachment.
    fn damage_is_noticed_and_named(host, plugin in ["bridge", "ptp"]) {
        let own = if plugin == "bridge" { OF_BRIDGE } else { OF_PTP };
        for (what, damage, words) in OF_BOTH.iter().chain(own) {
            let attachment = Network::of(plugin).attach(host, "c1");
            attachment.check().succeeds();
            damage(host, &attachment);
            let outcome = words.iter().fold(attachment.check().fails(), |outcome, word| outcome.mentions(word));
            assert!(!outcome.error().msg.is_empty(), "{what}: {outcome}");
            attachment.detach();
            assert!(!host.has_link("renamed"), "{what}");
            attachment.container.remove();
            for link in ["cni0", "other"].iter().filter(|link| host.has_link(link)) {
                host.ip(["link", "delete", link]);
            }
            let _ = std::fs::remove_dir_all("/var/lib/cni/networks");
        }
    }
}

ferrule_testkit::test! {
    /// CHECK requires the previous result, with the container's interface in it.
    fn a_previous_result_is_needed(host, plugin in ["bridge", "ptp"]) {
        let mut attachment = Network::of(plugin).attach(host, "c1");
        attachment.call.check().fails_with_code(7).mentions("required prevResult missing");
        attachment.call.clone().netns("/run/netns/none").check().fails();
        attachment.result["interfaces"] = json!([]);
        attachment.check().fails().mentions("prevResult has no");
    }
}

ferrule_testkit::test! {
    /// Routes in a table other than main, and addresses with the full prefix length, are found.
    fn routes_in_other_tables_and_full_prefixes_are_found(host) {
        let ipam = json!({
            "type": "static",
            "addresses": [{ "address": "10.1.2.9/32", "gateway": "10.1.2.1" }],
            "routes": [{ "dst": "10.77.0.0/16", "gw": "10.1.2.1", "table": 5000 }],
        });
        let attachment = Network::ptp().with(json!({ "ipam": ipam })).attach(host, "c1");
        attachment.check().succeeds();
        attachment.container.ip("route delete 10.77.0.0/16 table 5000");
        attachment.check().fails().mentions("in table 5000");
    }
}
