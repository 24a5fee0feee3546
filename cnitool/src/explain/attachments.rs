//! The container's attachments as the cache has them.

use serde_json::Value;

use super::checks::plugins;
use super::section::Section;
use super::subject::Subject;
use crate::node::{PublishedPort, span};

pub(super) fn section(subject: &Subject) -> Section {
    let mut section = Section::new(
        "attachments",
        &[
            "interface",
            "network",
            "state",
            "addresses",
            "ports",
            "age",
            "plugins",
            "namespace",
            "cacheFile",
        ],
    );
    for known in &subject.attachments {
        let entry = &known.entry;
        let ports = PublishedPort::of(entry);
        let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
        let kinds = plugins(entry).map(|network| {
            let kinds = network
                .plugins()
                .iter()
                .map(|plugin| plugin.kind().to_owned());
            kinds.collect::<Vec<_>>()
        });
        let file = known.file.as_ref().map(|file| file.display().to_string());
        section.row([
            entry.attachment.ifname.clone().into(),
            entry.network.clone().into(),
            known.state().text().into(),
            known.addresses().into(),
            ports.into(),
            known.age.map(span).map_or(Value::Null, Value::from),
            kinds.map_or(Value::Null, Value::from),
            entry.netns.clone().into(),
            file.map_or(Value::Null, Value::from),
        ]);
    }
    section
}
