//! The plugin `loopback`, seen from outside.

use ferrule_testkit::{Call, Host, assert_same};
use ferrule_tests::with_prev_result;
use serde_json::{Value, json};

fn config(version: &str) -> Value {
    json!({ "cniVersion": version, "name": "net", "type": "loopback" })
}

/// A call as upstream's own tests make it: with arguments that are none.
fn prepared(call: Call, version: &str) -> Call {
    let call = call
        .container("c1")
        .netns("/run/netns/c1")
        .ifname("lo")
        .args("none");
    call.config(config(version))
}

fn ours(host: &Host, version: &str) -> Call {
    prepared(host.plugin("loopback"), version)
}

fn is_up(container: &ferrule_testkit::Container) -> bool {
    container.link("lo")["flags"]
        .as_array()
        .unwrap()
        .contains(&json!("UP"))
}

ferrule_testkit::test! {
    /// ADD switches `lo` on, DEL off; in between packets flow and CHECK passes.
    fn lo_goes_up_and_down(host, version in VERSIONS) {
        let container = host.netns("c1");
        let before = host.snapshot();
        let call = ours(host, version);
        let result = call.add().succeeds().json();
        assert!(is_up(&container) && container.ping("127.0.0.1") && container.ping("::1"));
        assert_eq!(result["cniVersion"], version);
        if !["0.1.0", "0.2.0", "0.3.0", "0.3.1"].contains(&version) {
            let call = call.clone().config(with_prev_result(&config(version), &result));
            call.check().succeeds().stdout_is("");
            container.ip("link set lo down");
            call.check().fails().mentions("\"lo\"").mentions("down");
        }
        call.del().succeeds().stdout_is("");
        assert!(!is_up(&container));
        call.del().succeeds().stdout_is("");
        assert_same(&before, &host.snapshot());
    }
}

ferrule_testkit::test! {
    /// Where Debian's plugin has the layout right, ours prints the same.
    fn results_are_those_of_the_go_plugin(host) needs [PeerPlugins] {
        let version = "1.0.0";
        let container = host.netns("c1");
        let call = ours(host, version);
        let result = call.add().succeeds().json();
        call.del().succeeds();
        let mut theirs = prepared(host.peer_plugin("loopback"), version).add().succeeds().json();
        // Releases before 1.2 show an empty `dns`.
        let dns = theirs.as_object_mut().unwrap().remove("dns");
        assert!(dns.is_none_or(|dns| dns == json!({})));
        assert_eq!(result, theirs);
        // What one switched on the other switches off.
        call.del().succeeds();
        assert!(!is_up(&container));
        call.add().succeeds();
        prepared(host.peer_plugin("loopback"), version).del().succeeds();
        assert!(!is_up(&container));
    }
}

ferrule_testkit::test! {
    /// The layout of each version, byte by byte for the old ones, which upstream gets wrong.
    fn layouts(host) {
        host.netns("c1");
        let text = |version| ours(host, version).add().succeeds().stdout;
        let old = "{\n    \"cniVersion\": \"0.2.0\",\n    \"ip4\": {\n        \"ip\": \"127.0.0.1/8\"\n    },\n    \
                   \"ip6\": {\n        \"ip\": \"::1/128\"\n    },\n    \"dns\": {}\n}";
        assert_eq!(text("0.2.0"), old);
        assert_eq!(text("0.1.0"), old.replace("0.2.0", "0.1.0"));
        for version in ["0.3.0", "0.3.1", "0.4.0"] {
            assert_eq!(ours(host, version).add().succeeds().json(), json!({
                "cniVersion": version,
                "interfaces": [{ "name": "lo", "mac": "00:00:00:00:00:00", "sandbox": "/run/netns/c1" }],
                "ips": [
                    { "version": "4", "interface": 0, "address": "127.0.0.1/8" },
                    { "version": "6", "interface": 0, "address": "::1/128" },
                ],
                "dns": {},
            }));
        }
    }
}

ferrule_testkit::test! {
    /// Chained behind another plugin it passes on what that one answered.
    fn a_previous_result_is_passed_on(host, version in ["0.3.1", "0.4.0", "1.0.0", "1.1.0"]) {
        let container = host.netns("c1");
        let mut earlier = json!({
            "cniVersion": version,
            "interfaces": [{ "name": "eth0", "sandbox": "/run/netns/c1" }],
            "ips": [{ "address": "10.1.2.3/24", "interface": 0 }],
        });
        if version.starts_with("0.") {
            earlier["ips"][0]["version"] = json!("4");
            earlier["dns"] = json!({});
        }
        let call = ours(host, version).config(with_prev_result(&config(version), &earlier));
        assert_eq!(call.add().succeeds().json(), earlier);
        assert!(is_up(&container));
    }
}

ferrule_testkit::test! {
    /// The name the runtime gives does not matter, nor that `lo` is up already.
    fn lo_is_lo(host) {
        let container = host.netns("c1");
        container.ip("link set lo up");
        let result = ours(host, "1.1.0").ifname("eth0").add().succeeds().json();
        assert_eq!(result["interfaces"][0]["name"], "lo");
        assert!(is_up(&container));
    }
}

ferrule_testkit::test! {
    /// An address that is none of a loopback interface is told, and `lo` goes off again.
    fn a_foreign_address_is_refused(host) {
        let container = host.netns("c1");
        container.ip("address add 10.9.9.9/32 dev lo");
        ours(host, "1.1.0").add().fails().mentions("10.9.9.9/32");
        assert!(!is_up(&container));
    }
}

ferrule_testkit::test! {
    /// DEL with the namespace gone or never there; ADD and CHECK need it.
    fn a_namespace_that_is_gone(host, path in ["/run/netns/none", "", "/etc/passwd"]) {
        let call = ours(host, "1.1.0").netns(path);
        call.del().succeeds().stdout_is("");
        if !path.is_empty() {
            let added = call.add().fails();
            let checked = call.check().fails();
            if path == "/run/netns/none" {
                added.mentions("no such file or directory");
                checked.mentions("no such file or directory");
            }
        }
    }
}

ferrule_testkit::test! {
    /// STATUS is good, and GC has nothing to do.
    fn status_and_gc(host) {
        let call = ours(host, "1.1.0");
        call.status().succeeds().stdout_is("");
        call.gc().succeeds().stdout_is("");
        let mut listed = config("1.1.0");
        listed["cni.dev/valid-attachments"] = json!([]);
        call.config(&listed).gc().succeeds().stdout_is("");
    }
}

ferrule_testkit::test! {
    /// Killed at any system call of ADD or DEL, the next DEL leaves `lo` off.
    fn killed_anywhere(host, verb in ["ADD", "DEL"]) {
        let container = host.netns("c1");
        let before = host.snapshot();
        let call = ours(host, "1.1.0");
        for count in 1.. {
            if verb == "DEL" {
                call.add().succeeds();
            }
            let Some(killed) = call.clone().verb(verb).killed_at_syscall(count) else { break };
            call.del().succeeds();
            assert!(!is_up(&container), "left by {killed}");
        }
        call.del().succeeds();
        assert_same(&before, &host.snapshot());
    }
}
