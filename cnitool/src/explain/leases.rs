//! Leases of addresses: the files of host-local, and those of the daemon of dhcp.

use std::ffi::OsStr;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use libcni::config::NetworkList;
use libcni::exec::{Invocation, find_plugin};
use serde_json::Value;

use super::checks::plugins;
use super::section::Section;
use super::subject::Subject;

/// Where host-local keeps leases unless the configuration says otherwise.
const FOLDER: &str = "/var/lib/cni/networks";
/// The socket of dhcp's daemon: without it there are no leases of dhcp.
const DHCP_SOCKET: &str = "/run/cni/dhcp.sock";
/// How long the daemon may take to answer.
const LIMIT: Duration = Duration::from_secs(5);

pub(super) fn section(subject: &Subject, plugin_path: &OsStr) -> Section {
    let mut section = Section::new(
        "leases",
        &["plugin", "network", "interface", "address", "source"],
    );
    for folder in folders(subject) {
        host_local(&mut section, &folder, subject);
    }
    if Path::new(DHCP_SOCKET).exists() {
        dhcp(&mut section, subject, plugin_path);
    }
    section
}

/// The addresses that are leased.
pub(super) fn addresses(section: &Section) -> impl Iterator<Item = IpAddr> {
    let address = |row: &Vec<Value>| row.get(3)?.as_str()?.parse().ok();
    section.rows.iter().filter_map(address)
}

/// The folders of pools: all below the usual place, and where the configurations say.
fn folders(subject: &Subject) -> Vec<PathBuf> {
    let mut parents = vec![PathBuf::from(FOLDER)];
    for known in &subject.attachments {
        let network = plugins(&known.entry);
        let configs = network.iter().flat_map(NetworkList::plugins);
        parents.extend(configs.filter_map(|plugin| {
            let config: Value = serde_json::from_slice(plugin.bytes()).ok()?;
            let folder = config.get("ipam")?.get("dataDir")?.as_str()?;
            (!folder.is_empty()).then(|| PathBuf::from(folder))
        }));
    }
    parents.sort_unstable();
    parents.dedup();
    let networks = parents
        .iter()
        .filter_map(|parent| fs::read_dir(parent).ok());
    let mut folders: Vec<PathBuf> = networks
        .flat_map(|found| found.flatten().map(|one| one.path()))
        .collect();
    folders.retain(|folder| folder.is_dir());
    folders.sort_unstable();
    folders
}

/// The reservations of a pool: files named by their address, with container and interface on two lines.
fn host_local(section: &mut Section, folder: &Path, subject: &Subject) {
    let Some(files) = section.note(fs::read_dir(folder)) else {
        return;
    };
    let network = folder
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    for file in files.flatten() {
        let name = file.file_name().to_string_lossy().into_owned();
        if name.parse::<IpAddr>().is_err() {
            continue;
        }
        let path = file.path();
        let Some(bytes) = section.note(ferrule_file::read(&path)) else {
            continue;
        };
        let text = String::from_utf8_lossy(&bytes);
        let mut lines = text.lines().map(str::trim);
        if lines.next() != Some(subject.container_id.as_str()) {
            continue;
        }
        section.row([
            "host-local".into(),
            network.clone().into(),
            lines.next().unwrap_or_default().into(),
            name.into(),
            path.display().to_string().into(),
        ]);
    }
    section
        .rows
        .sort_by_cached_key(|row| row.iter().map(ToString::to_string).collect::<Vec<_>>());
}

/// The leases that the daemon lists.
fn dhcp(section: &mut Section, subject: &Subject, plugin_path: &OsStr) {
    let Some(executable) = section.note(find_plugin("dhcp", plugin_path)) else {
        return;
    };
    let listed = Invocation::new(executable)
        .arguments(["leases", "--json"])
        .time_limit(Some(LIMIT))
        .run();
    let Some(output) = section.note(listed.map_err(|error| format!("dhcp leases: {error}"))) else {
        return;
    };
    let parsed = serde_json::from_slice::<Vec<Value>>(&output.stdout);
    let leases = section.note(parsed.map_err(|error| format!("dhcp leases: {error}")));
    for lease in leases.into_iter().flatten() {
        let text = |keys: &[&str]| {
            let found = keys.iter().try_fold(&lease, |value, key| value.get(key));
            found.cloned().unwrap_or(Value::Null)
        };
        if text(&["containerID"]).as_str() == Some(subject.container_id.as_str()) {
            section.row([
                "dhcp".into(),
                text(&["network"]),
                text(&["ifname"]),
                text(&["lease", "address"]),
                text(&["lease", "server"]),
            ]);
        }
    }
}
