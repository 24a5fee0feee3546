//! Closed and full standard streams.

use ferrule_testkit::{Call, Host, assert_same, binaries_folder};
use ferrule_tests::Network;
use serde_json::json;

use crate::lifecycle::{leases, without_bridge};

/// A call of a plugin by a shell that redirects its streams.
fn redirected(host: &Host, plugin: &str, redirection: &str) -> Call {
    let script = format!(
        "exec {} {redirection}",
        binaries_folder().join(plugin).display()
    );
    let call = host
        .executable("/bin/sh", ["-c", &script])
        .cni_path(binaries_folder());
    let call = call.container("c1").netns("/run/netns/c1").ifname("eth0");
    call.config(Network::of(plugin).config)
}

ferrule_testkit::test! {
    /// A standard error that cannot be written to does not stop any verb.
    fn a_log_that_cannot_be_written(host, redirection in ["2>/dev/full", "2>&-", "2</dev/null"]) {
        for plugin in ["bridge", "ptp"] {
            let container = host.netns("c1");
            let call = redirected(host, plugin, redirection);
            call.add().succeeds();
            // DEL logs what it cannot read.
            let config = Network::of(plugin).with(json!({ "mtu": "none" })).config;
            call.clone().config(config).del().succeeds();
            assert!(!container.has_link("eth0"));
            assert_eq!(leases(), [""; 0]);
            call.verb("").run().succeeds();
            container.remove();
        }
    }
}

ferrule_testkit::test! {
    /// An ADD that cannot write its result fails and is undone.
    fn a_result_that_cannot_be_written(host, redirection in [">/dev/full", ">/dev/full 2>&1"]) {
        host.netns("c1");
        let before = without_bridge(host);
        for plugin in ["bridge", "ptp"] {
            let call = redirected(host, plugin, redirection);
            for verb in ["ADD", "VERSION"] {
                let outcome = call.clone().verb(verb).run();
                assert_eq!(outcome.status.code(), Some(1), "{outcome}");
            }
            assert_eq!(leases(), [""; 0]);
            assert_same(&before, &without_bridge(host));
        }
    }
}

ferrule_testkit::test! {
    /// Without standard input there is no configuration, and the plugin does not wait.
    fn no_standard_input(host, redirection in ["<&-", "</dev/null", "<."]) {
        for plugin in ["bridge", "ptp"] {
            for verb in ["ADD", "DEL", "CHECK", "GC", "STATUS"] {
                let outcome = redirected(host, plugin, redirection).verb(verb).run().fails();
                let code = outcome.error().code;
                assert!([5, 6].contains(&code), "{verb}: {outcome}");
            }
        }
    }
}
