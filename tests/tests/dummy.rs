//! The plugin `dummy`: black-box tests. Debian has no Go plugin of that name.

use ferrule_tests::single_link::{self, check_detects};
use ferrule_tests::{Network, answers_at_once};
use serde_json::{Value, json};

fn dummy() -> Network {
    Network::on_wire("dummy").with(json!({ "master": null }))
}

ferrule_testkit::test! {
    /// The link is up and has the addresses, under a name that may exist on the host, with the
    /// result of every version.
    fn the_link_holds_addresses(host) needs [Dummy] {
        host.ip("link add eth0 type dummy");
        for version in ferrule_testkit::VERSIONS {
            let attachment = dummy().version(version).attach(host, "c1");
            let link = attachment.container.link("eth0");
            assert_eq!(link["linkinfo"]["info_kind"], "dummy");
            assert!(link["flags"].as_array().unwrap().contains(&json!("UP")));
            let addresses = attachment.container.addresses("eth0");
            assert_eq!(addresses.len(), 2, "{addresses:?}");
            attachment.container.ip("link set lo up");
            for address in &addresses {
                let address = address.split('/').next().unwrap();
                assert!(answers_at_once(&attachment.container, address));
            }
            let path = attachment.container.path().display().to_string();
            let mut entry = json!({ "name": "eth0", "mac": link["address"], "sandbox": path });
            if *version == "1.1.0" {
                entry["mtu"] = json!(1500);
            }
            let interfaces = &attachment.result["interfaces"];
            if ["0.1.0", "0.2.0"].contains(version) {
                assert_eq!(interfaces, &Value::Null);
                assert!(attachment.result["ip4"]["ip"].is_string());
            } else {
                assert_eq!(interfaces, &json!([entry]));
                assert_eq!(attachment.result["ips"][0]["interface"], 0);
            }
            if ["0.4.0", "1.0.0", "1.1.0"].contains(version) {
                attachment.check().succeeds();
            }
            attachment.detach();
            attachment.container.remove();
        }
        assert!(host.has_link("eth0"));
        let dns = json!({ "nameservers": ["192.0.2.7"] });
        let named = dummy().with(json!({ "dns": dns })).attach(host, "named");
        assert_eq!(named.result["dns"], dns);
    }
}

ferrule_testkit::test! {
    /// CHECK detects each change; an address plugin is required.
    fn check_detects_every_change(host) needs [Dummy] {
        check_detects(host, &dummy(), &[
            ("link set eth0 address 02:00:00:00:00:99", "MAC"),
            ("link set eth0 mtu 1400", "MTU"),
            ("link set eth0 down", "down"),
            ("address delete ADDRESS/24 dev eth0", "lacks the address"),
            ("route delete default", "0.0.0.0/0"),
            ("link delete eth0", "not found"),
            ("link delete eth0; link add eth0 address MAC type veth peer name x", "kind"),
        ]);
        host.netns("c1");
        let call = dummy().without_ipam().call(host, "c1");
        let text = "dummy interface requires an IPAM configuration";
        for outcome in [call.add(), call.check(), call.status()] {
            outcome.fails_with_code(7).mentions(text);
        }
        call.del().succeeds();
        dummy().call(host, "c1").status().succeeds();
    }
}

ferrule_testkit::test! {
    /// DEL in every state of the container, a failed ADD, and GC leave nothing.
    fn nothing_is_left(host) needs [Dummy] {
        single_link::del_leaves_nothing(host, &dummy());
        single_link::del_spares_others(host, &dummy());
        single_link::failed_add_leaves_nothing(host, &dummy());
        single_link::gc_collects_what_is_dead(host, &dummy());
    }
}
