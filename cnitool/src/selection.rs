//! The attachments that a word of the command line means.

use ferrule_validate::nearest;
use libcni::cache::Entry;

use crate::container;
use crate::error::CommandError;

/// The longest list of containers in an error.
const MOST_LISTED: usize = 5;

/// The attachments that `text` names: `CONTAINER`, `CONTAINER/INTERFACE` or the path of a namespace.
///
/// A container's id may be shortened as long as it is unambiguous. Fails if there is none.
pub(crate) fn select<'e>(entries: &'e [Entry], text: &str) -> Result<Vec<&'e Entry>, CommandError> {
    let found: Vec<&Entry> = if text.starts_with('/') {
        let netns = container::absolute(text)?;
        let id = container::id(&netns);
        let is_there = |e: &&Entry| e.netns == netns || e.attachment.container_id == id;
        entries.iter().filter(is_there).collect()
    } else {
        let (container, ifname) = match text.split_once('/') {
            Some((container, ifname)) => (container, Some(ifname)),
            None => (text, None),
        };
        let id = full_id(entries, container)?;
        let is_it = |e: &&Entry| {
            e.attachment.container_id == id && ifname.is_none_or(|name| e.attachment.ifname == name)
        };
        entries.iter().filter(is_it).collect()
    };
    if found.is_empty() {
        return Err(unknown(entries, text));
    }
    Ok(found)
}

/// The id that `text` is, or else is the beginning of.
fn full_id<'t>(entries: &'t [Entry], text: &'t str) -> Result<&'t str, CommandError> {
    let ids = ids(entries);
    let mut longer = ids.iter().filter(|id| id.starts_with(text));
    match (longer.next(), longer.next()) {
        _ if ids.contains(&text) => Ok(text),
        (Some(only), None) if !text.is_empty() => Ok(only),
        (Some(one), Some(other)) if !text.is_empty() => Err(CommandError::new(format!(
            "{text:?} is ambiguous: it may be {one} or {other}"
        ))),
        _ => Err(unknown(entries, text)),
    }
}

fn unknown(entries: &[Entry], text: &str) -> CommandError {
    let error = CommandError::new(format!("no attachment is known as {text:?}"));
    let ids = ids(entries);
    let names = entries.iter().flat_map(|entry| {
        let (id, ifname) = (&entry.attachment.container_id, &entry.attachment.ifname);
        [id.clone(), format!("{id}/{ifname}"), entry.netns.clone()]
    });
    if let Some(name) = nearest(text, names.filter(|name| !name.is_empty())) {
        return error.note(format!("did you mean {name}?"));
    }
    match ids.get(MOST_LISTED..) {
        _ if ids.is_empty() => error.note("there is no attachment at all"),
        None | Some([]) => error.note(format!("the containers there are: {}", ids.join(", "))),
        Some(_) => error.note(format!(
            "there are {} containers; cnitool list shows them",
            ids.len()
        )),
    }
}

/// The containers, each once.
fn ids(entries: &[Entry]) -> Vec<&str> {
    let mut ids: Vec<&str> = entries
        .iter()
        .map(|entry| entry.attachment.container_id.as_str())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

#[cfg(test)]
mod tests {
    use libcni::Attachment;
    use serde_json::Map;

    use super::*;

    fn entry(container_id: &str, ifname: &str, netns: &str) -> Entry {
        Entry {
            network: "net".to_owned(),
            attachment: Attachment {
                container_id: container_id.to_owned(),
                ifname: ifname.to_owned(),
            },
            config: Vec::new(),
            netns: netns.to_owned(),
            args: Vec::new(),
            capability_args: Map::new(),
            result: None,
        }
    }

    fn known() -> Vec<Entry> {
        vec![
            entry("abc1", "eth0", "/run/netns/a"),
            entry("abc1", "net1", "/run/netns/a"),
            entry("abc2", "eth0", "/run/netns/b"),
            entry("abc", "eth0", "/run/netns/c"),
            entry("cnitool-77383ca0a0715733ca6f", "eth0", ""),
        ]
    }

    fn selected(text: &str) -> Result<Vec<String>, CommandError> {
        let known = known();
        let name = |e: &Entry| format!("{}/{}", e.attachment.container_id, e.attachment.ifname);
        select(&known, text).map(|found| found.into_iter().map(name).collect())
    }

    #[test]
    fn containers_interfaces_and_namespaces_are_told_apart() {
        assert_eq!(selected("abc1").unwrap(), ["abc1/eth0", "abc1/net1"]);
        assert_eq!(selected("abc1/net1").unwrap(), ["abc1/net1"]);
        assert_eq!(selected("/run//netns/b/").unwrap(), ["abc2/eth0"]);
        // The id that cnitool derives from this path.
        let made = selected("/var/run/netns/testing").unwrap();
        assert_eq!(made, ["cnitool-77383ca0a0715733ca6f/eth0"]);
    }

    #[test]
    fn ids_may_be_shortened() {
        assert_eq!(selected("abc").unwrap(), ["abc/eth0"]);
        assert_eq!(selected("cni").unwrap().len(), 1);
        let ambiguous = selected("ab").unwrap_err().sentence;
        assert!(ambiguous.starts_with("\"ab\" is ambiguous"), "{ambiguous}");
    }

    #[test]
    fn what_is_not_known_is_an_error() {
        for (text, note) in [
            ("acb1", "did you mean abc1?"),
            ("abc1/eth1", "did you mean abc1/eth0?"),
            ("/run/netns/x", "did you mean /run/netns/a?"),
            ("", "the containers there are: "),
            ("abc1/", "did you mean abc1?"),
        ] {
            let error = selected(text).unwrap_err();
            assert!(error.notes[0].contains(note), "{text}: {error:?}");
        }
        let none = select(&[], "x").unwrap_err();
        assert_eq!(none.notes, ["there is no attachment at all"]);
    }
}
