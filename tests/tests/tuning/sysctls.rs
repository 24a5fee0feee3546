//! Settings below `/proc/sys/net`.

use std::fs;

use ferrule_testkit::Container;
use serde_json::json;

use crate::tuning::node::{container, records, tuning};

fn value(container: &Container, path: &str) -> String {
    let text = container.tool("cat", format!("/proc/sys/net/{path}"));
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

ferrule_testkit::test! {
    /// Settings are written in the container, in either notation; `IFNAME` is its interface. DEL
    /// does not restore them, and there is no record.
    fn settings_are_written_in_the_container(host) {
        let container = host.netns("c1");
        container.ip("link add eth0.7 type veth peer name far0");
        let keys = json!({ "sysctl": {
            "net.core.somaxconn": "500",
            "net/ipv4/conf/IFNAME/arp_notify": "1",
            "net.ipv4.ip_local_port_range": "40000 50000",
        } });
        let call = tuning(host, "c1", &keys).ifname("eth0.7");
        let before = host.snapshot();
        call.add().succeeds();
        let values = || ["core/somaxconn", "ipv4/conf/eth0.7/arp_notify", "ipv4/ip_local_port_range"]
            .map(|path| value(&container, path));
        assert_eq!(values(), ["500", "1", "40000 50000"]);
        call.check().succeeds();
        ferrule_testkit::assert_same(&before, &host.snapshot());
        call.del().succeeds();
        assert_eq!(values(), ["500", "1", "40000 50000"]);
        assert_eq!(records(), [""; 0]);
    }
}

ferrule_testkit::test! {
    /// `args.cni.sysctl` adds settings and replaces values, also without `sysctl` (the Go plugin
    /// panics).
    fn arguments_add_and_replace(host) {
        let container = container(host, "c1");
        let keys = json!({
            "sysctl": { "net.core.somaxconn": "500", "net.ipv4.conf.eth0.arp_notify": "0" },
            "args": { "cni": { "sysctl": {
                "net/core/somaxconn": "501", "net.ipv4.conf.IFNAME.arp_announce": "2",
            } } },
        });
        let call = tuning(host, "c1", &keys);
        call.add().succeeds();
        assert_eq!(value(&container, "core/somaxconn"), "501");
        assert_eq!(value(&container, "ipv4/conf/eth0/arp_announce"), "2");
        call.check().succeeds();
        let keys = json!({ "args": { "cni": { "sysctl": { "net.core.somaxconn": "502" } } } });
        tuning(host, "c1", &keys).add().succeeds();
        assert_eq!(value(&container, "core/somaxconn"), "502");
    }
}

ferrule_testkit::test! {
    /// A write-only setting is written and not compared.
    fn a_write_only_setting(host) {
        container(host, "c1");
        let call = tuning(host, "c1", &json!({ "sysctl": { "net.ipv4.route.flush": "1" } }));
        call.add().succeeds();
        call.check().succeeds();
    }
}

ferrule_testkit::test! {
    /// If the kernel refuses a setting, those before it are restored.
    fn a_refused_setting_restores_the_others(host) {
        let container = container(host, "c1");
        let before = value(&container, "core/somaxconn");
        for (key, value, told) in [
            ("net.ipv4.ip_forward", "many", "invalid argument"),
            ("net.ipv4.no_such_setting", "1", "no such file or directory"),
            ("net.ipv4.conf", "1", "is a directory"),
        ] {
            let keys = json!({ "sysctl": { "net.core.somaxconn": "555", key: value }, "mtu": 1400 });
            let call = tuning(host, "c1", &keys);
            call.add().fails_with_code(999).mentions(&key.replace('.', "/")).mentions(told);
            assert_eq!(self::value(&container, "core/somaxconn"), before);
            assert_eq!(container.link("eth0")["mtu"], 1500);
            call.del().succeeds();
        }
    }
}

ferrule_testkit::test! {
    /// Names outside the settings of the network namespace are refused.
    fn other_keys_are_refused(host) {
        container(host, "c1");
        let hostname = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        for key in [
            "kernel.hostname", "net/../kernel/hostname", "net.ipv4/../../kernel/hostname", "../../run/x",
            "net", "net.", "", "/", "net/..", "net.core\u{0}", "vm.swappiness", "networks.x",
        ] {
            for object in [json!({ "sysctl": { key: "x" } }), json!({ "args": { "cni": { "sysctl": { key: "x" } } } })] {
                let call = tuning(host, "c1", &object);
                call.add().fails_with_code(7).mentions("sysctl");
                call.check().fails_with_code(7);
                call.del().succeeds();
            }
        }
        assert_eq!(fs::read_to_string("/proc/sys/kernel/hostname").unwrap(), hostname);
        assert!(!fs::exists("/run/x").unwrap());
    }
}

ferrule_testkit::test! {
    /// Two values for one setting are refused.
    fn two_values_for_one_setting_are_refused(host) {
        container(host, "c1");
        for sysctl in [
            r#""net.core.somaxconn": "500", "net.core.somaxconn": "500""#,
            r#""net.core.somaxconn": "500", "net/core/somaxconn": "501""#,
            r#""net.ipv4.conf.eth0.arp_notify": "0", "net.ipv4.conf.IFNAME.arp_notify": "1""#,
        ] {
            let text = format!(
                r#"{{"cniVersion": "1.1.0", "name": "net", "type": "tuning", "sysctl": {{{sysctl}}},
                    "prevResult": {{"cniVersion": "1.1.0"}}}}"#
            );
            let call = tuning(host, "c1", &json!({})).stdin(text);
            call.add().fails_with_code(7).mentions("duplicated");
            call.check().fails_with_code(7).mentions("duplicated");
            call.del().succeeds();
        }
    }
}

ferrule_testkit::test! {
    /// Symbolic links among the settings are not followed.
    fn links_are_not_followed(host) {
        let container = container(host, "c1");
        container.exec("mount -t tmpfs none /proc/sys/net/unix").succeeds();
        fs::write("/run/target", "mine").unwrap();
        container.exec("ln -s /run/target /proc/sys/net/unix/link").succeeds();
        container.exec("ln -s /run /proc/sys/net/unix/folder").succeeds();
        for key in ["net.unix.link", "net.unix.folder.target"] {
            let call = tuning(host, "c1", &json!({ "sysctl": { key: "theirs" } }));
            call.add().fails_with_code(999);
            call.check().fails_with_code(999);
        }
        assert_eq!(fs::read_to_string("/run/target").unwrap(), "mine");
    }
}
