//! DEL releases everything, in whatever state it finds things.

use ferrule_testkit::assert_same;
use ferrule_tests::{Network, answers_at_once, with_prev_result};
use serde_json::{Value, json};

use crate::lifecycle::{leases, without_bridge};

ferrule_testkit::test! {
    /// DEL takes everything back, and again says it is gone. Its input need not tell more than the
    /// configuration.
    fn del_leaves_nothing_and_may_be_repeated(host, plugin in ["bridge", "ptp"]) {
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
    /// What was never added is gone, too.
    fn del_of_nothing(host, version in VERSIONS) {
        host.netns("c1");
        let before = without_bridge(host);
        for plugin in ["bridge", "ptp"] {
            Network::of(plugin).version(version).call(host, "c1").del().succeeds().stdout_is("");
        }
        assert_same(&before, &without_bridge(host));
    }
}

ferrule_testkit::test! {
    /// With its path gone the namespace may live on in a process: the host's side goes all the same.
    fn a_namespace_kept_alive(host, plugin in ["bridge", "ptp"]) {
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
    /// Paths that stand for no namespace mean that it is gone.
    fn a_path_that_is_no_namespace(host, path in [
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
    /// A namespace that was given to another container meanwhile is left alone, apart from it the
    /// first container's attachment goes.
    fn a_recycled_namespace(host, plugin in ["bridge", "ptp"]) {
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
    /// So it is when nothing of the first container is left: the interface that has the name is the
    /// second one's, as the alias of its other end tells.
    fn a_recycled_namespace_and_nothing_else(host, plugin in ["bridge", "ptp"]) {
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
    /// An interface of that name which is no pair's end was not made by the plugin.
    fn a_foreign_interface_stays(host, plugin in ["bridge", "ptp"]) {
        let attachment = Network::of(plugin).attach(host, "c1");
        attachment.container.ip("link delete eth0");
        attachment.container.ip("link add eth0 type bridge");
        attachment.detach();
        assert!(attachment.container.has_link("eth0"));
        assert_eq!(leases(), [""; 0]);
    }
}

ferrule_testkit::test! {
    /// The container may have renamed the interface.
    fn a_renamed_interface(host, plugin in ["bridge", "ptp"]) {
        let attachment = Network::of(plugin).attach(host, "c1");
        attachment.container.ip("link set eth0 down");
        attachment.container.ip("link set eth0 name net7");
        attachment.call.del().succeeds();
        assert!(!attachment.container.has_link("net7") && !host.has_link(attachment.host_end()));
    }
}

/// The same with each value, at any depth, of a wrong type; what finds the resources is left.
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
    /// A configuration that became half broken since ADD still releases.
    fn a_broken_configuration(host, plugin in ["bridge", "ptp"]) {
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
    /// Contradictions that ADD refuses do not keep DEL from its work.
    fn a_contradictory_configuration(host) {
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
    /// An address plugin that is missing or fails is reported, but the link goes first.
    fn a_failing_address_plugin(host, plugin in ["bridge", "ptp"]) {
        let attachment = Network::of(plugin).attach(host, "c1");
        let call = attachment.call.clone().cni_path("/run/ferrule");
        call.del().fails().mentions("failed to find plugin \"host-local\"");
        assert!(!attachment.container.has_link("eth0") && !host.has_link(attachment.host_end()));
        attachment.detach();
        assert_eq!(leases(), [""; 0]);
    }
}
