//! An address plugin of the same build runs in-process; any other executable of its name is
//! started.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use ferrule_testkit::{Host, Outcome, assert_same, binaries_folder};
use ferrule_tests::Network;
use serde_json::{Value, json};

use crate::lifecycle::{leases, without_bridge};

/// Runs a verb; also returns the processes that were started, the plugin itself first.
fn traced(
    host: &Host,
    plugin: &str,
    path: &Path,
    verb: &str,
    config: &Value,
) -> (Outcome, Vec<String>) {
    let trace = host.work_folder().join("trace");
    let executable = binaries_folder().join(plugin);
    let words = [
        "-f",
        "-e",
        "trace=execve",
        "-o",
        trace.to_str().unwrap(),
        executable.to_str().unwrap(),
    ];
    let call = host.executable("/usr/bin/strace", words).cni_path(path);
    let call = call.container("c1").netns("/run/netns/c1").ifname("eth0");
    let outcome = call.config(config).verb(verb).run();
    let trace = fs::read_to_string(trace).unwrap();
    let calls = trace.lines().filter(|line| line.contains("execve("));
    (outcome, calls.map(str::to_owned).collect())
}

/// The network in a version that has every verb, with every attachment of the tests listed.
fn configs(plugin: &str) -> impl Fn(Option<&Value>) -> Value {
    let network = Network::of(plugin).with(json!({
        "cniVersion": "1.1.0",
        "cni.dev/valid-attachments": [{ "containerID": "c1", "ifname": "eth0" }],
    }));
    move |previous| {
        let mut config = network.config.clone();
        if let Some(previous) = previous {
            config["prevResult"] = previous.clone();
        }
        config
    }
}

/// A folder whose `host-local` is this executable.
pub(crate) fn folder_with(host: &Host, name: &str, content: &[u8]) -> PathBuf {
    let folder = host.work_folder().join(name);
    fs::create_dir(&folder).unwrap();
    let path = folder.join("host-local");
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

ferrule_testkit::test! {
    /// An executable of another build, or a script of the administrator, is started if `CNI_PATH`
    /// leads to it. Results and files are the same, and either removes what the other has
    /// reserved.
    fn the_executable_in_cni_path_is_used(host, plugin in ["bridge", "ptp"])
        needs [NamedBuild, Tool("strace")]
    {
        let container = host.netns("c1");
        let ours = fs::read(binaries_folder().join("host-local")).unwrap();
        let script = format!("#!/bin/sh\nexec {} \"$@\"\n", binaries_folder().join("host-local").display());
        let folders = [
            (binaries_folder(), 1),
            (folder_with(host, "other", &[&ours[..], b"."].concat()), 2),
            (folder_with(host, "script", script.as_bytes()), 3),
        ];
        let config = configs(plugin);
        let mut answers: Vec<Value> = vec![];
        for (number, (folder, processes)) in folders.iter().enumerate() {
            let run = |verb: &str, previous: Option<&Value>| {
                let (outcome, started) = traced(host, plugin, folder, verb, &config(previous));
                assert_eq!(started.len(), *processes, "{verb}: {started:#?}");
                outcome.succeeds()
            };
            let result = run("ADD", None).json();
            assert_eq!(leases().len(), 2);
            for verb in ["CHECK", "GC", "STATUS"] {
                run(verb, Some(&result));
            }
            for ip in result["ips"].as_array().unwrap() {
                let (address, _) = ip["address"].as_str().unwrap().split_once('/').unwrap();
                assert!(host.ping(address), "{address}");
            }
            answers.push(json!([result["ips"][0]["gateway"], result["routes"], result["dns"]]));
            // The DEL of the next case.
            let (other, processes) = &folders[(number + 1) % folders.len()];
            let (outcome, started) = traced(host, plugin, other, "DEL", &config(Some(&result)));
            outcome.succeeds();
            assert_eq!(started.len(), *processes, "DEL: {started:#?}");
            assert_eq!(leases(), [""; 0]);
            assert!(!container.has_link("eth0"));
        }
        assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:#?}");
    }
}

ferrule_testkit::test! {
    /// A reservation made in-process is released when a later step of ADD fails, and a refused one
    /// leaves nothing.
    fn a_failed_add_releases_what_was_reserved_in_process(host, plugin in ["bridge", "ptp"])
        needs [NamedBuild, Tool("strace")]
    {
        host.netns("c1");
        let before = without_bridge(host);
        let config = configs(plugin);
        let with = |keys: Value| {
            let mut config = config(None);
            config.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
            config
        };
        // A route whose gateway no address of the container covers.
        let ipam = |keys: Value| {
            let mut ipam = json!({ "type": "host-local", "subnet": "10.1.2.0/24" });
            ipam.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
            with(json!({ "ipam": ipam }))
        };
        let unreachable = json!({ "routes": [{ "dst": "10.9.0.0/16", "gw": "192.0.2.1" }] });
        let full = json!({ "subnet": "10.1.2.0/24", "rangeStart": "10.1.2.9", "rangeEnd": "10.1.2.8" });
        for (keys, text) in [(unreachable, "unreachable"), (full, "10.1.2.8")] {
            let (outcome, started) = traced(host, plugin, &binaries_folder(), "ADD", &ipam(keys));
            outcome.fails().mentions(text);
            assert_eq!(started.len(), 1, "{started:#?}");
            assert_eq!(leases(), [""; 0]);
            assert_same(&before, &without_bridge(host));
        }
    }
}
