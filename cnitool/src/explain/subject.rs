//! The container that is explained: its attachments, links and addresses.

use std::net::IpAddr;

use cni_types::check_container_id;
use ferrule_kernel::Link;
use libcni::cache::{Cache, Entry};

use super::mentions::mentions;
use crate::attachments;
use crate::error::CommandError;
use crate::node::{Host, Known, known};
use crate::selection::select;
use crate::tell;

/// What is looked for.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) container_id: String,
    pub(super) attachments: Vec<Known>,
    pub(super) host: Host,
    /// The container's addresses, as the kernel has them, as ADD reported them, and as they are leased.
    pub(super) addresses: Vec<IpAddr>,
    /// Links of the host that belong to the container alone.
    pub(super) host_links: Vec<Link>,
    /// That no attachment of it is known; leases, rules and records may be.
    pub(super) unknown: Option<CommandError>,
}

impl Subject {
    /// The container that the text names, as in [`select`]. One that no attachment is known of is looked
    /// for by its whole id.
    pub(super) fn find(text: &str) -> Result<Self, CommandError> {
        let host = Host::open().map_err(|error| CommandError::new(error.to_string()))?;
        let (mut known, faults) = known(&Cache::default(), &host.links);
        for fault in faults {
            tell(&format!("cnitool explain: skipped {fault}\n"));
        }
        let entries: Vec<Entry> = known.iter().map(|one| one.entry.clone()).collect();
        let (container_id, unknown) = match select(&entries, text) {
            Ok(chosen) => {
                known.retain(|one| chosen.contains(&&one.entry));
                let first = known
                    .first()
                    .map(|one| one.entry.attachment.container_id.clone());
                (first.unwrap_or_default(), None)
            }
            Err(error) if check_container_id(text).is_ok() => {
                known.clear();
                (text.to_owned(), Some(error))
            }
            Err(error) => return Err(error),
        };
        let host_links = host_links(&host, &known, &container_id);
        let mut subject = Self {
            container_id,
            addresses: Vec::new(),
            host,
            host_links,
            unknown,
            attachments: Vec::new(),
        };
        subject.add_addresses(known.iter().flat_map(addresses));
        subject.attachments = known;
        Ok(subject)
    }

    /// Adds addresses of the container, each once.
    pub(super) fn add_addresses(&mut self, more: impl Iterator<Item = IpAddr>) {
        self.addresses.extend(more);
        self.addresses.sort_unstable();
        self.addresses.dedup();
    }

    /// The names that runtimes give the container.
    pub(super) fn pods(&self) -> Vec<String> {
        let mut pods: Vec<String> = self.attachments.iter().map(Known::pod).collect();
        pods.retain(|pod| !pod.is_empty());
        pods.dedup();
        pods
    }

    /// Whether a rule, or a line of it, is about the container.
    pub(super) fn is_mentioned(&self, text: &str) -> bool {
        mentions(text, &self.container_id)
            || self
                .host_links
                .iter()
                .any(|link| mentions(text, &link.name))
            || self
                .addresses
                .iter()
                .any(|address| mentions(text, &address.to_string()))
    }
}

/// The addresses of an attachment.
fn addresses(known: &Known) -> Vec<IpAddr> {
    let mut texts = known.addresses();
    texts.extend(attachments::addresses(&known.entry));
    let address = |text: &String| text.split('/').next()?.parse().ok();
    texts.iter().filter_map(address).collect()
}

/// The links of the host that belong to the attachments: ends of pairs by their peer, others by alias or
/// by the result of ADD.
fn host_links(host: &Host, attachments: &[Known], container_id: &str) -> Vec<Link> {
    let mut found: Vec<Link> = attachments
        .iter()
        .filter_map(|known| host.peer(known.link.as_ref()?))
        .cloned()
        .collect();
    let is_own = |link: &&Link| {
        let alias = link.alias.as_deref().unwrap_or_default();
        let names = attachments.iter().any(|known| {
            let attachment = &known.entry.attachment;
            let end = format!("{}/{}", attachment.container_id, attachment.ifname);
            alias.starts_with("cni:") && mentions(alias, &end)
        });
        names
            || (attachments.is_empty()
                && alias.starts_with("cni:")
                && mentions(alias, container_id))
    };
    found.extend(host.links.iter().filter(is_own).cloned());
    for known in attachments {
        let result = attachments::result(&known.entry);
        let on_host = result
            .interfaces
            .iter()
            .filter(|one| one.sandbox.is_empty());
        for interface in on_host {
            // Bridges and masters belong to others as well.
            let link = host.by_name(&interface.name);
            let is_own = |link: &&Link| link.is_kind("veth") || link.is_kind("ifb");
            found.extend(link.filter(is_own).cloned());
        }
    }
    found.sort_by_key(|link| link.index);
    found.dedup_by_key(|link| link.index);
    found
}
