//! CHECK.

use serde_json::json;

use crate::tuning::node::{all_and_queue, container, tuning};

ferrule_testkit::test! {
    /// CHECK names each kind of damage, and succeeds again when it is repaired.
    fn check_detects_every_damage(host) {
        let container = container(host, "c1");
        let mut keys = all_and_queue();
        keys["sysctl"] = json!({ "net.ipv4.conf.IFNAME.arp_notify": "1", "net.core.somaxconn": "0777" });
        let call = tuning(host, "c1", &keys);
        call.add().succeeds();
        call.check().succeeds();
        for (damage, mend, told) in [
            ("address 02:00:00:00:00:77", "address 02:aa:00:00:00:0b", "MAC address 02:00:00:00:00:77"),
            ("mtu 1300", "mtu 1400", "MTU 1300, expected the MTU 1400"),
            ("promisc off", "promisc on", "promiscuous mode off"),
            ("allmulticast off", "allmulticast on", "all multicast off"),
            ("txqueuelen 5", "txqueuelen 77", "queue length 5"),
            ("name other0", "", "not found"),
        ] {
            container.ip(format!("link set eth0 {damage}"));
            call.check().fails_with_code(999).mentions(told).mentions("eth0");
            if mend.is_empty() {
                container.ip("link set other0 name eth0");
            } else {
                container.ip(format!("link set eth0 {mend}"));
            }
            call.check().succeeds();
        }
        for (name, mend) in [("net.ipv4.conf.eth0.arp_notify", "1"), ("net.core.somaxconn", "511")] {
            container.exec(format!("sysctl -q -w {name}=3")).succeeds();
            call.check().fails_with_code(999).mentions(&name.replace('.', "/"));
            container.exec(format!("sysctl -q -w {name}={mend}")).succeeds();
            call.check().succeeds();
        }
        container.remove();
        call.check().fails().mentions("no such file or directory");
    }
}

ferrule_testkit::test! {
    /// Values that are not configured are ignored, such as promiscuous mode during a packet
    /// capture.
    fn values_that_are_not_configured_are_ignored(host) {
        let container = container(host, "c1");
        let call = tuning(host, "c1", &json!({ "mtu": 1400 }));
        call.add().succeeds();
        container.ip("link set eth0 promisc on allmulticast on txqueuelen 5 address 02:00:00:00:00:33");
        call.check().succeeds();
    }
}
