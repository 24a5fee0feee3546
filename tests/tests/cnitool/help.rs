//! Every example of the help texts works as it stands.

use std::fs;

use ferrule_testkit::{Host, Outcome, binaries_folder};
use serde_json::json;

/// The commands under `Example` of a help text, those of several lines joined.
fn examples(text: &str) -> Vec<String> {
    let from = text.lines().skip_while(|line| !line.starts_with("Example"));
    let lines = from.skip(1).take_while(|line| line.starts_with("  "));
    let text = lines.map(str::trim).collect::<Vec<_>>().join("\n");
    text.replace("\\\n", "")
        .lines()
        .map(str::to_owned)
        .collect()
}

/// Runs a line of an example in a shell, as a reader does.
fn shell(host: &Host, line: &str) -> Outcome {
    // Examples write files.
    let line = format!("cd {} && {line}", host.work_folder().display());
    let path = format!(
        "{}:/usr/sbin:/usr/bin:/sbin:/bin",
        binaries_folder().display()
    );
    let shell = host
        .executable("/bin/bash", ["-c", &line])
        .env("PATH", path);
    shell
        .cni_path(binaries_folder())
        .env("NETCONFPATH", host.network_folder())
        .run()
}

ferrule_testkit::test! {
    /// The examples of all chapters, each from the state that it assumes: a namespace `demo`, which is
    /// attached except for `add`.
    fn every_example_works(host) needs [Iptables, Tool("jq")] {
        let list = json!({ "cniVersion": "1.1.0", "name": "mynet", "plugins": [
            { "type": "bridge", "isGateway": true, "ipam": { "type": "host-local", "subnet": "10.1.0.0/24" } },
            { "type": "portmap", "capabilities": { "portMappings": true } },
        ]});
        fs::create_dir_all(host.network_folder()).unwrap();
        let file = host.write_network("10-mynet.conflist", &list);
        // Some examples name it in the current folder.
        fs::copy(file, host.work_folder().join("10-mynet.conflist")).unwrap();
        let overview = examples(&host.cnitool("help").run().succeeds().stdout);
        assert!(overview.len() > 3, "{overview:?}");
        for line in overview {
            shell(host, &line).succeeds();
        }
        let help = host.cnitool("help").run().stdout;
        let chapters = help.lines().skip_while(|line| *line != "Commands:").skip(1);
        let chapters = chapters.take_while(|line| line.starts_with("  "));
        let chapters = chapters.filter_map(|line| line.split_whitespace().next());
        let mut count = 0;
        for chapter in chapters.filter(|chapter| *chapter != "help") {
            let text = host.cnitool(["help", chapter]).run().succeeds().stdout;
            for line in examples(&text) {
                shell(host, "cnitool gc mynet --keep-nothing").succeeds();
                if chapter != "add" {
                    shell(host, "cnitool add mynet /run/netns/demo").succeeds();
                }
                shell(host, &line).succeeds();
                count += 1;
            }
        }
        assert!(count > 10, "{count}");
    }
}
