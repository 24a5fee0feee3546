//! Links and their addresses, on the host and in the container.

use ferrule_kernel::{Link, RtnlSocket};
use serde_json::Value;

use super::section::Section;
use super::subject::Subject;

/// Where a link is, for the column of that name.
pub(super) const HOST: &str = "host";
pub(super) const CONTAINER: &str = "container";

pub(super) fn sections(subject: &Subject) -> [Section; 2] {
    let mut links = Section::new(
        "links",
        &[
            "where", "name", "kind", "state", "mac", "mtu", "on", "peer", "alias",
        ],
    );
    let mut addresses = Section::new("ipAddresses", &["where", "interface", "address"]);
    let host = &subject.host;
    for known in &subject.attachments {
        let (Ok(sandbox), Some(link)) = (&known.sandbox, &known.link) else {
            continue;
        };
        let on = host.parent(link);
        row(&mut links, CONTAINER, link, on, host.peer(link));
        list(&mut addresses, CONTAINER, &sandbox.socket, link);
    }
    for link in &subject.host_links {
        let master = link.master.and_then(|index| host.by_index(index));
        let inside = subject
            .attachments
            .iter()
            .filter_map(|known| known.link.as_ref());
        let peer = inside
            .into_iter()
            .find(|one| one.peer_index == Some(link.index));
        row(&mut links, HOST, link, master, peer);
        list(&mut addresses, HOST, &host.socket, link);
    }
    for link in shared(subject) {
        row(&mut links, HOST, link, None, None);
        list(&mut addresses, HOST, &host.socket, link);
    }
    [links, addresses]
}

/// The bridges and masters of the container's links.
fn shared(subject: &Subject) -> Vec<&Link> {
    let host = &subject.host;
    let masters = subject
        .host_links
        .iter()
        .filter_map(|link| host.by_index(link.master?));
    let inside = subject
        .attachments
        .iter()
        .filter_map(|known| known.link.as_ref());
    let mut shared: Vec<&Link> = masters
        .chain(inside.filter_map(|link| host.parent(link)))
        .collect();
    shared.sort_by_key(|link| link.index);
    shared.dedup_by_key(|link| link.index);
    shared
}

fn row(section: &mut Section, place: &str, link: &Link, on: Option<&Link>, peer: Option<&Link>) {
    let name = |link: Option<&Link>| link.map_or(Value::Null, |link| link.name.clone().into());
    let state = if link.up { "up" } else { "down" };
    section.row([
        place.into(),
        link.name.clone().into(),
        link.kind.clone().map_or(Value::Null, Value::from),
        state.into(),
        link.mac
            .as_ref()
            .map_or(Value::Null, |mac| mac.to_string().into()),
        link.mtu.into(),
        name(on),
        name(peer),
        link.alias.clone().map_or(Value::Null, Value::from),
    ]);
}

fn list(section: &mut Section, place: &str, socket: &RtnlSocket, link: &Link) {
    let found = section.note(socket.addresses(link.index, None));
    for address in found.into_iter().flatten() {
        section.row([
            place.into(),
            link.name.clone().into(),
            address.address.to_string().into(),
        ]);
    }
}
