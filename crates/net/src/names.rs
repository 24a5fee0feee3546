//! Hashed names of packet filter objects of an attachment.
//!
//! The Go plugins use the same names, so that each finds what the other created.

use std::collections::HashSet;

use cni_types::Attachments;
use ferrule_kernel::truncate;
use ferrule_netfilter::nft::LONGEST_COMMENT;
use sha2::{Digest, Sha512};

use crate::AttachmentId;
use crate::attachment::hex;

/// Length of a chain's name in bytes: the maximum of iptables.
const CHAIN_LENGTH: usize = 28;
/// How long names of IFB links are, in bytes: what the kernel takes at most.
const IFB_LENGTH: usize = 15;
const IFB_PREFIX: &str = "bwp";
/// Hexadecimal digits of each half of a tag.
const TAG_DIGITS: usize = 16;

/// `prefix`, followed by hexadecimal digits of the SHA-512 of `text`, `length` bytes in all.
pub fn hash_name(prefix: &str, length: usize, text: &str) -> String {
    let mut name = prefix.to_owned();
    name.push_str(&hex(&Sha512::digest(text), Sha512::output_size()));
    truncate(&mut name, length);
    name
}

/// The half of a tag that identifies the network.
pub fn network_tag(network: &str) -> String {
    hash_name("", TAG_DIGITS, network)
}

/// The tags of a network, and which of them belong to listed attachments.
pub struct Tags {
    network: String,
    live: HashSet<String>,
}

impl Tags {
    /// The tags of `network`, where `keep` lists the attachments that GC keeps.
    pub fn new(network: &str, keep: &Attachments) -> Self {
        let tag = |attachment| AttachmentId::listed(network, attachment).tag();
        Self {
            network: format!("{}-", network_tag(network)),
            live: keep.iter().map(tag).collect(),
        }
    }

    /// Whether a tag of this network belongs to no listed attachment.
    pub fn is_stale(&self, tag: &str) -> bool {
        tag.starts_with(&self.network) && !self.live.contains(tag)
    }
}

impl AttachmentId {
    /// The iptables chain of the container in the network. All its interfaces share it, as in the Go
    /// plugins.
    pub fn chain(&self, prefix: &str) -> String {
        let text = format!("{}{}", self.network, self.container_id);
        hash_name(prefix, CHAIN_LENGTH, &text)
    }

    /// The names that the attachment's IFB link may have. The first one is that of the Go plugin,
    /// which does not tell the container's interfaces apart; the second one is for an interface that
    /// finds it taken by another.
    pub fn ifb_names(&self) -> [String; 2] {
        let Self {
            network,
            container_id,
            ifname,
        } = self;
        [
            format!("{network}{container_id}"),
            format!("{network}/{container_id}/{ifname}"),
        ]
        .map(|text| hash_name(IFB_PREFIX, IFB_LENGTH, &text))
    }

    /// The tag of the attachment's nftables objects: a hash of the network and one of interface and
    /// container, joined by a hyphen.
    pub fn tag(&self) -> String {
        let instance = format!("{}:{}", self.ifname, self.container_id);
        format!(
            "{}-{}",
            network_tag(&self.network),
            hash_name("", TAG_DIGITS, &instance)
        )
    }

    /// The comment on the attachment's nftables objects: the tag, and the names for people. `nft` has
    /// no escape for double quotes, so they are left out.
    pub fn comment(&self) -> String {
        let readable = |text: &str| text.replace('"', "");
        let mut comment = format!(
            "{}, net: {}, if: {}, id: {}",
            self.tag(),
            readable(&self.network),
            readable(&self.ifname),
            readable(&self.container_id)
        );
        truncate(&mut comment, LONGEST_COMMENT);
        comment
    }
}

/// The tag at the beginning of an [`AttachmentId::comment`].
pub fn tag_of(comment: &str) -> &str {
    comment.split(',').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_begin_with_the_tag_and_fit() {
        let id = AttachmentId {
            network: "unit-test".into(),
            container_id: "one".into(),
            ifname: "eth0".into(),
        };
        assert_eq!(
            id.comment(),
            "6fd94d501e58f0aa-287fc69eff0574a2, net: unit-test, if: eth0, id: one"
        );
        let long = AttachmentId {
            container_id: "x".repeat(300),
            ..id
        };
        assert_eq!(long.comment().len(), LONGEST_COMMENT);
        assert_eq!(tag_of(&long.comment()), long.tag());
    }

    #[test]
    fn names_are_those_of_the_go_plugins() {
        let name = |prefix, length, text| hash_name(prefix, length, text);
        assert_eq!(name("CNI-", 28, "test1234"), "CNI-2bbe0c48b91a7d1b8a6753a8");
        assert_eq!(
            name("CNI-PREFIX-", 28, "test1234"),
            "CNI-PREFIX-2bbe0c48b91a7d1b8"
        );
    }

    #[test]
    fn only_tags_of_the_network_can_be_dead() {
        let id = |network: &str, container_id: &str| AttachmentId {
            network: network.into(),
            container_id: container_id.into(),
            ifname: "eth0".into(),
        };
        let kept = cni_types::Attachment {
            container_id: "kept".into(),
            ifname: "eth0".into(),
        };
        let tags = Tags::new("net", &[kept].into_iter().collect());
        assert!(tags.is_stale(&id("net", "lost").tag()));
        assert!(!tags.is_stale(&id("net", "kept").tag()));
        assert!(!tags.is_stale(&id("other", "lost").tag()) && !tags.is_stale(""));
    }

    #[test]
    fn chains_and_tags_are_those_of_the_go_plugins() {
        let id = AttachmentId {
            network: "unit-test".into(),
            container_id: "one".into(),
            ifname: "eth0".into(),
        };
        assert_eq!(id.tag(), "6fd94d501e58f0aa-287fc69eff0574a2");
        let id = AttachmentId {
            network: "test".into(),
            container_id: "1234".into(),
            ..id
        };
        assert_eq!(id.chain("CNI-"), "CNI-2bbe0c48b91a7d1b8a6753a8");
        assert_eq!(id.chain("CNI-DN-").len(), 28);
    }

    #[test]
    fn ifb_names_are_those_of_the_go_plugin() {
        let id = |ifname: &str| AttachmentId {
            network: "cni-plugin-bandwidth-test".into(),
            container_id: "dummy".into(),
            ifname: ifname.into(),
        };
        let [name, second] = id("eth0").ifb_names();
        assert_eq!(name, "bwpa8eda89404b7");
        assert!(second.len() == 15 && second.starts_with("bwp") && second != name);
        assert_eq!(id("net1").ifb_names()[0], name);
        assert_ne!(id("net1").ifb_names()[1], second);
    }
}
