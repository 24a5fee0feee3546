//! What an executable answers to a person, and to programs that ask for its version.

use std::fs;
use std::path::Path;

/// The release of the Go plugins that the version line names.
const GO_RELEASE: &str = "1.9.1";

/// The plugins of this workspace, by their folders.
fn plugins() -> Vec<String> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let folders = ["plugins/main", "plugins/meta", "ipam"].map(|folder| root.join(folder));
    let mut names: Vec<String> = folders
        .iter()
        .flat_map(|folder| fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("Cargo.toml").is_file())
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    assert!(names.len() > 16, "{names:?}");
    names
}

/// The first line, which nerdctl and Nomad read, and the two others.
fn version_lines(plugin: &str) -> [String; 3] {
    let own = env!("CARGO_PKG_VERSION");
    let versions = [
        "0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0",
    ];
    // Those that the Go plugin of the name supports.
    let since = match plugin {
        "bandwidth" => 2,
        "vrf" => 3,
        "firewall" => 4,
        _ => 0,
    };
    [
        format!("CNI {plugin} plugin v{GO_RELEASE}+ferrule.{own}"),
        format!(
            "CNI protocol versions supported: {}",
            versions[since..].join(", ")
        ),
        format!("Ferrule {own}, in place of release {GO_RELEASE} of the Go plugins"),
    ]
}

ferrule_testkit::test! {
    /// Without `CNI_COMMAND` standard output stays empty, as with the Go plugins.
    fn the_version_is_told_to_whoever_asks(host) {
        for plugin in plugins() {
            let text = version_lines(&plugin).map(|line| line + "\n").concat();
            let outcome = host.plugin(&plugin).stdin("no JSON").run().succeeds().stdout_is("");
            assert_eq!(outcome.stderr, text);
            for word in ["--version", "-V"] {
                let outcome = host.plugin(&plugin).word(word).run().succeeds().stdout_is(&text);
                assert_eq!(outcome.stderr, "");
            }
        }
    }
}

ferrule_testkit::test! {
    /// It begins with the version, names the arguments and the page about the configuration.
    fn help_is_given(host) {
        for plugin in plugins() {
            let outcome = host.plugin(&plugin).word("--help").run().succeeds();
            assert_eq!(host.plugin(&plugin).word("-h").run().stdout, outcome.stdout);
            assert!(outcome.stdout.starts_with(&version_lines(&plugin)[0]), "{outcome}");
            for text in ["--help", "--version", "CNI_COMMAND", &format!("/docs/{plugin}.md\n")] {
                assert!(outcome.stdout.contains(text), "{outcome}");
            }
            assert!(outcome.stdout.lines().all(|line| line.len() <= 100), "{outcome}");
            assert_eq!(outcome.stderr, "");
        }
    }
}

ferrule_testkit::test! {
    fn an_unknown_argument_is_refused(host, plugin in ["bridge", "host-local", "loopback"]) {
        let unknown = |call: ferrule_testkit::Call, word: &str| {
            let outcome = call.run().stdout_is("");
            assert_eq!(outcome.status.code(), Some(2), "{outcome}");
            let text = format!("{plugin}: unknown argument {word:?}\nMore: {plugin} --help\n");
            assert_eq!(outcome.stderr, text);
        };
        let call = || host.plugin(plugin);
        for word in ["--frobnicate", "ADD", "", "-", "é\n"] {
            unknown(call().word(word), word);
            unknown(call().word("--version").word(word), word);
        }
        let outcome = call().word("x".repeat(100_000)).run().fails();
        assert!(outcome.stderr.len() < 10_000);
    }
}

ferrule_testkit::test! {
    /// The protocol goes first: a wrapper's arguments do not change what a runtime gets.
    fn arguments_do_not_disturb_a_runtime(host) {
        let call = host.plugin("bridge").verb("VERSION");
        let plain = call.run().succeeds();
        for word in ["--version", "--help", "--frobnicate"] {
            call.clone().word(word).run().succeeds().stdout_is(&plain.stdout);
        }
        let error = host.plugin("bridge").verb("add").word("--help").run().fails().error();
        assert_eq!(error.code, 6, "standard input is read: {error:?}");
    }
}

ferrule_testkit::test! {
    /// As nerdctl and Nomad read it: what follows the name is a semantic version, whose core is a
    /// release that has all they look for (1.7.1 of firewall), and no word before is one.
    fn the_first_line_holds_a_semantic_version(host) {
        let stderr = host.plugin("firewall").run().succeeds().stderr;
        let version = stderr.lines().next().unwrap().strip_prefix("CNI firewall plugin v").unwrap();
        let (core, metadata) = version.split_once('+').unwrap();
        let core: Vec<u32> = core.split('.').map(|part| part.parse().unwrap()).collect();
        assert!(core.len() == 3 && core >= vec![1, 7, 1], "{version}");
        assert!(metadata.chars().all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-'));
    }
}
