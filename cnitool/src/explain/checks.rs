//! What CHECK of each plugin says.

use std::time::Duration;

use libcni::cache::Entry;
use libcni::config::{NetworkList, PluginConfig};
use libcni::{Checked, Parameters, Runtime};

use super::section::Section;
use super::subject::Subject;
use crate::environment::Environment;
use crate::error::CommandError;

/// How long one plugin may take.
const LIMIT: Duration = Duration::from_secs(20);

pub(super) fn section(subject: &Subject, environment: &Environment) -> Section {
    let mut section = Section::new("checks", &["interface", "network", "plugin", "result"]);
    for known in subject
        .attachments
        .iter()
        .filter(|known| known.file.is_some())
    {
        let entry = &known.entry;
        let name = format!("{} of {}", entry.attachment.ifname, entry.network);
        let Some(network) = plugins(entry) else {
            section.fault(format!("{name}: the cache holds no configuration"));
            continue;
        };
        if environment.plugin_path.is_empty() {
            section.fault(format!("{name}: CNI_PATH is not set"));
            continue;
        }
        let runtime = Runtime::new(&environment.plugin_path).with_time_limit(Some(LIMIT));
        match runtime.check_each(&network, &Parameters::from(entry)) {
            Err(error) => section.fault(format!("{name}: {error}")),
            Ok(outcomes) if outcomes.is_empty() => {
                section.fault(format!("{name}: the configuration disables CHECK"));
            }
            Ok(outcomes) => {
                for Checked { plugin, outcome } in outcomes {
                    let result = match outcome {
                        Ok(()) => "ok".to_owned(),
                        Err(error) => verdict(plugin, &CommandError::from(error).sentence),
                    };
                    section.row([
                        entry.attachment.ifname.clone().into(),
                        entry.network.clone().into(),
                        plugin.into(),
                        result.into(),
                    ]);
                }
            }
        }
    }
    section
}

/// The sentence without the plugin's name, which has its own column.
fn verdict(plugin: &str, sentence: &str) -> String {
    let text = sentence.strip_prefix(&format!("plugin {plugin} failed: "));
    text.unwrap_or(sentence).to_owned()
}

/// The configuration that ADD had, without plugins in files of their own.
pub(super) fn plugins(entry: &Entry) -> Option<NetworkList> {
    let list = NetworkList::from_bytes(&entry.config).ok();
    list.filter(|list| !list.plugins().is_empty()).or_else(|| {
        let plugin = PluginConfig::from_bytes(&entry.config).ok()?;
        NetworkList::from_plugin(&plugin).ok()
    })
}
