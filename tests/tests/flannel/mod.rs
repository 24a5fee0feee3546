//! The plugin `flannel`: black-box tests.

mod damage;
mod failed_add;
mod garbage;
mod go_files;
mod killed;
mod lifecycle;
mod merging;
mod overlay;
mod refusals;
mod subnet_env;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use ferrule_testkit::{Call, Host, Snapshot};
use ferrule_tests::Attachment;
use serde_json::{Value, json};

const DATA_DIR: &str = "/var/lib/cni/flannel";

/// The subnet file of a node with both families, with masquerading by flanneld.
const DUAL: &str = "FLANNEL_NETWORK=10.1.0.0/16\nFLANNEL_SUBNET=10.1.17.1/24\n\
                    FLANNEL_IPV6_NETWORK=fd01::/48\nFLANNEL_IPV6_SUBNET=fd01:0:0:17::1/64\n\
                    FLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n";

fn write_subnet_env(text: &str) {
    fs::create_dir_all("/run/flannel").unwrap();
    fs::write("/run/flannel/subnet.env", text).unwrap();
}

/// The smallest configuration.
fn config() -> Value {
    json!({ "cniVersion": "1.1.0", "name": "net", "type": "flannel" })
}

fn call(host: &Host, container: &str) -> Call {
    host.plugin("flannel")
        .container(container)
        .netns(format!("/run/netns/{container}"))
        .ifname("eth0")
        .config(config())
}

/// Makes a container and attaches it.
#[track_caller]
fn attach(host: &Host, container: &str) -> Attachment {
    let namespace = host.netns(container);
    let call = call(host, container);
    let result = call.add().succeeds().json();
    Attachment {
        container: namespace,
        call,
        config: config(),
        result,
    }
}

/// The names of records, or of reserved addresses, in a folder.
fn names(folder: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names
        .filter(|name| name != "lock" && !name.starts_with("last_reserved_ip"))
        .collect();
    names.sort();
    names
}

fn records() -> Vec<String> {
    names(DATA_DIR)
}

/// The addresses that `host-local` has reserved for the network.
fn leases() -> Vec<String> {
    names("/var/lib/cni/networks/net")
}

/// The host without the bridge and state folders, which stay, and without flanneld's files.
fn snapshot(host: &Host) -> Snapshot {
    host.snapshot()
        .ignoring(&["cni0", "/var/lib/cni", "/run/flannel"])
}

/// A folder for `CNI_PATH` with a plugin `name` of these shell commands. It appends each verb to
/// the file `verbs` and keeps its standard input in `stdin.<verb>`.
fn scripted(host: &Host, name: &str, lines: &str) -> String {
    let folder = host.work_folder();
    let shown = folder.display().to_string();
    let text = format!(
        "#!/bin/sh\necho $CNI_COMMAND $CNI_IFNAME $CNI_ARGS >>{shown}/verbs\n\
         cat >{shown}/stdin.$CNI_COMMAND\n{lines}\n"
    );
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    shown
}

/// The verbs of scripted plugins since the last call of this function.
fn verbs(host: &Host) -> String {
    let path = host.work_folder().join("verbs");
    let text = fs::read_to_string(&path).unwrap_or_default();
    let _ = fs::remove_file(path);
    text.trim_end().replace('\n', ", ")
}

/// The standard input of a scripted plugin for a verb.
fn stdin_of(host: &Host, verb: &str) -> String {
    fs::read_to_string(host.work_folder().join(format!("stdin.{verb}"))).unwrap()
}

fn mode(path: impl AsRef<Path>) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}
