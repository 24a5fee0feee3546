//! The versions that the plugins of a network support.

use cni_types::SpecVersion;
use cni_types::json::to_pretty;
use libcni::Runtime;
use libcni::config::NetworkList;
use serde_json::json;

use crate::error::CommandError;
use crate::table::Table;

/// Lists each plugin, including IPAM plugins, with its versions; fails if one does not support the
/// network's version or fails to run.
pub(crate) fn text(
    runtime: &Runtime,
    network: &NetworkList,
    json: bool,
) -> Result<String, CommandError> {
    let wanted = match network.version() {
        "" => SpecVersion::V0_1_0.as_str(),
        version => version,
    };
    let mut complaints = Vec::new();
    let mut answers = Vec::new();
    for kind in kinds(network) {
        match runtime.versions(kind) {
            Ok(versions) => {
                if !versions.iter().any(|version| version == wanted) {
                    complaints.push(format!("plugin {kind} does not speak version {wanted}"));
                }
                answers.push((kind, versions));
            }
            Err(error) => complaints.push(CommandError::from(error).sentence),
        }
    }
    let output = if json {
        as_json(network.name(), wanted, &answers)
    } else {
        as_table(network.name(), wanted, &answers)
    };
    if complaints.is_empty() {
        return Ok(output);
    }
    let mut failure = CommandError::new(complaints.join("\n"));
    failure.output = output;
    Err(failure)
}

/// The plugins of the network, in order, each once.
pub(crate) fn kinds(network: &NetworkList) -> Vec<&str> {
    let mut kinds: Vec<&str> = Vec::new();
    for kind in network
        .plugins()
        .iter()
        .flat_map(|plugin| [plugin.kind(), plugin.ipam()])
    {
        if !kind.is_empty() && !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds
}

fn as_table(name: &str, wanted: &str, answers: &[(&str, Vec<String>)]) -> String {
    let mut table = Table::new(&["PLUGIN", "VERSIONS"]);
    for (kind, versions) in answers {
        table.row(vec![(*kind).to_owned(), versions.join(" ")]);
    }
    format!("network {name}, version {wanted}\n\n{}", table.text())
}

fn as_json(name: &str, wanted: &str, answers: &[(&str, Vec<String>)]) -> String {
    let plugin = |(kind, versions): &(&str, Vec<String>)| json!({ "type": kind, "supportedVersions": versions });
    let plugins: Vec<_> = answers.iter().map(plugin).collect();
    to_pretty(&json!({ "name": name, "cniVersion": wanted, "plugins": plugins })) + "\n"
}
