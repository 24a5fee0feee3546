//! A network: its own keys, its plugins one by one, and their order.

use cni_types::bounded;
use jsonc_parser::ast::{Object, Value};
use serde_json::Value as Json;

use crate::document::{Document, entry, exact, join, object, string, text};
use crate::schemas::{Role, Schema};
use crate::walk::Walk;
use crate::{Finding, Form, Reference, Report, ipam, list, nearest};

/// Adds to the report what the document says, and what is wrong with it.
pub(crate) fn check(document: &Document<'_>, form: Form, report: &mut Report) {
    let Value::Object(root) = &document.root else {
        let place = document.place(&document.root);
        report.findings.push(place.error("", "expected an object"));
        return;
    };
    if let Some(name) = exact(root, "name")
        .and_then(string)
        .or_else(|| text(root, "name").filter(|_| form == Form::Plugin))
    {
        name.clone_into(&mut report.name);
    }
    if report.name.is_empty() {
        let place = document.place(root);
        report
            .findings
            .push(place.error("", "the key \"name\" is missing: the network needs one"));
    }
    let members = match form {
        Form::List => list::members(document, root, report),
        Form::Plugin => vec![Member {
            object: root,
            path: String::new(),
        }],
    };
    let versions = list::versions(document, root, report);
    for member in &members {
        member.check(document, &versions, report);
    }
    order(document, &members, report);
}

/// A plugin of the network.
pub(crate) struct Member<'o, 'a> {
    pub(crate) object: &'o Object<'a>,
    pub(crate) path: String,
}

impl Member<'_, '_> {
    fn kind(&self) -> &str {
        text(self.object, "type").unwrap_or_default()
    }

    fn check(&self, document: &Document<'_>, versions: &[String], report: &mut Report) {
        let kind = self.kind();
        let path = &self.path;
        let Some(named) = entry(self.object, "type").filter(|_| !kind.is_empty()) else {
            let place = document.place(self.object);
            return match entry(self.object, "type").map(|entry| &entry.value) {
                None | Some(Value::NullKeyword(_) | Value::StringLit(_)) => report
                    .findings
                    .push(place.error(path, "the key \"type\" is missing: it names the plugin")),
                Some(_) => report
                    .findings
                    .push(place.error(&join(path, "type"), "expected a string")),
            };
        };
        refer(
            report,
            kind,
            document.place(named).warning(&join(path, "type"), ""),
        );
        if kind.contains('/') {
            let text = "a plugin is named without a path: CNI_PATH has the folders";
            report
                .findings
                .push(document.place(named).error(&join(path, "type"), text));
        }
        let Some(schema) = Schema::of(kind).filter(|schema| schema.role() != Role::Ipam) else {
            ipam::check(document, self.object, None, path, report);
            return;
        };
        let address_plugin = ipam::plugin(self.object).and_then(Schema::of);
        let misplaced = |key: &str| {
            let in_ipam = address_plugin
                .as_ref()
                .is_some_and(|ipam| ipam.has_key(key));
            let in_list = matches!(
                key,
                "cniVersions" | "disableCheck" | "disableGC" | "plugins"
            );
            in_ipam
                .then(|| "\"ipam\"".to_owned())
                .or_else(|| in_list.then(|| "the list".to_owned()))
        };
        let mut walk = Walk {
            document,
            misplaced: &misplaced,
            findings: &mut report.findings,
        };
        walk.object(self.object, schema.value(), path);
        if schema.value().pointer("/properties/ipam/$ref").is_some() {
            ipam::check(document, self.object, Some(&schema), path, report);
        }
        self.delegate(document, report);
        self.capabilities(document, &schema, address_plugin.as_ref(), report);
        for version in versions {
            let spoken = schema.versions();
            // What is no version at all has been reported.
            if !spoken.contains(&version.as_str())
                && Schema::of("loopback")
                    .is_some_and(|all| all.versions().contains(&version.as_str()))
            {
                let text = format!(
                    "{kind} does not speak version {version}: it speaks {}",
                    spoken.join(", ")
                );
                report
                    .findings
                    .push(document.place(named).error(&join(path, "type"), text));
            }
        }
    }

    /// What flannel passes on to the plugin that does the work.
    fn delegate(&self, document: &Document<'_>, report: &mut Report) {
        let Some(delegate) = object(self.object, "delegate").filter(|_| self.kind() == "flannel")
        else {
            return;
        };
        let Some(schema) = Schema::of(text(delegate, "type").unwrap_or("bridge")) else {
            return;
        };
        // What is required, flannel adds.
        let mut schema = schema.value().clone();
        if let Json::Object(schema) = &mut schema {
            schema.remove("required");
        }
        let mut walk = Walk {
            document,
            misplaced: &|_| None,
            findings: &mut report.findings,
        };
        walk.object(delegate, &schema, &join(&self.path, "delegate"));
    }

    fn capabilities(
        &self,
        document: &Document<'_>,
        schema: &Schema,
        address_plugin: Option<&Schema>,
        report: &mut Report,
    ) {
        let mut read = schema.capabilities();
        read.extend(address_plugin.iter().flat_map(|ipam| ipam.capabilities()));
        let switched = object(self.object, "capabilities");
        let on = |value: &Value<'_>| matches!(value, Value::BooleanLit(boolean) if boolean.value);
        let is_on = |name: &str| switched.and_then(|all| exact(all, name)).is_some_and(on);
        if self.kind() == "portmap" && !is_on("portMappings") {
            let text = "the capability portMappings is not switched on: no port is ever mapped";
            report
                .findings
                .push(document.place(self.object).warning(&self.path, text));
        }
        // Flannel's delegate, and address plugins of others, may read what is not known here.
        let has_others = self.kind() == "flannel"
            || ipam::plugin(self.object).is_some() && address_plugin.is_none();
        for property in switched.into_iter().flat_map(|all| &all.properties) {
            let name = property.name.as_str();
            if !on(&property.value) || read.contains(&name) || has_others {
                continue;
            }
            let place = document.place(property);
            let path = join(&join(&self.path, "capabilities"), name);
            let text = format!("{} reads no capability {:?}", self.kind(), bounded(name));
            report
                .findings
                .push(match nearest(name, read.iter().copied()) {
                    Some(meant) => place.error(&path, text).meant(meant),
                    None => place.warning(&path, text),
                });
        }
    }
}

/// Notes that a plugin is needed.
pub(crate) fn refer(report: &mut Report, kind: &str, place: Finding) {
    report.references.push(Reference {
        kind: kind.to_owned(),
        place,
    });
}

/// Whether each plugin can work on what those before it leave.
fn order(document: &Document<'_>, members: &[Member<'_, '_>], report: &mut Report) {
    let mut interface: Option<&str> = None;
    for (index, member) in members.iter().enumerate() {
        let kind = member.kind();
        let role = Schema::of(kind).map(|schema| schema.role());
        let path = join(&member.path, "type");
        let place = document.place(member.object);
        report.findings.extend(match role {
            Some(Role::Chained) if index == 0 => Some(place.error(
                &path,
                format!(
                    "{kind} works on the result of a plugin before it, so it cannot be the first"
                ),
            )),
            Some(Role::Ipam) => Some(place.error(
                &path,
                format!(
                    "{kind} is an address plugin: it belongs into the key \"ipam\" of another one"
                ),
            )),
            Some(Role::Loopback) if members.len() > 1 => Some(place.warning(
                &path,
                "loopback concerns lo alone: it is a network of its own",
            )),
            // ipvlan may stand on the interface of the plugin before it.
            Some(Role::Interface) if kind != "ipvlan" => interface.map(|first| {
                let text = format!(
                    "{kind} makes the container's interface, as {first} before it does: ADD fails"
                );
                place.warning(&path, text)
            }),
            _ => None,
        });
        if role == Some(Role::Interface) {
            interface = interface.or(Some(kind));
        }
    }
}
