//! `cnitool`: black-box tests, with scripts and the Go plugins as plugins.

mod gc;
mod help;
mod mistakes;
mod node;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use ferrule_testkit::{Call, Host, assert_same, binaries_folder};
use serde_json::{Value, json};

/// The result that the script `good` prints for ADD.
const ANSWER: &str = r#"{
    "cniVersion": "1.1.0",
    "ips": [
        {
            "address": "10.7.0.2/24"
        }
    ]
}"#;

/// Writes a script that records its calls and then runs these shell commands.
fn script(host: &Host, name: &str, body: &str) {
    let folder = host.work_folder().join("bin");
    fs::create_dir_all(&folder).unwrap();
    let record = r#"printf '%s %s %s %s\n' "$CNI_COMMAND" "${0##*/}" "$CNI_IFNAME" "$(cat)""#;
    let record = format!("{record} >> {}", host.work_folder().join("log").display());
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{record}\n{body}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A network `mynet` of scripts; `good` succeeds, `bad` fails ADD, `sick` fails STATUS.
fn script_network(host: &Host, plugins: &[&str]) {
    let answer = ANSWER.replace('\n', " ");
    let versions = r#"{"cniVersion":"1.1.0","supportedVersions":["1.0.0","1.1.0"]}"#;
    let good =
        format!("case $CNI_COMMAND in ADD) echo '{answer}';; VERSION) echo '{versions}';; esac");
    script(host, "good", &good);
    let error = r#"echo '{"code": 11, "msg": "no room", "details": "make some"}'; exit 1"#;
    script(
        host,
        "bad",
        &format!("[ $CNI_COMMAND != ADD ] || {{ {error}; }}"),
    );
    script(
        host,
        "sick",
        "[ $CNI_COMMAND != STATUS ] || { echo 'broken' >&2; exit 1; }",
    );
    let plugins: Vec<Value> = plugins.iter().map(|kind| json!({ "type": kind })).collect();
    let list = json!({ "cniVersion": "1.1.0", "name": "mynet", "plugins": plugins });
    host.write_network("10-mynet.conflist", &list);
}

fn cnitool(host: &Host, line: &str) -> Call {
    host.cnitool(line).cni_path(host.work_folder().join("bin"))
}

/// Verb, plugin and interface of every call since the last check.
fn calls(host: &Host) -> Vec<String> {
    let shown = |line: &str| {
        line.splitn(4, ' ')
            .take(3)
            .collect::<Vec<_>>()
            .join(" ")
            .trim_end()
            .to_owned()
    };
    let log = requests(host);
    log.iter().map(|line| shown(line)).collect()
}

/// Every call since the last check, with its configuration.
fn requests(host: &Host) -> Vec<String> {
    let log = host.work_folder().join("log");
    let text = fs::read_to_string(&log).unwrap_or_default();
    let _ = fs::remove_file(log);
    text.lines().map(str::to_owned).collect()
}

fn remembered() -> Vec<String> {
    let Ok(files) = fs::read_dir("/var/lib/cni/results") else {
        return Vec::new();
    };
    let name =
        |file: std::io::Result<fs::DirEntry>| file.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = files.map(name).collect();
    names.sort();
    names
}

ferrule_testkit::test! {
    /// With the Go plugins: add attaches, check succeeds and del detaches.
    fn add_check_and_del(host) needs [PeerPlugins] {
        let list = json!({ "cniVersion": "1.0.0", "name": "net", "plugins": [{
            "type": "bridge", "bridge": "cni0", "isGateway": true,
            "ipam": { "type": "host-local", "subnet": "10.7.0.0/24" },
        }]});
        host.write_network("10-net.conflist", &list);
        let container = host.netns("c1");
        let tool = |line: &str| host.cnitool(line).cni_path("/usr/lib/cni");
        let before = host.snapshot().ignoring(&["cni0", "/var/lib/cni"]);
        let result = tool("add net /run/netns/c1").run().succeeds().json();
        assert_eq!(result["ips"][0]["address"], "10.7.0.2/24");
        assert!(container.has_link("eth0") && host.ping("10.7.0.2"));
        tool("check net /run/netns/c1").run().succeeds().stdout_is("");
        tool("add net /run/netns/c1 -i net1").run().succeeds();
        assert_eq!(remembered().len(), 2);
        container.ip("link del eth0");
        let gone = tool("check net /run/netns/c1").run().fails();
        assert!(gone.stderr.starts_with("cnitool check: plugin bridge failed: "), "{gone}");
        for _ in 0..2 {
            tool("del net /run/netns/c1").run().succeeds().stdout_is("");
        }
        let removed = tool("gc net --keep-nothing").run().succeeds();
        assert!(removed.stdout.contains("\ncnitool-") && removed.stdout.contains("10.7.0.3/24"), "{removed}");
        assert!(!container.has_link("net1"));
        assert_eq!(remembered(), Vec::<String>::new());
        assert_same(&before, &host.snapshot().ignoring(&["cni0", "/var/lib/cni"]));
    }
}

ferrule_testkit::test! {
    /// Without a terminal the result is printed byte for byte as plugins print it.
    fn output_in_a_pipe_is_the_result_as_json(host) {
        script_network(host, &["good"]);
        let outcome = cnitool(host, "add mynet /var/run/netns/testing").run();
        outcome.succeeds().stdout_is(ANSWER);
        // The id that upstream's tool derives from this path.
        assert_eq!(remembered(), ["mynet-cnitool-77383ca0a0715733ca6f-eth0"]);
        let path = "/var/lib/cni/results/mynet-cnitool-77383ca0a0715733ca6f-eth0";
        let text = fs::read_to_string(path).unwrap();
        let entry: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(entry["netns"], "/var/run/netns/testing");
    }
}

ferrule_testkit::test! {
    /// On a terminal the result is printed as tables, unless JSON is requested.
    fn output_on_a_terminal_is_tables(host) needs [Tool("script")] {
        script_network(host, &["good"]);
        let on_terminal = |options: &str| {
            let tool = binaries_folder().join("cnitool");
            let line = format!("{} add mynet /run/netns/c1{options}", tool.display());
            let call = host.executable("/usr/bin/script", ["-qec", &line, "/dev/null"]);
            let call = call.cni_path(host.work_folder().join("bin"));
            call.env("NETCONFPATH", host.network_folder()).run().succeeds().stdout.replace('\r', "")
        };
        assert_eq!(on_terminal(""), "ADDRESS\n10.7.0.2/24\n");
        assert_eq!(on_terminal(" --json"), format!("{ANSWER}\n"));
    }
}

ferrule_testkit::test! {
    /// The interface name comes from the option, else from the environment, else it is eth0.
    fn sources_of_the_interface_name(host) {
        script_network(host, &["good"]);
        cnitool(host, "add mynet c1").run().succeeds();
        cnitool(host, "add mynet c1").env("CNI_IFNAME", "").run().succeeds();
        cnitool(host, "add mynet c1").env("CNI_IFNAME", "net1").run().succeeds();
        cnitool(host, "--ifname=net2 del mynet c1").env("CNI_IFNAME", "net1").run().succeeds();
        let expected = ["ADD good eth0", "ADD good eth0", "ADD good net1", "DEL good net2"];
        assert_eq!(calls(host), expected);
    }
}

ferrule_testkit::test! {
    /// CNI_ARGS and CAP_ARGS reach the plugins that support them.
    fn arguments_reach_the_plugins(host) {
        script_network(host, &[]);
        let plugin = json!({ "type": "good", "capabilities": { "mac": true } });
        let plugins = json!([plugin, { "type": "args" }]);
        let list = json!({ "cniVersion": "1.1.0", "name": "mynet", "plugins": plugins });
        host.write_network("10-mynet.conflist", &list);
        script(host, "args", r#"echo "{\"dns\": {\"domain\": \"$CNI_ARGS\"}}""#);
        let call = cnitool(host, "add mynet c1").args("A=1;B=2");
        let call = call.env("CAP_ARGS", r#"{"mac": "x", "ips": []}"#);
        assert_eq!(call.run().succeeds().json()["dns"]["domain"], "A=1;B=2");
        let requests = requests(host);
        assert!(requests[0].contains(r#""runtimeConfig":{"mac":"x"}"#), "{requests:?}");
        assert!(!requests[1].contains("runtimeConfig"));
        for (name, value) in [("CNI_ARGS", "A"), ("CAP_ARGS", "[]")] {
            let failed = cnitool(host, "add mynet c1").env(name, value).run().fails();
            assert!(failed.stderr.contains(name), "{failed}");
        }
        assert_eq!(calls(host), Vec::<String>::new());
    }
}

ferrule_testkit::test! {
    /// A failed add is undone, and the error says so.
    fn a_failed_add_is_undone(host) {
        script_network(host, &["good", "bad", "good"]);
        let failed = cnitool(host, "add mynet /run/netns/c1").run().fails().stdout_is("");
        assert_eq!(failed.status.code(), Some(1));
        assert_eq!(
            failed.stderr,
            "cnitool add: plugin bad failed: no room; make some (code 11: try again later)\n\
             cnitool add: what the plugins had done was taken back\n\
             cnitool add: there is no /run/netns/c1\n"
        );
        assert_eq!(calls(host), ["ADD good eth0", "ADD bad eth0", "DEL bad eth0", "DEL good eth0"]);
        assert_eq!(remembered(), Vec::<String>::new());

        let left = cnitool(host, "add mynet /run/netns/c1 --no-undo").run().fails();
        let hint = "cnitool del mynet /run/netns/c1 -i eth0 takes it away";
        assert!(left.stderr.contains(hint), "{left}");
        assert_eq!(calls(host), ["ADD good eth0", "ADD bad eth0"]);
    }
}

ferrule_testkit::test! {
    /// A second add does not remove the attachment of the first.
    fn a_second_add_leaves_the_attachment(host) {
        script_network(host, &["good"]);
        cnitool(host, "add mynet c1").run().succeeds();
        script_network(host, &["good", "bad"]);
        calls(host);
        let failed = cnitool(host, "add mynet c1").run().fails();
        assert!(failed.stderr.contains("had been attached before and was left alone"), "{failed}");
        assert_eq!(calls(host), ["ADD good eth0", "ADD bad eth0"]);
        assert_eq!(remembered().len(), 1);
    }
}

ferrule_testkit::test! {
    /// STATUS names the plugin that is not available.
    fn status_names_the_unavailable_plugin(host) {
        script_network(host, &["good"]);
        cnitool(host, "status mynet").run().succeeds().stdout_is("");
        script_network(host, &["good", "sick"]);
        let failed = cnitool(host, "status mynet /run/netns/c1").run().fails();
        assert!(failed.stderr.starts_with("cnitool status: plugin sick failed: "), "{failed}");
        assert!(failed.stderr.contains("broken"), "{failed}");
    }
}

ferrule_testkit::test! {
    /// The versions of every plugin are listed, and an unsupported one is an error.
    fn versions_are_listed(host) {
        script_network(host, &["good"]);
        let text = "network mynet, version 1.1.0\n\nPLUGIN  VERSIONS\ngood    1.0.0 1.1.0\n";
        cnitool(host, "version mynet").run().succeeds().stdout_is(text);
        let json = cnitool(host, "version mynet --json").run().succeeds().json();
        assert_eq!(json["plugins"][0]["supportedVersions"], json!(["1.0.0", "1.1.0"]));
        let plugins = json!([{ "type": "good", "ipam": { "type": "absent" } }]);
        let old = json!({ "cniVersion": "0.4.0", "name": "old", "plugins": plugins });
        host.write_network("20-old.conflist", &old);
        let failed = cnitool(host, "version old").run().fails();
        assert!(failed.stdout.contains("good    1.0.0 1.1.0"), "{failed}");
        assert!(failed.stderr.contains("plugin good does not speak version 0.4.0"), "{failed}");
        assert!(failed.stderr.contains("failed to find plugin \"absent\" in path"), "{failed}");
    }
}
