//! Unusual kernel settings of host and container.

use ferrule_testkit::assert_same;
use ferrule_tests::{Network, answers_at_once};
use serde_json::json;

use crate::lifecycle::{leases, without_bridge};

ferrule_testkit::test! {
    /// Runtimes disable IPv6 in new namespaces; an IPv6 address enables it again.
    fn ipv6_is_enabled_for_an_ipv6_address(host, plugin in ["bridge", "ptp"]) {
        let container = host.netns("c1");
        let off = "net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1";
        container.exec(format!("sysctl -q -w {off}")).succeeds();
        container.ip("link set lo up");
        Network::of(plugin).call(host, "c1").add().succeeds();
        assert!(answers_at_once(&container, "fd00:1:2::1"));
        assert!(answers_at_once(host, "fd00:1:2::2") && answers_at_once(&container, "::1"));
        // Without one it stays disabled.
        let other = host.netns("c2");
        other.exec(format!("sysctl -q -w {off}")).succeeds();
        let ipam = json!({ "type": "host-local", "subnet": "10.1.2.0/24" });
        Network::of(plugin).with(json!({ "ipam": ipam })).call(host, "c2").add().succeeds();
        let setting = other.tool("sysctl", "-n net.ipv6.conf.eth0.disable_ipv6");
        assert_eq!(setting.trim(), "1");
    }
}

ferrule_testkit::test! {
    /// If the plugins run in a container, `/proc/sys` may be read-only: only settings that are
    /// indispensable must have been set before.
    fn read_only_sysctls(host, plugin in ["bridge", "ptp"]) {
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
    /// If forwarding cannot be enabled, ADD fails and leaves nothing.
    fn forwarding_that_cannot_be_enabled(host, plugin in ["bridge", "ptp"]) {
        host.exec("sysctl -q -w net.ipv4.ip_forward=0").succeeds();
        host.exec("mount --bind /proc/sys /proc/sys").succeeds();
        host.exec("mount -o remount,bind,ro /proc/sys").succeeds();
        host.netns("c1");
        let before = without_bridge(host);
        let outcome = Network::of(plugin).call(host, "c1").add().fails();
        outcome.mentions("net/ipv4/ip_forward").mentions("read-only file system");
        assert_same(&before, &without_bridge(host));
        assert_eq!(leases(), [""; 0]);
    }
}

ferrule_testkit::test! {
    /// Without `CAP_NET_ADMIN` nothing changes, and the error names the missing capability.
    fn without_privileges_nothing_changes(host, plugin in ["bridge", "ptp"]) needs [Tool("setpriv")] {
        host.exec("sysctl -q -w net.ipv4.ip_forward=1").succeeds();
        host.netns("c1");
        let before = without_bridge(host);
        let folder = ferrule_testkit::binaries_folder();
        let executable = folder.join(plugin);
        let words = ["--bounding-set=-all", "--inh-caps=-all", executable.to_str().unwrap()];
        let call = host.executable("/usr/bin/setpriv", words).cni_path(&folder);
        let call = call.container("c1").netns("/run/netns/c1").ifname("eth0");
        let outcome = call.config(Network::of(plugin).config).add().fails();
        outcome.mentions("operation not permitted").mentions("CAP_");
        assert_same(&before, &without_bridge(host));
        assert_eq!(leases(), [""; 0]);
    }
}

ferrule_testkit::test! {
    /// Runtimes also pass the namespace of a process.
    fn the_namespace_path_may_be_that_of_a_process(host, plugin in ["bridge", "ptp"]) {
        let container = host.netns("unnamed");
        let mut process = container.start("sleep 60");
        let path = format!("/proc/{}/ns/net", process.pid());
        container.remove();
        let network = Network::of(plugin);
        let call = network.call(host, "c1").netns(&path);
        let result = call.add().succeeds().json();
        let entry = result["interfaces"].as_array().unwrap().last().unwrap();
        assert_eq!(entry["sandbox"], path.as_str());
        assert!(answers_at_once(host, "10.1.2.2"));
        let full = ferrule_tests::with_prev_result(&network.config, &result);
        call.clone().config(full).check().succeeds();
        process.kill();
        process.wait();
        call.del().succeeds();
        assert_eq!(leases(), [""; 0]);
    }
}

ferrule_testkit::test! {
    /// The name of the host end exists: as that of another attachment, or of another link.
    fn existing_names_of_host_ends(host, plugin in ["bridge", "ptp"]) {
        let attachment = Network::of(plugin).attach(host, "c1");
        let name = attachment.host_end();
        attachment.detach();
        for (kind, alias) in [("veth", "cni:net/other/eth0"), ("bridge", "")] {
            host.ip(["link", "add", name, "type", kind]);
            host.ip(["link", "set", name, "alias", alias]);
            let result = attachment.call.add().succeeds().json();
            let names = result["interfaces"].as_array().unwrap().iter().map(|entry| &entry["name"]);
            assert!(names.clone().all(|found| found != name), "{result}");
            let own = names.filter_map(serde_json::Value::as_str).find(|name| name.starts_with("veth"));
            attachment.call.del().succeeds();
            assert!(host.has_link(name) && !host.has_link(own.unwrap()));
            host.ip(["link", "delete", name]);
        }
    }
}
