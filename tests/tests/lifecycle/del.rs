//! DEL releases everything, whatever state it finds.

use ferrule_testkit::assert_same;
use ferrule_tests::{Network, answers_at_once, with_prev_result};
use serde_json::{Value, json};

use crate::lifecycle::{leases, without_bridge};

ferrule_testkit::test! {
    /// DEL removes everything and can be repeated. Its input needs no more than the configuration.
    fn del_leaves_nothing_and_can_be_repeated(host, plugin in ["bridge", "ptp"]) {
        let before = without_bridge(host);
        let attachment = Network::of(plugin).attach(host, "c1");
        assert_eq!(leases(), ["10.1.2.2", "fd00:1:2::2"]);
        attachment.call.del().succeeds().stdout_is("");
        assert_eq!(leases(), [""; 0]);
        assert!(!attachment.container.has_link("eth0"));
        attachment.call.del().succeeds().stdout_is("");
        attachment.detach();
        attachment.container.remove();
        assert_same(&before, &without_bridge(host));
        attachment.detach();
    }
}

ferrule_testkit::test! {
    /// DEL without an earlier ADD succeeds.
    fn del_without_add_succeeds(host, version in VERSIONS) {
        host.netns("c1");
        let before = without_bridge(host);
        for plugin in ["bridge", "ptp"] {
            Network::of(plugin).version(version).call(host, "c1").del().succeeds().stdout_is("");
        }
        assert_same(&before, &without_bridge(host));
    }
}

ferrule_testkit::test! {
    /// The namespace is alive in a process although its path is gone: the host side is removed.
    fn del_with_a_namespace_whose_path_is_gone(host, plugin in ["bridge", "ptp"]) {
        let before = without_bridge(host);
        let attachment = Network::of(plugin).attach(host, "c1");
        let mut process = attachment.container.start("sleep 60");
        attachment.container.remove();
        attachment.call.del().succeeds().stdout_is("");
        assert!(!host.has_link(attachment.host_end()));
        assert_eq!(leases(), [""; 0]);
        process.kill();
        process.wait();
        assert_same(&before, &without_bridge(host));
    }
}

ferrule_testkit::test! {
    /// A path that is not a namespace means that the namespace is gone.
    fn del_with_a_path_that_is_no_namespace(host, path in [
        "", "/run/netns/none", "/etc/passwd", "/run", "/proc/self/status", "/etc/passwd/net",
    ]) {
        for plugin in ["bridge", "ptp"] {
            let attachment = Network::of(plugin).attach(host, plugin);
            attachment.call.clone().netns(path).del().succeeds().stdout_is("");
            assert!(!host.has_link(attachment.host_end()));
            assert_eq!(leases(), [""; 0]);
        }
    }
}

ferrule_testkit::test! {
    /// The namespace belongs to another container by now and is not changed; the rest of the first
    /// container's attachment is removed.
    fn del_spares_the_new_container_of_a_recycled_namespace(host, plugin in ["bridge", "ptp"]) {
        let network = Network::of(plugin);
        let old = network.attach(host, "recycled");
        old.container.remove();
        let container = host.netns("recycled");
        let second = network.call(host, "second").netns(&container);
        let result = second.add().succeeds().json();
        old.detach();
        assert_eq!(leases(), ["10.1.2.3", "fd00:1:2::3"]);
        assert!(answers_at_once(host, "10.1.2.3") && answers_at_once(&container, "fd00:1:2::1"));
        let second = second.config(with_prev_result(&network.config, &result));
        second.check().succeeds();
        second.del().succeeds();
        assert!(!container.has_link("eth0"));
    }
}

ferrule_testkit::test! {
    /// The same if nothing of the first container is left: the interface of that name is the
    /// second container's, as the alias of its host end shows.
    fn del_spares_the_new_container_when_nothing_else_is_left(host, plugin in ["bridge", "ptp"]) {
        let network = Network::of(plugin);
        let old = network.attach(host, "recycled");
        host.ip(["link", "delete", old.host_end()]);
        let second = network.call(host, "second").netns(&old.container);
        let result = second.add().succeeds().json();
        old.call.del().succeeds();
        assert!(old.container.has_link("eth0"));
        second.config(with_prev_result(&network.config, &result)).check().succeeds();
    }
}

ferrule_testkit::test! {
    /// An interface of that name that is not a veth end was not created by the plugin.
    fn an_interface_that_is_no_veth_stays(host, plugin in ["bridge", "ptp"]) {
        let attachment = Network::of(plugin).attach(host, "c1");
        attachment.container.ip("link delete eth0");
        attachment.container.ip("link add eth0 type bridge");
        attachment.detach();
        assert!(attachment.container.has_link("eth0"));
        assert_eq!(leases(), [""; 0]);
    }
}

ferrule_testkit::test! {
    /// The container has renamed the interface.
    fn a_renamed_interface_is_removed(host, plugin in ["bridge", "ptp"]) {
        let attachment = Network::of(plugin).attach(host, "c1");
        attachment.container.ip("link set eth0 down");
        attachment.container.ip("link set eth0 name net7");
        attachment.call.del().succeeds();
        assert!(!attachment.container.has_link("net7") && !host.has_link(attachment.host_end()));
    }
}

/// The same with every value, at any depth, replaced by one of a wrong type, except those that
/// identify the attachment.
fn distorted(value: &Value) -> Value {
    match value {
        Value::Object(entries) => {
            let entries = entries.iter().map(|(key, value)| {
                let needed = ["name", "cniVersion", "type"].contains(&key.as_str());
                let value = if needed {
                    value.clone()
                } else {
                    distorted(value)
                };
                (key.clone(), value)
            });
            Value::Object(entries.collect())
        }
        Value::String(_) => json!(7),
        Value::Array(_) => json!("list"),
        _ => json!([]),
    }
}

ferrule_testkit::test! {
    /// A configuration that has become partly invalid since ADD still releases everything.
    fn an_invalid_configuration_still_releases(host, plugin in ["bridge", "ptp"]) {
        let attachment = Network::of(plugin).attach(host, "c1");
        let full = attachment.config.as_object().unwrap().clone();
        let keys = json!({
            "bridge": "cni0", "isGateway": true, "isDefaultGateway": true, "forceAddress": true,
            "ipMasq": true, "ipMasqBackend": "nftables", "mtu": 1500, "hairpinMode": true,
            "promiscMode": true, "vlan": 5, "vlanTrunk": [{ "id": 5 }], "preserveDefaultVlan": true,
            "macspoofchk": true, "enabledad": true, "disableContainerInterface": true,
            "portIsolation": true, "dns": { "nameservers": ["1.1.1.1"] }, "capabilities": { "mac": true },
            "args": { "cni": { "mac": "x" } }, "runtimeConfig": { "mac": "x" },
        });
        let mut config = distorted(&keys);
        config.as_object_mut().unwrap().extend(full);
        config["ipam"] = distorted(&config["ipam"]);
        config["prevResult"] = json!("none");
        config["cni.dev/valid-attachments"] = json!(5);
        let call = attachment.call.clone().config(&config).args("MAC=nonsense;X");
        call.clone().add().fails_with_code(6);
        call.del().succeeds().stdout_is("");
        assert!(!attachment.container.has_link("eth0") && !host.has_link(attachment.host_end()));
        assert_eq!(leases(), [""; 0]);
    }
}

ferrule_testkit::test! {
    /// Contradictory keys, which ADD refuses, do not stop DEL.
    fn a_contradictory_configuration_still_releases(host) {
        let network = Network::bridge();
        let attachment = network.attach(host, "c1");
        let keys = json!({ "hairpinMode": true, "promiscMode": true, "vlan": 5000,
                           "vlanTrunk": [{ "minID": 5 }], "runtimeConfig": { "mac": "02" } });
        let call = network.with(keys).call(host, "c1").args("X");
        call.del().succeeds();
        assert!(!attachment.container.has_link("eth0"));
        assert_eq!(leases(), [""; 0]);
    }
}

ferrule_testkit::test! {
    /// A missing or failing address plugin is reported; the link is removed before.
    fn a_failing_address_plugin_is_reported_after_the_link_is_removed(host, plugin in ["bridge", "ptp"]) {
        let attachment = Network::of(plugin).attach(host, "c1");
        let call = attachment.call.clone().cni_path("/run/ferrule");
        call.del().fails().mentions("failed to find plugin \"host-local\"");
        assert!(!attachment.container.has_link("eth0") && !host.has_link(attachment.host_end()));
        attachment.detach();
        assert_eq!(leases(), [""; 0]);
    }
}
