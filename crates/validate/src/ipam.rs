//! The key `ipam`.

use jsonc_parser::ast::{Object, Value};

use crate::document::{Document, entry, join, object, text};
use crate::network::refer;
use crate::ranges;
use crate::schemas::{Role, Schema};
use crate::walk::Walk;
use crate::{Report, nearest, plugins};

/// The address plugin of a plugin.
pub(crate) fn plugin<'o>(of: &'o Object<'_>) -> Option<&'o str> {
    text(object(of, "ipam")?, "type").filter(|kind| !kind.is_empty())
}

/// Checks the key `ipam` of a plugin; `outer` is that plugin's schema, if it is known.
pub(crate) fn check(
    document: &Document<'_>,
    of: &Object<'_>,
    outer: Option<&Schema>,
    path: &str,
    report: &mut Report,
) {
    let Some(property) = entry(of, "ipam") else {
        return;
    };
    let path = join(path, "ipam");
    let ipam = match &property.value {
        Value::Object(ipam) if ipam.properties.is_empty() => return,
        Value::Object(ipam) => ipam,
        Value::NullKeyword(_) => return,
        other => {
            let place = document.place(other);
            return report
                .findings
                .push(place.error(&path, "expected an object"));
        }
    };
    let place = document.place(ipam);
    let (Some(kind), Some(named)) = (plugin(of), entry(ipam, "type")) else {
        let text = "the key \"type\" is missing: it names the address plugin";
        return report.findings.push(place.error(&path, text));
    };
    let type_path = join(&path, "type");
    refer(report, kind, document.place(named).warning(&type_path, ""));
    let Some(schema) = Schema::of(kind) else {
        return;
    };
    if schema.role() != Role::Ipam {
        let finding = document
            .place(named)
            .error(&type_path, format!("{kind} is no address plugin"));
        let known =
            plugins().filter(|name| Schema::of(name).is_some_and(|s| s.role() == Role::Ipam));
        report.findings.push(match nearest(kind, known) {
            Some(meant) => finding.meant(meant),
            None => finding,
        });
        return;
    }
    let misplaced = |key: &str| {
        let outside = outer.is_some_and(|outer| outer.has_key(key));
        outside.then(|| "the plugin, outside \"ipam\"".to_owned())
    };
    let mut walk = Walk {
        document,
        misplaced: &misplaced,
        findings: &mut report.findings,
    };
    walk.value(&property.value, schema.value(), &path);
    if kind == "host-local" {
        ranges::check(document, ipam, &path, report);
    }
}
