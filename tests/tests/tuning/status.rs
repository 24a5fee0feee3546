//! STATUS.

use std::fs;

use serde_json::json;

use crate::tuning::allow_list;
use crate::tuning::node::tuning;

ferrule_testkit::test! {
    /// STATUS fails where ADD would.
    fn status_fails_where_add_would(host) {
        allow_list::folder(host);
        let sysctl = tuning(host, "c1", &json!({ "sysctl": { "net.ipv4.conf.IFNAME.arp_notify": "1" } }));
        let mtu = tuning(host, "c1", &json!({ "mtu": 1400, "dataDir": "/run/data" }));
        let none = tuning(host, "c1", &json!({}));
        for call in [&sysctl, &mtu, &none] {
            call.status().succeeds().stdout_is("");
        }
        fs::write(allow_list::FILE, "all").unwrap();
        sysctl.status().fails_with_code(50).mentions("arp_notify");
        fs::remove_file(allow_list::FILE).unwrap();
        fs::write("/run/data", "").unwrap();
        mtu.status().fails_with_code(50).mentions("/run/data");
        host.exec("mount --bind /proc/sys/net /proc/sys/net").succeeds();
        host.exec("mount -o remount,ro,bind /proc/sys/net").succeeds();
        sysctl.status().fails_with_code(50).mentions("read-only");
        none.status().succeeds();
    }
}
