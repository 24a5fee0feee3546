//! `cnitool validate`, and what the other commands say of misspelt keys.

use std::fs;
use std::path::PathBuf;

use ferrule_testkit::{Call, Host, Outcome, assert_same};
use serde_json::{Value, json};

/// A folder of its own for each test, as the host's root is.
const FOLDER: &str = "/run/net.d";

fn write(name: &str, content: &impl ToString) -> String {
    fs::create_dir_all(FOLDER).unwrap();
    let path = format!("{FOLDER}/{name}");
    fs::write(&path, content.to_string()).unwrap();
    path
}

fn validate(host: &Host, words: &str) -> Call {
    host.cnitool(format!("validate {words}"))
        .env("NETCONFPATH", FOLDER)
}

fn network(name: &str, plugins: &Value) -> Value {
    json!({ "cniVersion": "1.0.0", "name": name, "plugins": plugins })
}

fn host_local(subnet: &str) -> Value {
    json!({ "type": "host-local", "ranges": [[{ "subnet": subnet }]] })
}

/// Neither errors nor warnings.
#[track_caller]
fn assert_fine(outcome: Outcome) {
    let outcome = outcome.succeeds();
    assert!(
        outcome.stdout.ends_with(": 0 errors, 0 warnings\n"),
        "{outcome}"
    );
    assert_eq!(
        (outcome.stdout.lines().count(), outcome.stderr.as_str()),
        (1, "")
    );
}

ferrule_testkit::test! {
    fn the_networks_that_are_shipped_are_valid(host) {
        let shipped = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../conf"));
        assert_fine(validate(host, &format!("--strict {}", shipped.display())).run());
    }
}

ferrule_testkit::test! {
    fn findings_are_lines_with_their_places(host) {
        let text = "{\n  \"cniVersion\": \"1.0.0\",\n  \"name\": \"net\",\n  \"plugins\": [\n\
                    \x20   { \"type\": \"bridge\", \"isGatway\": true, \"mtu\": \"1500\" },\n\
                    \x20   { \"type\": \"portmap\" }\n  ]\n}\n";
        let file = write("10-net.conflist", &text);
        let before = host.snapshot();
        let lines = [
            format!("{file}:5:25: error: plugins[0].isGatway: unknown key \"isGatway\"; did you mean isGateway?"),
            format!("{file}:5:50: error: plugins[0].mtu: expected integer, found the string \"1500\"; did you mean 1500?"),
            format!("{file}:6:5: warning: plugins[1]: the capability portMappings is not switched on: no port is ever mapped"),
            "1 file: 2 errors, 1 warning".to_owned(),
        ];
        for words in [file.as_str(), FOLDER, ""] {
            let outcome = validate(host, words).run().stdout_is(&(lines.join("\n") + "\n"));
            assert_eq!((outcome.status.code(), outcome.stderr.as_str()), (Some(1), ""));
        }
        assert_same(&before, &host.snapshot());
    }
}

ferrule_testkit::test! {
    /// Warnings fail only if that is asked for.
    fn strict(host) {
        let file = write("10-net.conflist", &network("net", &json!([{ "type": "bridge", "colour": 1 }])));
        let outcome = validate(host, &file).run().succeeds();
        assert!(outcome.stdout.ends_with("1 file: 0 errors, 1 warning\n"), "{outcome}");
        validate(host, &format!("{file} --strict")).run().fails().stdout_is(&outcome.stdout);
    }
}

ferrule_testkit::test! {
    fn json_is_for_programs(host) {
        let file = write("10-net.conf", &json!({ "cniVersion": "1.0.0", "name": "net", "type": "tap", "mack": "x" }));
        let found = validate(host, &format!("--json {file}")).run().fails().json();
        assert_eq!(found, json!({ "errors": 1, "warnings": 0, "files": [{ "file": file, "network": "net", "findings": [{
            "severity": "error", "line": 1, "column": found["files"][0]["findings"][0]["column"], "path": "mack",
            "message": "unknown key \"mack\"", "suggestion": "mac" }] }] }));
    }
}

ferrule_testkit::test! {
    /// The folder's plugins are asked for, no process is started.
    fn plugins_that_are_missing(host) {
        let plugins = json!([{ "type": "brigde", "ipam": { "type": "calico-ipam" } }, { "type": "tuning" }]);
        let file = write("10-net.conflist", &network("net", &plugins));
        let run = |path: &str| {
            let outcome = validate(host, &file).env("CNI_PATH", path).run().fails();
            outcome.stdout.replace(&format!("{file}:1:"), "")
        };
        fs::create_dir_all("/run/plugins").unwrap();
        let found = run("/run/plugins");
        for text in [
            "error: plugins[0].type: not in CNI_PATH: plugin \"brigde\"; did you mean bridge?\n",
            "warning: plugins[0].ipam.type: not in CNI_PATH: plugin \"calico-ipam\"\n",
            "warning: plugins[1].type: not in CNI_PATH: plugin \"tuning\"\n",
            "1 file: 1 error, 2 warnings\n",
        ] {
            assert!(found.contains(text), "{found}");
        }
        // Where plugins are looked for nowhere, those of others may be there or not.
        if !PathBuf::from("/opt/cni/bin").exists() {
            let found = run("");
            assert!(found.ends_with("did you mean bridge?\n1 file: 1 error, 0 warnings\n"), "{found}");
        }
    }
}

ferrule_testkit::test! {
    fn files_are_compared_with_each_other(host) {
        let bridge = |subnet: &str| json!([{ "type": "bridge", "ipam": host_local(subnet) }]);
        let first = write("10-a.conflist", &network("a", &bridge("10.1.0.0/16")));
        let second = write("20-b.conflist", &network("b", &bridge("10.1.2.0/24")));
        let third = write("30-a.conflist", &network("a", &bridge("10.2.0.0/16")));
        let outcome = validate(host, "").run().fails();
        for text in [
            format!("{second}:1:"),
            format!("10.1.2.0/24 overlaps with 10.1.0.0/16 of the network \"a\" in {first}"),
            format!("{third}:1:1: error: name: {first} has a network \"a\", too"),
            "3 files: 1 error, 1 warning\n".to_owned(),
        ] {
            assert!(outcome.stdout.contains(&text), "{outcome}");
        }
        for alone in [first, second, third] {
            assert_fine(validate(host, &alone).run());
        }
    }
}

ferrule_testkit::test! {
    fn what_cannot_be_read_is_said(host) {
        let outcome = validate(host, "/nowhere.conf").run().fails().stdout_is("");
        assert_eq!(outcome.stderr, "cnitool validate: reading /nowhere.conf: no such file or directory\n");
        fs::create_dir_all(FOLDER).unwrap();
        let outcome = validate(host, "").run().fails();
        assert_eq!(outcome.stderr, format!("cnitool validate: there is no network configuration in {FOLDER}\n"));
        let file = write("10-net.conflist", &"{\n  \"name\": \"net\",\n}\n");
        let outcome = validate(host, "").run().fails();
        assert!(outcome.stdout.starts_with(&format!("{file}:3:1: error: no valid JSON: ")), "{outcome}");
        let outcome = validate(host, "--frobnicate").run().stdout_is("");
        assert_eq!(outcome.status.code(), Some(2));
    }
}

ferrule_testkit::test! {
    /// A misspelt key is ignored by the plugin; the command works, and says so.
    fn other_commands_warn_of_misspelt_keys(host) {
        host.netns("c1");
        let plugin = json!({ "type": "loopback", "capabilitie": {}, "note": "mine" });
        write("10-lo.conflist", &network("net", &json!([plugin])));
        for verb in ["add", "check", "del"] {
            let call = host.cnitool(format!("{verb} net /run/netns/c1")).env("NETCONFPATH", FOLDER);
            let outcome = call.run().succeeds();
            assert_eq!(
                outcome.stderr,
                format!("cnitool {verb}: warning: plugins[0].capabilitie: unknown key \"capabilitie\"; \
                         did you mean capabilities?\n")
            );
        }
    }
}
