//! The administrator's allow-list of sysctls.

use std::fs;

use ferrule_testkit::{Host, Outcome};
use serde_json::{Value, json};

use crate::tuning::node::{container, tuning};

pub(crate) const FILE: &str = "/etc/cni/tuning/allowlist.conf";

/// A private folder for the list.
pub(crate) fn folder(host: &Host) {
    fs::create_dir_all("/etc/cni").unwrap();
    host.exec("mount -t tmpfs none /etc/cni").succeeds();
    fs::create_dir("/etc/cni/tuning").unwrap();
}

fn sysctl(keys: &[&str]) -> Value {
    let sysctl: Value = keys
        .iter()
        .map(|key| ((*key).to_owned(), json!("0")))
        .collect();
    json!({ "sysctl": sysctl })
}

ferrule_testkit::test! {
    /// A line matches anywhere in a name as configured, unless it is anchored, and there are no
    /// comments.
    fn settings_must_match_the_list(host) {
        folder(host);
        let container = container(host, "c1");
        let add = |list: &str, keys: &[&str]| -> Outcome {
            fs::write(FILE, list).unwrap();
            let call = tuning(host, "c1", &sysctl(keys));
            call.status();
            let outcome = call.add();
            // Only ADD reads the list.
            call.del().succeeds();
            outcome
        };
        let all = "net.ipv4.conf.all.log_martians";
        for list in [
            "^net\\.ipv4\\.conf\\.all\\.[a-z_]*$\n",
            "ipv4",
            "\r\n  nothing \r\n\t martians$  \r\n",
            "x|(?i)CONF.ALL",
            "[[:alpha:]]{3}\\.ipv\\d\nunused)(",
            ".",
        ] {
            add(list, &[all]).succeeds();
        }
        for list in ["", "\n \n", "^net\\.ipv4\\.conf\\.other\\.[a-z_]*$", "^ipv4", "# net.ipv4.conf.all", "net/ipv4"] {
            add(list, &[all]).fails_with_code(7).mentions(all).mentions(FILE);
        }
        // Every name must match.
        add("all\ncore", &[all, "net.core.somaxconn"]).succeeds();
        add("all", &[all, "net.core.somaxconn"]).fails_with_code(7).mentions("somaxconn");
        assert_ne!(container.tool("cat", "/proc/sys/net/core/somaxconn").trim(), "1");
        // `IFNAME` is matched literally.
        add("IFNAME", &["net.ipv4.conf.IFNAME.arp_notify"]).succeeds();
        add("eth0", &["net.ipv4.conf.IFNAME.arp_notify"]).fails_with_code(7);
        add(")(", &[all]).fails_with_code(7).mentions("regular expression");
        // The list is not read without sysctls, nor by CHECK.
        add(")(", &[]).succeeds();
        fs::write(FILE, "").unwrap();
        tuning(host, "c1", &sysctl(&["net.ipv4.conf.all.log_martians"])).check().succeeds();
        let over = json!({ "args": { "cni": sysctl(&[all]) } });
        tuning(host, "c1", &over).add().fails_with_code(7).mentions(all);
    }
}
