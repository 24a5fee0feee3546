//! The plugin `loopback`: black-box tests.

use ferrule_testkit::{Call, Host, assert_same};
use ferrule_tests::with_prev_result;
use serde_json::{Value, json};

fn config(version: &str) -> Value {
    json!({ "cniVersion": version, "name": "net", "type": "loopback" })
}

/// A call like that of upstream's tests, with invalid `CNI_ARGS`.
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
    /// ADD sets `lo` up and DEL sets it down; in between packets pass and CHECK succeeds.
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
    /// Where Debian's plugin prints the right form, ours prints the same.
    fn results_are_those_of_the_go_plugin(host) needs [PeerPlugins] {
        let version = "1.0.0";
        let container = host.netns("c1");
        let call = ours(host, version);
        let result = call.add().succeeds().json();
        call.del().succeeds();
        let mut theirs = prepared(host.peer_plugin("loopback"), version).add().succeeds().json();
        // Releases before 1.2 print an empty `dns`.
        let dns = theirs.as_object_mut().unwrap().remove("dns");
        assert!(dns.is_none_or(|dns| dns == json!({})));
        assert_eq!(result, theirs);
        // Each implementation sets down what the other has set up.
        call.del().succeeds();
        assert!(!is_up(&container));
        call.add().succeeds();
        prepared(host.peer_plugin("loopback"), version).del().succeeds();
        assert!(!is_up(&container));
    }
}

ferrule_testkit::test! {
    /// The form of each version, byte by byte for the old ones, which upstream prints wrongly.
    fn results_have_the_form_of_their_version(host) {
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
    /// Chained after another plugin, it returns the previous result.
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
    /// The interface name of the runtime is ignored, and `lo` may be up already.
    fn the_interface_name_is_ignored(host) {
        let container = host.netns("c1");
        container.ip("link set lo up");
        let result = ours(host, "1.1.0").ifname("eth0").add().succeeds().json();
        assert_eq!(result["interfaces"][0]["name"], "lo");
        assert!(is_up(&container));
    }
}

ferrule_testkit::test! {
    /// An address on `lo` that is not a loopback address is an error, and `lo` is set down again.
    fn an_address_outside_the_loopback_network_is_refused(host) {
        let container = host.netns("c1");
        container.ip("address add 10.9.9.9/32 dev lo");
        ours(host, "1.1.0").add().fails().mentions("10.9.9.9/32");
        assert!(!is_up(&container));
    }
}

ferrule_testkit::test! {
    /// DEL succeeds with a missing namespace; ADD and CHECK need it.
    fn del_succeeds_without_a_namespace(host, path in ["/run/netns/none", "", "/etc/passwd"]) {
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
    /// STATUS succeeds, and GC has nothing to do.
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
    /// After a kill at any system call of ADD or DEL, the next DEL leaves `lo` down.
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
