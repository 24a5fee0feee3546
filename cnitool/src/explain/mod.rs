//! `cnitool explain`: everything that the node has of a container.
//!
//! Each section looks at one kind of object. What cannot be read is said in its section and does not
//! keep the others from being printed.

mod attachments;
mod checks;
mod filters;
mod flows;
mod leases;
mod links;
mod mentions;
mod qdiscs;
mod records;
mod routes;
mod section;
mod subject;

use cni_types::json::to_pretty;
use serde_json::{Map, Value};

use crate::environment::Environment;
use crate::error::CommandError;
use section::Section;
use subject::Subject;

/// What is known of the container, as text or JSON.
pub(crate) fn text(
    container: &str,
    json: bool,
    environment: &Environment,
) -> Result<String, CommandError> {
    let mut subject = Subject::find(container)?;
    let leases = leases::section(&subject, &environment.plugin_path);
    subject.add_addresses(leases::addresses(&leases));
    let mut sections = vec![attachments::section(&subject)];
    sections.extend(links::sections(&subject));
    sections.extend(routes::sections(&subject));
    sections.extend(filters::sections(&subject));
    sections.push(leases);
    sections.push(qdiscs::section(&subject));
    sections.push(flows::section(&subject));
    sections.push(records::section(&subject));
    // A container that nothing knows is a misspelt name.
    if let Some(error) = &subject.unknown
        && sections.iter().all(|section| section.rows.is_empty())
    {
        return Err(error.clone());
    }
    sections.push(checks::section(&subject, environment));
    Ok(if json {
        as_json(&subject, &sections)
    } else {
        as_text(&subject, &sections)
    })
}

fn as_text(subject: &Subject, sections: &[Section]) -> String {
    let id = &subject.container_id;
    let mut title = match subject.pods().first() {
        Some(pod) => format!("container {id} ({pod})"),
        None => format!("container {id}"),
    };
    if subject.unknown.is_some() {
        title += "\nno attachment of it is cached: what follows is left of it";
    }
    let sections = sections.iter().map(Section::text);
    [title + "\n"]
        .into_iter()
        .chain(sections)
        .collect::<Vec<_>>()
        .join("\n")
}

fn as_json(subject: &Subject, sections: &[Section]) -> String {
    let mut object = Map::new();
    object.insert(
        "containerID".to_owned(),
        subject.container_id.clone().into(),
    );
    object.insert("pods".to_owned(), subject.pods().into());
    let mut unknown = Map::new();
    for section in sections {
        object.insert(section.key.to_owned(), section.as_json());
        if !section.faults.is_empty() {
            unknown.insert(section.key.to_owned(), section.faults.clone().into());
        }
    }
    object.insert("notKnown".to_owned(), unknown.into());
    to_pretty(&Value::Object(object)) + "\n"
}
