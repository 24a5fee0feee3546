//! The attachments that the node knows of.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use ferrule_kernel::Link;
use libcni::Attachment;
use libcni::cache::{Cache, Cached, Entry};
use serde_json::Map;

use super::sandbox::{Sandbox, Unreachable};
use crate::attachments;

/// The prefix of the alias of a link on the host: `cni:NETWORK/CONTAINER/INTERFACE`.
const ALIAS: &str = "cni:";

/// An attachment: cached, or known by the alias of its link alone.
#[derive(Debug)]
pub(crate) struct Known {
    /// What the cache says; of one that is not cached, its names alone.
    pub(crate) entry: Entry,
    /// The file of the cache.
    pub(crate) file: Option<PathBuf>,
    /// How long ago the file was written.
    pub(crate) age: Option<Duration>,
    pub(crate) sandbox: Result<Sandbox, Unreachable>,
    /// The interface in the container; none if it is not there, or the namespace out of reach.
    pub(crate) link: Option<Link>,
}

/// How an attachment is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Up,
    Down,
    /// The namespace lives, and has no such interface.
    NoInterface,
    NamespaceGone,
    /// The path leads to the host's own namespace.
    NamespaceRecycled,
    /// The cache has no path.
    NoNamespace,
    /// The host has its link, and the cache nothing.
    NotCached,
    Unknown(String),
}

impl State {
    /// For people.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Up => "up".to_owned(),
            Self::Down => "down".to_owned(),
            Self::NoInterface => "no interface".to_owned(),
            Self::NamespaceGone => "namespace gone".to_owned(),
            Self::NamespaceRecycled => "namespace gone, path is the host's".to_owned(),
            Self::NoNamespace => "no namespace".to_owned(),
            Self::NotCached => "not cached".to_owned(),
            Self::Unknown(why) => format!("unknown: {why}"),
        }
    }

    /// Whether the namespace lives; none if that is not known.
    pub(crate) fn namespace_lives(&self) -> Option<bool> {
        match self {
            Self::Up | Self::Down | Self::NoInterface => Some(true),
            Self::NamespaceGone | Self::NamespaceRecycled => Some(false),
            Self::NoNamespace | Self::NotCached | Self::Unknown(_) => None,
        }
    }
}

impl Known {
    fn new(entry: Entry, file: Option<PathBuf>, modified: Option<SystemTime>) -> Self {
        let sandbox = Sandbox::open(&entry.netns);
        let find = |sandbox: &Sandbox| sandbox.socket.link_by_name(&entry.attachment.ifname);
        let link = match sandbox.as_ref().map(find) {
            Ok(Ok(link)) => link,
            _ => None,
        };
        Self {
            entry,
            file,
            age: modified.and_then(|time| time.elapsed().ok()),
            sandbox,
            link,
        }
    }

    pub(crate) fn state(&self) -> State {
        match (&self.sandbox, &self.link) {
            _ if self.file.is_none() => State::NotCached,
            (Ok(_), Some(link)) if link.up => State::Up,
            (Ok(_), Some(_)) => State::Down,
            (Ok(_), None) => State::NoInterface,
            (Err(Unreachable::Gone), _) => State::NamespaceGone,
            (Err(Unreachable::Host), _) => State::NamespaceRecycled,
            (Err(Unreachable::NoPath), _) => State::NoNamespace,
            (Err(Unreachable::Failed(why)), _) => State::Unknown(why.clone()),
        }
    }

    /// The addresses as the kernel has them, else as ADD reported them.
    pub(crate) fn addresses(&self) -> Vec<String> {
        let found = match (&self.sandbox, &self.link) {
            (Ok(sandbox), Some(link)) => sandbox.socket.addresses(link.index, None).ok(),
            _ => None,
        };
        match found {
            // Link-local addresses say nothing about the network.
            Some(found) => found
                .iter()
                .filter(|one| one.scope == 0)
                .map(|one| one.address.to_string())
                .collect(),
            None => attachments::addresses(&self.entry),
        }
    }

    /// The name that the runtime gives the container: `namespace/name` of a pod, or a name.
    pub(crate) fn pod(&self) -> String {
        let value = |key: &str| {
            let mut args = self.entry.args.iter();
            args.find(|(name, _)| name == key)
                .map(|(_, value)| value.as_str())
        };
        match (value("K8S_POD_NAMESPACE"), value("K8S_POD_NAME")) {
            (Some(namespace), Some(name)) if !namespace.is_empty() => format!("{namespace}/{name}"),
            (_, Some(name)) => name.to_owned(),
            _ => String::new(),
        }
    }
}

/// All attachments that the cache or the alias of a link of the host names, ordered by network,
/// container and interface; and what is wrong with files of the cache.
pub(crate) fn known(cache: &Cache, links: &[Link]) -> (Vec<Known>, Vec<String>) {
    let mut found: Vec<Known> = Vec::new();
    let mut faults = Vec::new();
    match cache.files() {
        Err(error) => faults.push(error.to_string()),
        Ok(files) => {
            for file in files {
                let path = file.path.display().to_string();
                match file.content {
                    Ok(Cached::Entry(entry)) if entry.network.is_empty() => {
                        faults.push(format!("{path}: names no network"));
                    }
                    Ok(Cached::Entry(entry)) => {
                        found.push(Known::new(*entry, Some(file.path), file.modified));
                    }
                    Ok(Cached::BareResult(_)) => {
                        faults.push(format!("{path}: only a result, of an old runtime"));
                    }
                    Err(error) => faults.push(error.to_string()),
                }
            }
        }
    }
    let cached = found.len();
    let mut entries: Vec<Entry> = found.iter().map(|known| known.entry.clone()).collect();
    add_by_alias(&mut entries, links);
    let others = entries.into_iter().skip(cached);
    found.extend(others.map(|entry| Known::new(entry, None, None)));
    let key = |known: &Known| {
        let entry = &known.entry;
        (
            entry.network.clone(),
            entry.attachment.container_id.clone(),
            entry.attachment.ifname.clone(),
        )
    };
    found.sort_by_cached_key(key);
    (found, faults)
}

/// Adds the attachments that aliases of links on the host name, unless they are there already.
pub(crate) fn add_by_alias(entries: &mut Vec<Entry>, links: &[Link]) {
    for link in links {
        if let Some(entry) = link.alias.as_deref().and_then(named_by)
            && !entries.iter().any(|known| is_same(known, &entry))
        {
            entries.push(entry);
        }
    }
}

fn is_same(one: &Entry, other: &Entry) -> bool {
    one.network == other.network && one.attachment == other.attachment
}

/// The attachment that an alias names; none for other aliases, and for names that were too long for an
/// alias and were hashed.
fn named_by(alias: &str) -> Option<Entry> {
    let mut parts = alias.strip_prefix(ALIAS)?.splitn(3, '/');
    let (network, container_id, ifname) = (parts.next()?, parts.next()?, parts.next()?);
    let is_hash = network.starts_with('#') || container_id.starts_with('#');
    (!is_hash && !ifname.is_empty()).then(|| Entry {
        network: network.to_owned(),
        attachment: Attachment {
            container_id: container_id.to_owned(),
            ifname: ifname.to_owned(),
        },
        config: Vec::new(),
        netns: String::new(),
        args: Vec::new(),
        capability_args: Map::new(),
        result: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_name_attachments() {
        let entry = named_by("cni:net/c1/eth0").unwrap();
        assert_eq!(
            (entry.network.as_str(), entry.attachment.ifname.as_str()),
            ("net", "eth0")
        );
        for other in [
            "uplink",
            "cni:net",
            "cni:net/c1",
            "cni:#ab/c1/eth0",
            "cni:net/c1/",
        ] {
            assert!(named_by(other).is_none(), "{other}");
        }
    }
}
