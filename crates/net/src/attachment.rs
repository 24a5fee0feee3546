//! Names by which DEL and GC find the links of an attachment.
//!
//! The name of a host link is a hash of (network, container, interface), and its alias contains the
//! three. So DEL finds the link when the container's namespace is gone, does not touch links of
//! another container in a recycled namespace, and GC knows the owner of a leaked link. Links
//! created by the Go plugins have a random name and no alias.

use std::borrow::Cow;
use std::collections::HashSet;

use cni_types::{Attachment, Attachments, Request};
use ferrule_kernel::Link;
use sha2::{Digest, Sha512};

use crate::veth;

/// The prefix of every alias that Ferrule sets.
const ALIAS_MARK: &str = "cni:";
/// The longest name that is written to an alias unchanged, in bytes. The kernel allows 255 bytes
/// (`IFALIASZ` without the final zero); prefix, slashes and interface name use 21.
const MAX_NAME: usize = 117;
/// How many names are tried, since two attachments may have the same 32-bit hash.
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

impl AttachmentId {
    /// The attachment of a request.
    pub fn of(request: &Request) -> Self {
        Self {
            network: request.network.clone(),
            container_id: request.container_id.clone(),
            ifname: request.ifname.clone(),
        }
    }

    /// An attachment from the list that a runtime sends with GC.
    pub fn listed(network: &str, attachment: &Attachment) -> Self {
        Self {
            network: network.to_owned(),
            container_id: attachment.container_id.clone(),
            ifname: attachment.ifname.clone(),
        }
    }

    /// The alias of the links of this attachment.
    pub fn alias(&self) -> String {
        let network = shortened(&self.network);
        let container_id = shortened(&self.container_id);
        format!("{ALIAS_MARK}{network}/{container_id}/{}", self.ifname)
    }

    /// Sixteen hexadecimal digits that name files of this attachment.
    pub fn key(&self) -> String {
        let Self {
            network,
            container_id,
            ifname,
        } = self;
        let identity = format!("{network}/{container_id}/{ifname}");
        hex(&Sha512::digest(identity), 8)
    }

    /// The device group (`IFLA_GROUP`) of a host link of this attachment from its creation until it
    /// gets its alias. Administrators use smaller numbers.
    pub fn group(&self) -> u32 {
        group_of(&self.network)
    }

    /// The possible names of a host link of this attachment: `prefix` and eight hexadecimal digits.
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

    /// The temporary name of a container link that cannot be created under its final name.
    pub(crate) fn temp_name(&self) -> String {
        self.host_names("cni").next().unwrap_or_default()
    }

    /// Whether the alias is that of another attachment.
    pub fn is_foreign(&self, alias: Option<&str>) -> bool {
        alias.is_some_and(|alias| alias.starts_with(ALIAS_MARK) && alias != self.alias())
    }
}

/// The links of a network on the host, and which of them belong to listed attachments.
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
                .flat_map(|id| {
                    let pairs = id.host_names(veth::PREFIX);
                    pairs.chain(id.ifb_names()).collect::<Vec<_>>()
                })
                .collect(),
        }
    }

    /// Whether a link of this network belongs to no listed attachment. This includes a link whose ADD
    /// was killed before it set the alias.
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

/// The name, or a hash of it where it is too long for an alias. CNI names cannot begin with the
/// hash's `#`.
fn shortened(name: &str) -> Cow<'_, str> {
    if name.len() <= MAX_NAME {
        return name.into();
    }
    format!("#{}", hex(&Sha512::digest(name), 16)).into()
}

/// The first `bytes` bytes as lower-case hexadecimal digits.
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
        let names = |id: &AttachmentId| {
            let pairs = id.host_names("veth");
            pairs.chain(id.ifb_names()).collect::<Vec<_>>()
        };
        for name in names(&first) {
            assert!(!live.is_dead_name(&name, first.group()));
        }
        for name in names(&id("net", "c2")) {
            assert!(live.is_dead_name(&name, first.group()));
            assert!(!live.is_dead_name(&name, other.group()) && !live.is_dead_name(&name, 0));
        }
    }
}
