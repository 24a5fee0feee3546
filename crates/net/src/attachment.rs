//! Names by which the host side of an attachment is found again.
//!
//! A host link is named after a hash of (network, container, interface) and carries the three in its
//! alias. So DEL finds it when the container's namespace is gone, leaves alone what belongs to
//! another container that got a recycled namespace, and GC can tell whose a leaked link is. Links
//! made by the Go plugins have a random name and no alias.

use std::borrow::Cow;
use std::collections::HashSet;

use cni_types::{Attachment, Attachments, Request};
use ferrule_kernel::Link;
use sha2::{Digest, Sha512};

use crate::veth;

/// What every alias of ours begins with.
const ALIAS_MARK: &str = "cni:";
/// The longest name that stands in an alias as it is, in bytes. The kernel allows an alias 255
/// (`IFALIASZ` less the final zero), of which the mark, slashes and the interface take 21.
const MAX_NAME: usize = 117;
/// Two attachments share a 32-bit hash now and then, hence more than one name.
pub(crate) const NAMES: u32 = 4;

/// One interface of one container in one network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachmentId {
    /// The network's name.
    pub network: String,
    /// The container's id.
    pub container_id: String,
    /// The interface's name inside the container.
    pub ifname: String,
}

impl From<&Request> for AttachmentId {
    fn from(request: &Request) -> Self {
        Self {
            network: request.network.clone(),
            container_id: request.container_id.clone(),
            ifname: request.ifname.clone(),
        }
    }
}

impl AttachmentId {
    /// One of those that a runtime lists for GC of a network.
    pub fn listed(network: &str, attachment: &Attachment) -> Self {
        Self {
            network: network.to_owned(),
            container_id: attachment.container_id.clone(),
            ifname: attachment.ifname.clone(),
        }
    }

    /// The alias of host links of this attachment.
    pub fn alias(&self) -> String {
        let network = shortened(&self.network);
        let container_id = shortened(&self.container_id);
        format!("{ALIAS_MARK}{network}/{container_id}/{}", self.ifname)
    }

    /// Sixteen hexadecimal digits, for files that belong to this attachment.
    pub fn key(&self) -> String {
        let Self {
            network,
            container_id,
            ifname,
        } = self;
        let identity = format!("{network}/{container_id}/{ifname}");
        hex(&Sha512::digest(identity), 8)
    }

    /// The device group of a host link of this attachment from its making to its marking. Numbers that
    /// people choose are smaller.
    pub(crate) fn group(&self) -> u32 {
        group_of(&self.network)
    }

    /// The names a host link of this attachment may have: `prefix` and eight hexadecimal digits.
    pub(crate) fn host_names(&self, prefix: &str) -> impl Iterator<Item = String> {
        let Self {
            network,
            container_id,
            ifname,
        } = self;
        (0..NAMES).map(move |attempt| {
            let identity = format!("{network}/{container_id}/{ifname}/{attempt}");
            format!("{prefix}{}", hex(&Sha512::digest(identity), 4))
        })
    }

    /// The name of a link in the container between its making and its renaming, where it cannot be
    /// made under its final name.
    pub(crate) fn temp_name(&self) -> String {
        self.host_names("cni").next().unwrap_or_default()
    }

    /// Whether a link with this alias belongs to another attachment of ours.
    pub(crate) fn is_foreign(&self, alias: Option<&str>) -> bool {
        alias.is_some_and(|alias| alias.starts_with(ALIAS_MARK) && alias != self.alias())
    }
}

/// How a network's links on the host are known, and which of them are alive.
pub(crate) struct LiveLinks {
    mark: String,
    group: u32,
    aliases: HashSet<String>,
    names: HashSet<String>,
}

impl LiveLinks {
    pub(crate) fn new(network: &str, keep: &Attachments) -> Self {
        let ids = || keep.iter().map(|one| AttachmentId::listed(network, one));
        Self {
            mark: format!("{ALIAS_MARK}{}/", shortened(network)),
            group: group_of(network),
            aliases: ids().map(|id| id.alias()).collect(),
            names: ids()
                .flat_map(|id| id.host_names(veth::PREFIX).collect::<Vec<_>>())
                .collect(),
        }
    }

    /// Whether a link was left behind in the network, by an ADD without DEL or by one that was killed
    /// before the link had its alias.
    pub(crate) fn is_stale(&self, link: &Link) -> bool {
        match &link.alias {
            Some(alias) => self.is_dead_alias(alias),
            None => self.is_dead_name(&link.name, link.group),
        }
    }

    fn is_dead_alias(&self, alias: &str) -> bool {
        alias.starts_with(&self.mark) && !self.aliases.contains(alias)
    }

    fn is_dead_name(&self, name: &str, group: u32) -> bool {
        group == self.group && !self.names.contains(name)
    }
}

fn group_of(network: &str) -> u32 {
    let [a, b, c, d, ..] = <[u8; 64]>::from(Sha512::digest(network));
    u32::from_be_bytes([a | 0x80, b, c, d])
}

/// The name itself, or if it is too long to stand in an alias beside another one, a hash of it. No
/// name begins as the hash does.
fn shortened(name: &str) -> Cow<'_, str> {
    if name.len() <= MAX_NAME {
        return name.into();
    }
    format!("#{}", hex(&Sha512::digest(name), 16)).into()
}

/// The first `bytes` bytes in lower-case hexadecimal digits.
pub(crate) fn hex(digest: &[u8], bytes: usize) -> String {
    use std::fmt::Write;
    digest
        .iter()
        .take(bytes)
        .fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(network: &str, container_id: &str) -> AttachmentId {
        AttachmentId {
            network: network.into(),
            container_id: container_id.into(),
            ifname: "eth0".into(),
        }
    }

    #[test]
    fn names_fit_and_differ() {
        let names: HashSet<String> = id("n", "a")
            .host_names("veth")
            .chain(id("n", "b").host_names("veth"))
            .chain(id("m", "a").host_names("veth"))
            .collect();
        assert_eq!(names.len(), 12);
        assert!(
            names
                .iter()
                .all(|name| name.len() == 12 && name.starts_with("veth"))
        );
    }

    #[test]
    fn an_alias_tells_ours_from_foreign_ones_and_from_those_of_others() {
        let ours = id("net", "c1");
        assert_eq!(ours.alias(), "cni:net/c1/eth0");
        assert!(!ours.is_foreign(Some("cni:net/c1/eth0")));
        assert!(ours.is_foreign(Some("cni:net/c2/eth0")));
        assert!(!ours.is_foreign(None) && !ours.is_foreign(Some("uplink to rack 7")));
        let long = id("net", &"x".repeat(300));
        assert!(long.alias().len() <= 255);
        let longest = id(&"n".repeat(117), &"c".repeat(117));
        assert!(longest.alias().len() <= 255 && !longest.alias().contains('#'));
        assert!(ours.is_foreign(Some(&long.alias())));
    }

    #[test]
    fn gc_counts_only_links_of_the_network() {
        let keep = [cni_types::Attachment {
            container_id: "c1".into(),
            ifname: "eth0".into(),
        }];
        let live = LiveLinks::new("net", &keep.into_iter().collect());
        assert!(live.is_dead_alias("cni:net/c2/eth0"));
        assert!(!live.is_dead_alias("cni:net/c1/eth0"));
        assert!(!live.is_dead_alias("cni:net2/c2/eth0"));
        let (long, longer) = ("n".repeat(300), "n".repeat(301));
        let live = LiveLinks::new(&long, &Attachments::default());
        assert!(live.is_dead_alias(&id(&long, "c").alias()));
        assert!(!live.is_dead_alias(&id(&longer, "c").alias()));
    }

    #[test]
    fn links_without_an_alias_are_known_by_group_and_name() {
        let (first, other) = (id("net", "c1"), id("other", "c1"));
        assert!(first.group() > u32::MAX / 2 && first.group() != other.group());
        assert_eq!(first.group(), id("net", "c2").group());
        let keep = [cni_types::Attachment {
            container_id: "c1".into(),
            ifname: "eth0".into(),
        }];
        let live = LiveLinks::new("net", &keep.into_iter().collect());
        let names = |id: &AttachmentId| id.host_names("veth").collect::<Vec<_>>();
        for name in names(&first) {
            assert!(!live.is_dead_name(&name, first.group()));
        }
        for name in names(&id("net", "c2")) {
            assert!(live.is_dead_name(&name, first.group()));
            assert!(!live.is_dead_name(&name, other.group()) && !live.is_dead_name(&name, 0));
        }
    }
}
