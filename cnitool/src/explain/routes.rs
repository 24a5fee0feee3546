//! Routes: those of the container's interfaces, and how the host reaches its addresses.

use std::net::IpAddr;

use ferrule_kernel::{Family, Link, RouteEntry, RouteFilter, RtnlSocket};
use serde_json::Value;

use super::links::{CONTAINER, HOST};
use super::section::Section;
use super::subject::Subject;

/// `RTN_UNICAST`: routes that lead somewhere else.
const UNICAST: u8 = 1;
/// `RT_TABLE_MAIN`.
const MAIN: u32 = 254;
/// The priorities of the rules that every namespace has.
const BUILT_IN: [u32; 3] = [0, 32_766, 32_767];

pub(super) fn sections(subject: &Subject) -> [Section; 2] {
    let mut routes = Section::new(
        "routes",
        &[
            "where",
            "destination",
            "via",
            "interface",
            "source",
            "table",
            "metric",
        ],
    );
    let mut rules = Section::new("routingRules", &["where", "priority", "from", "table"]);
    for known in &subject.attachments {
        let (Ok(sandbox), Some(link)) = (&known.sandbox, &known.link) else {
            continue;
        };
        of_link(&mut routes, CONTAINER, &sandbox.socket, link);
        for family in [Family::V4, Family::V6] {
            let found = rules.note(sandbox.socket.rules(family));
            for rule in found.into_iter().flatten() {
                if BUILT_IN.contains(&rule.priority) {
                    continue;
                }
                rules.row([
                    CONTAINER.into(),
                    rule.priority.into(),
                    rule.source
                        .map_or("all".into(), |source| source.to_string().into()),
                    rule.table.map_or(Value::Null, Value::from),
                ]);
            }
        }
    }
    for link in &subject.host_links {
        of_link(&mut routes, HOST, &subject.host.socket, link);
    }
    for address in &subject.addresses {
        let found = routes.note(subject.host.socket.route_to(*address));
        if let Some(Some(entry)) = found {
            let link = entry.oif.and_then(|index| subject.host.by_index(index));
            row(&mut routes, HOST, &entry, link);
        }
    }
    [routes, rules]
}

/// The routes by which packets leave by the link.
fn of_link(section: &mut Section, place: &str, socket: &RtnlSocket, link: &Link) {
    for family in [Family::V4, Family::V6] {
        let filter = RouteFilter {
            family,
            table: None,
            oif: Some(link.index),
        };
        let found = section.note(socket.routes(&filter));
        let found = found.into_iter().flatten();
        let is_wanted = |entry: &RouteEntry| {
            entry.kind == UNICAST && entry.leaves_by(link.index) && !is_link_local(entry)
        };
        for entry in found.filter(is_wanted) {
            row(section, place, &entry, Some(link));
        }
    }
}

/// Every link has a route for link-local addresses.
fn is_link_local(entry: &RouteEntry) -> bool {
    match entry.dst.ip() {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

fn row(section: &mut Section, place: &str, entry: &RouteEntry, link: Option<&Link>) {
    let text = |value: Option<String>| value.map_or(Value::Null, Value::from);
    let number = |value: Option<u32>| value.map_or(Value::Null, Value::from);
    let destination = if entry.is_default() {
        "default".to_owned()
    } else {
        entry.dst.to_string()
    };
    section.row([
        place.into(),
        destination.into(),
        text(entry.gateway.map(|gateway| gateway.to_string())),
        text(link.map(|link| link.name.clone())),
        text(entry.source.map(|source| source.to_string())),
        number(Some(entry.table).filter(|table| *table != MAIN)),
        number(entry.priority),
    ]);
}
