//! Hosts and containers whose kernel settings are out of the ordinary.

use ferrule_tests::{Network, answers_at_once};
use serde_json::json;

ferrule_testkit::test! {
    /// Runtimes switch IPv6 off in new namespaces; an IPv6 address switches it on again.
    fn a_container_without_ipv6(host, plugin in ["bridge", "ptp"]) {
        let container = host.netns("c1");
        let off = "net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1";
        container.exec(format!("sysctl -q -w {off}")).succeeds();
        container.ip("link set lo up");
        Network::of(plugin).call(host, "c1").add().succeeds();
        assert!(answers_at_once(&container, "fd00:1:2::1"));
        assert!(answers_at_once(host, "fd00:1:2::2") && answers_at_once(&container, "::1"));
        // Without one it stays off.
        let other = host.netns("c2");
        other.exec(format!("sysctl -q -w {off}")).succeeds();
        let ipam = json!({ "type": "host-local", "subnet": "10.1.2.0/24" });
        Network::of(plugin).with(json!({ "ipam": ipam })).call(host, "c2").add().succeeds();
        let setting = other.tool("sysctl", "-n net.ipv6.conf.eth0.disable_ipv6");
        assert_eq!(setting.trim(), "1");
    }
}

ferrule_testkit::test! {
    /// Where the plugins run in a container, `/proc/sys` may be read-only: only what nothing works
    /// without must be set beforehand.
    fn settings_that_cannot_be_changed(host, plugin in ["bridge", "ptp"]) {
        let on = "net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1";
        host.exec(format!("sysctl -q -w {on}")).succeeds();
        let off = host.netns("off");
        off.exec("sysctl -q -w net.ipv6.conf.default.disable_ipv6=1").succeeds();
        host.exec("mount --bind /proc/sys /proc/sys").succeeds();
        host.exec("mount -o remount,bind,ro /proc/sys").succeeds();
        let attachment = Network::of(plugin).attach(host, "c1");
        assert!(host.ping("10.1.2.2") && host.ping("fd00:1:2::2"));
        attachment.check().succeeds();
        attachment.detach();
        Network::of(plugin).call(host, "off").add().fails().mentions("read-only file system");
    }
}

ferrule_testkit::test! {
    /// A host that may not be made to forward is told, and nothing is left.
    fn forwarding_that_cannot_be_enabled(host, plugin in ["bridge", "ptp"]) {
        host.exec("sysctl -q -w net.ipv4.ip_forward=0").succeeds();
        host.exec("mount --bind /proc/sys /proc/sys").succeeds();
        host.exec("mount -o remount,bind,ro /proc/sys").succeeds();
        host.netns("c1");
        let before = crate::without_bridge(host);
        let outcome = Network::of(plugin).call(host, "c1").add().fails();
        outcome.mentions("net/ipv4/ip_forward").mentions("read-only file system");
        ferrule_testkit::assert_same(&before, &crate::without_bridge(host));
        assert_eq!(crate::leases(), [""; 0]);
    }
}
