//! VLANs: which VLANs a port is in, and which containers reach each other.

use ferrule_testkit::{Container, Host, Need, assert_same};
use ferrule_tests::{Attachment, Network, answers_at_once};
use serde_json::{Value, json};

/// A network of VLAN ports without addresses from IPAM.
fn switch(keys: Value) -> Network {
    Network::bridge().without_ipam().with(keys)
}

/// The VLANs of a port as `100`, `100 untagged` or `100 pvid untagged`.
fn vlans(host: &Host, port: &str) -> Vec<String> {
    let answer = host.tool("bridge", ["-j", "vlan", "show", "dev", port]);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let entries = answer[0]["vlans"].as_array().cloned().unwrap_or_default();
    let text = |entry: &Value| {
        let flags = entry["flags"].as_array().cloned().unwrap_or_default();
        let mut words = vec![entry["vlan"].to_string()];
        words.extend(flags.iter().map(|flag| match flag.as_str() {
            Some("PVID") => "pvid".to_owned(),
            _ => "untagged".to_owned(),
        }));
        words.join(" ")
    };
    entries.iter().map(text).collect()
}

/// Adds an address in a container, on its interface of the VLAN if one is named.
fn address(container: &Container, vlan: Option<u16>, address: &str) {
    let link = match vlan {
        None => "eth0".to_owned(),
        Some(vlan) => {
            container.ip(format!(
                "link add link eth0 name eth0.{vlan} type vlan id {vlan}"
            ));
            format!("eth0.{vlan}")
        }
    };
    container.ip(["link", "set", &link, "up"]);
    container.ip(["address", "add", address, "dev", &link]);
}

ferrule_testkit::test! {
    /// The VLANs of a port, for every combination of keys.
    fn ports_have_the_configured_vlans(host) needs [BridgeVlanFiltering] {
        let trunk = json!([{ "id": 101 }, { "minID": 200, "maxID": 202 }]);
        for (number, (keys, expected)) in [
            (json!({ "vlan": 100 }), vec!["100 pvid untagged"]),
            (json!({ "vlan": 100, "preserveDefaultVlan": true }),
             vec!["1 untagged", "100 pvid untagged"]),
            (json!({ "vlanTrunk": trunk }), vec!["1 pvid untagged", "101", "200", "201", "202"]),
            (json!({ "vlan": 100, "vlanTrunk": trunk }),
             vec!["100 pvid untagged", "101", "200", "201", "202"]),
            (json!({ "vlanTrunk": [] }), vec!["1 pvid untagged"]),
            (json!({}), vec!["1 pvid untagged"]),
        ].into_iter().enumerate() {
            let attachment = switch(keys).attach(host, &format!("c{number}"));
            assert_eq!(vlans(host, attachment.host_end()), expected);
            attachment.check().succeeds();
        }
        let filtering = &host.link("cni0")["linkinfo"]["info_data"]["vlan_filtering"];
        assert_eq!(filtering, 1);
    }
}

ferrule_testkit::test! {
    /// Each VLAN is a separate network; on a trunk its frames have the tag.
    fn frames_stay_in_their_vlan(host) needs [BridgeVlanFiltering, Vlan8021q] {
        let first = switch(json!({ "vlan": 100 })).attach(host, "c1");
        let second = switch(json!({ "vlan": 100 })).attach(host, "c2");
        let other = switch(json!({ "vlan": 200 })).attach(host, "c3");
        let trunk = switch(json!({ "vlanTrunk": [{ "id": 100 }] })).attach(host, "c4");
        for (attachment, ip) in [(&first, "10.8.0.1"), (&second, "10.8.0.2"), (&other, "10.8.0.3")] {
            address(&attachment.container, None, &format!("{ip}/24"));
        }
        address(&trunk.container, Some(100), "10.8.0.4/24");
        address(&trunk.container, Some(200), "10.9.0.4/24");
        address(&other.container, None, "10.9.0.3/24");
        assert!(answers_at_once(&first.container, "10.8.0.2"));
        assert!(!answers_at_once(&first.container, "10.8.0.3"), "another VLAN");
        assert!(answers_at_once(&first.container, "10.8.0.4"), "tagged on the trunk");
        assert!(answers_at_once(&trunk.container, "10.8.0.2"));
        assert!(!answers_at_once(&trunk.container, "10.9.0.3"), "not on the trunk");
    }
}

/// A network in VLAN 100 with the host as gateway.
fn routed() -> Network {
    Network::bridge().with(json!({ "vlan": 100 }))
}

fn assert_gateway(host: &Host, attachment: &Attachment) {
    let device = host.link("cni0.100");
    assert_eq!(device["linkinfo"]["info_kind"], "veth");
    let entry = json!({ "name": "cni0.100", "mac": device["address"] });
    assert_eq!(attachment.result["interfaces"][3], entry);
    assert_eq!(
        host.addresses("cni0.100"),
        ["10.1.2.1/24", "fd00:1:2::1/64"]
    );
    assert!(host.addresses("cni0").is_empty());
    let port = device["link"].as_str().unwrap();
    assert_eq!(host.link(port)["master"], "cni0");
    assert_eq!(vlans(host, port), ["100 pvid untagged"]);
    for gateway in ["10.1.2.1", "fd00:1:2::1"] {
        assert!(answers_at_once(&attachment.container, gateway));
    }
    for position in [0, 1] {
        assert!(answers_at_once(host, attachment.address(position)));
    }
}

ferrule_testkit::test! {
    /// The gateway of a VLAN is on an interface of its own, which stays for the next container.
    fn a_vlan_has_its_own_gateway(host) needs [BridgeVlanFiltering, Ipv6] {
        let first = routed().attach(host, "c1");
        assert_gateway(host, &first);
        first.check().succeeds();
        first.detach();
        let links = host.ip_json("link show").as_array().unwrap().len();
        assert_eq!(links, 4, "lo, bridge, both ends of the gateway's device");
        assert_gateway(host, &routed().attach(host, "c2"));
    }
}

ferrule_testkit::test! {
    /// A gateway interface whose ADD was killed half-way is completed by the next ADD.
    fn an_incomplete_gateway_is_completed(host, how in ["alone", "port", "vlan"])
        needs [BridgeVlanFiltering, Ipv6] {
        host.ip("link add cni0 up type bridge vlan_filtering 1");
        host.ip("link add cni0.100 type veth peer name vethhalf");
        if how != "alone" {
            host.ip("link set vethhalf up master cni0");
        }
        if how == "vlan" {
            host.tool("bridge", "vlan del dev vethhalf vid 1");
            host.tool("bridge", "vlan add dev vethhalf vid 100 pvid untagged");
        }
        assert_gateway(host, &routed().attach(host, "c1"));
    }
}

ferrule_testkit::test! {
    /// Containers that are added at the same time create one gateway interface.
    fn a_gateway_is_created_once(host) needs [BridgeVlanFiltering, Ipv6] {
        let names: Vec<String> = (0..8).map(|number| format!("c{number}")).collect();
        let calls = names.iter().map(|name| {
            host.netns(name);
            routed().call(host, name).verb("ADD")
        });
        let running: Vec<_> = calls.map(|call| call.start()).collect();
        let outcomes: Vec<_> = running.into_iter().map(ferrule_testkit::Running::wait).collect();
        let results = outcomes.into_iter().map(|outcome| outcome.succeeds().json());
        for (name, result) in names.iter().zip(results.collect::<Vec<_>>()) {
            let address = result["ips"][0]["address"].as_str().unwrap().to_owned();
            assert!(answers_at_once(host, address.trim_end_matches("/24")), "{name} {address}");
        }
        assert_eq!(host.addresses("cni0.100"), ["10.1.2.1/24", "fd00:1:2::1/64"]);
    }
}

ferrule_testkit::test! {
    /// Another interface with the name of the gateway interface is an error.
    fn another_interface_with_the_name_is_refused(host) needs [BridgeVlanFiltering] {
        host.ip("link add cni0.100 type bridge");
        host.netns("c1");
        let before = host.snapshot();
        let outcome = routed().call(host, "c1").add().fails_with_code(7);
        outcome.mentions("cni0.100").mentions("bridge");
        let after = host.snapshot().ignoring(&["cni0", "/var/lib/cni"]);
        assert_same(&before.ignoring(&["cni0", "/var/lib/cni"]), &after);
    }
}

ferrule_testkit::test! {
    /// A name that is too long for the gateway interface is an error, and nothing is left.
    fn a_gateway_name_that_is_too_long_is_refused(host) needs [BridgeVlanFiltering] {
        host.netns("c1");
        let network = routed().with(json!({ "bridge": "a-long-bridge" }));
        let before = host.snapshot();
        network.call(host, "c1").add().fails().mentions("a-long-bridge.100");
        let ignored = ["a-long-bridge", "/var/lib/cni"];
        assert_same(&before.ignoring(&ignored), &host.snapshot().ignoring(&ignored));
    }
}

ferrule_testkit::test! {
    /// A bridge that does not filter VLANs is used unchanged, with a warning.
    fn a_bridge_without_filtering_is_reported(host) needs [BridgeVlanFiltering] {
        host.ip("link add cni0 type bridge");
        let outcome = {
            host.netns("c1");
            switch(json!({ "vlan": 100 })).call(host, "c1").add().succeeds()
        };
        assert!(outcome.stderr.contains("\"cni0\" does not filter VLANs"), "{outcome}");
    }
}

ferrule_testkit::test! {
    /// Without VLAN filtering in the kernel the error names the kernel option, and nothing is left;
    /// with it ADD succeeds.
    fn a_kernel_without_filtering_is_reported(host, bridge in ["new", "there already"]) {
        if bridge == "there already" {
            host.ip("link add cni0 type bridge");
            host.ip("link set cni0 up");
        }
        host.netns("c1");
        let before = host.snapshot();
        let outcome = switch(json!({ "vlan": 100 })).call(host, "c1").add();
        if Need::BridgeVlanFiltering.is_met() {
            outcome.succeeds();
        } else {
            outcome.fails().mentions("CONFIG_BRIDGE_VLAN_FILTERING");
            assert_same(&before, &host.snapshot());
        }
    }
}
