//! What cnitool says of mistakes and of circumstances that it cannot work in.

use std::fs;

use ferrule_testkit::{Host, Outcome, binaries_folder};
use serde_json::{Value, json};

use super::{calls, cnitool, script, script_network};

/// A bridge with an address plugin.
fn bridge(ipam: &str, more: &[&str]) -> Value {
    let mut plugins = vec![json!({
        "type": "bridge", "isGateway": true, "ipam": { "type": ipam, "subnet": "10.7.0.0/24" },
    })];
    plugins.extend(more.iter().map(|kind| json!({ "type": kind })));
    json!({ "cniVersion": "1.1.0", "name": "net", "plugins": plugins })
}

/// cnitool, called by somebody who is not root.
fn unprivileged(host: &Host, line: &str) -> Outcome {
    let tool = binaries_folder().join("cnitool");
    let words = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let words = words
        .into_iter()
        .chain([tool.to_str().unwrap()])
        .chain(line.split(' '));
    let call = host.executable("/usr/bin/setpriv", words.collect::<Vec<_>>());
    call.cni_path(binaries_folder())
        .env("NETCONFPATH", host.network_folder())
        .run()
        .fails()
}

ferrule_testkit::test! {
    /// A wrong name or command line is told apart from a failure, and says what would be right.
    fn mistakes_are_explained(host) {
        script_network(host, &["good"]);
        fs::write(host.network_folder().join("05-broken.conflist"), "{").unwrap();
        let failed = cnitool(host, "status nope").run().fails();
        assert_eq!(failed.status.code(), Some(1));
        assert!(failed.stderr.contains("no net configuration with name \"nope\""), "{failed}");
        assert!(failed.stderr.contains("the networks there are: mynet"), "{failed}");
        let passed = cnitool(host, "status mynet").run().succeeds();
        assert!(passed.stderr.contains("skipped /run/ferrule/net.d/05-broken"), "{passed}");
        let wrong = ["bogus", "add mynet", "add", "add mynet c1 eth1", "add mynet c1 --bogus"];
        for line in wrong.into_iter().chain(["del mynet c1 --keep x"]) {
            let refused = cnitool(host, line).run().fails().stdout_is("");
            assert_eq!(refused.status.code(), Some(2), "{refused}");
            assert!(refused.stderr.contains("\nMore: cnitool "), "{refused}");
        }
        for line in ["", "help", "--help", "help gc", "add -h", "--version"] {
            let helped = cnitool(host, line).run().succeeds();
            assert!(helped.stdout.contains("cnitool") && helped.stderr.is_empty(), "{helped}");
        }
        host.netns("some-netns");
        script(host, "good", "echo '{\"code\": 100, \"msg\": \"no namespace\"}'; exit 1");
        let hinted = cnitool(host, "add mynet some-netns").run().fails();
        assert!(hinted.stderr.contains("did you mean /run/netns/some-netns?"), "{hinted}");
    }
}

ferrule_testkit::test! {
    /// A misspelt plugin is noticed before any other has run, and the one that was meant is named.
    fn a_misspelt_plugin_gets_a_suggestion(host) {
        script_network(host, &["good", "baad"]);
        let failed = cnitool(host, "add mynet c1").run().fails();
        assert!(failed.stderr.starts_with("cnitool add: plugin baad failed: failed to find plugin"), "{failed}");
        assert!(failed.stderr.ends_with("cnitool add: there is no plugin baad; did you mean bad?\n"), "{failed}");
        assert!(calls(host).is_empty());
        for line in ["check mynet c1", "del mynet c1", "status mynet", "version mynet", "gc mynet --keep-nothing"] {
            let failed = cnitool(host, line).run().fails();
            assert!(failed.stderr.contains("did you mean bad?"), "{failed}");
        }
        script_network(host, &["calico"]);
        let failed = cnitool(host, "add mynet c1").run().fails();
        assert!(!failed.stderr.contains("did you mean"), "{failed}");
        // The address plugin is found by the plugin that needs it.
        host.write_network("20-net.conflist", &bridge("hostlocal", &[]));
        host.netns("c1");
        let failed = host.cnitool("add net /run/netns/c1").run().fails();
        assert!(failed.stderr.contains("did you mean host-local?"), "{failed}");
        assert_eq!(failed.stderr.lines().count(), 2, "{failed}");
    }
}

ferrule_testkit::test! {
    /// cnitool works in a folder that has been removed; only a relative path needs the folder.
    fn a_removed_folder_is_no_obstacle(host) {
        host.write_network("10-net.conflist", &bridge("host-local", &[]));
        host.netns("c1");
        let run = |words: &str| {
            let gone = host.work_folder().join("gone");
            let line = format!("mkdir {0}; cd {0}; rmdir {0}; exec cnitool {words}", gone.display());
            let path = format!("{}:/usr/bin:/bin", binaries_folder().display());
            let call = host.executable("/bin/bash", ["-c", &line]).env("PATH", path);
            call.cni_path(binaries_folder()).env("NETCONFPATH", host.network_folder()).run()
        };
        for words in ["add net /run/netns/c1", "check net /run/netns/c1", "del net /run/netns/c1", "status net"] {
            run(words).succeeds();
        }
        let refused = run("add net c1").fails().stdout_is("");
        assert!(refused.stderr.contains("the working folder is gone"), "{refused}");
        assert!(refused.stderr.contains("did you mean /run/netns/c1?"), "{refused}");
        assert!(run("add net nowhere").fails().stderr.contains("give the absolute path"));
    }
}

ferrule_testkit::test! {
    /// Who is not root reads what was refused and what to do, and of no failed undo steps.
    fn who_is_not_root_reads_what_to_do(host) needs [Tool("setpriv")] {
        host.write_network("10-net.conflist", &bridge("host-local", &["portmap"]));
        host.netns("c1");
        for attached in [false, true] {
            if attached {
                host.cnitool("add net /run/netns/c1").run().succeeds();
            }
            for verb in ["add", "check", "del"].into_iter().filter(|verb| attached || *verb != "check") {
                let refused = unprivileged(host, &format!("{verb} net /run/netns/c1"));
                assert_eq!(refused.stderr.matches("run as root").count(), 1, "{refused}");
                assert!(refused.stderr.len() < 300, "{refused}");
            }
        }
        let refused = unprivileged(host, "gc net --keep-nothing");
        assert!(refused.stderr.contains("permission denied") && refused.stderr.contains("run as root"), "{refused}");
        host.cnitool("check net /run/netns/c1").run().succeeds();
    }
}

ferrule_testkit::test! {
    /// Nothing is said to have been taken back where no plugin had done anything.
    fn nothing_done_is_not_taken_back(host) {
        script_network(host, &["bad", "good"]);
        let failed = cnitool(host, "add mynet /run/netns/c1").run().fails();
        assert_eq!(
            failed.stderr,
            "cnitool add: plugin bad failed: no room; make some (code 11: try again later)\n\
             cnitool add: there is no /run/netns/c1\n"
        );
        // The plugin gets its DEL all the same.
        assert_eq!(calls(host), ["ADD bad eth0", "DEL bad eth0"]);
        script(host, "bad", "echo \"$CNI_COMMAND fails\" >&2; exit 1");
        let failed = cnitool(host, "add mynet /run/netns/c1").run().fails();
        assert!(failed.stderr.contains("could not be taken back: plugin bad failed: "), "{failed}");
        assert!(failed.stderr.contains("DEL fails"), "{failed}");
    }
}

ferrule_testkit::test! {
    /// How a plugin ended is said in plain words.
    fn the_end_of_a_plugin_is_said_in_plain_words(host) {
        script_network(host, &["good"]);
        for (body, text) in [
            ("exit 3", "plugin good failed: exited with status 3 without an error message\n"),
            ("kill -9 $$", "plugin good failed: killed by SIGKILL without an error message\n"),
            ("echo oops >&2; exit 1", "plugin good failed: exited with status 1 and only logged \"oops\\n\"\n"),
            ("echo oops; exit 1", "exited with status 1 and printed \"oops\\n\", which is no error object"),
        ] {
            script(host, "good", body);
            let failed = cnitool(host, "status mynet").run().fails();
            assert!(failed.stderr.contains(text), "{failed}");
        }
    }
}
