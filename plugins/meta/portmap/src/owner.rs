//! Whose a rule or map element is, and whether that container is still there.
//!
//! The Go plugin owns a rule by a comment that is the container's id. Ours have the same comment
//! and beside it a note with a tag (a hash of the network and one of interface and container) and
//! the container's network namespace: a namespace that is gone tells that its container is.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use cni_types::Request;
use ferrule_kernel::truncate;
use ferrule_net::AttachmentId;
use ferrule_netfilter::nft::LONGEST_COMMENT;

/// What the kernel keeps for one object, in bytes (`NFT_USERDATA_MAXLEN`).
const USER_DATA: usize = 256;
/// What comment and note take besides their letters: type, length and a zero byte each.
const OVERHEAD: usize = 6;

/// The attachment whose mappings are being changed.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    pub(crate) id: AttachmentId,
    pub(crate) tag: String,
    /// The container's namespace: inode number and path.
    namespace: Option<String>,
}

/// How a rule or element stands to the attachment at hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is this attachment's.
    Own,
    /// Its container is gone.
    Dead,
    /// Its container, of this id, is there.
    Alive(String),
    /// It is of the container of this id, which may be there or not.
    Unknown(String),
}

impl Owner {
    pub(crate) fn of(request: &Request) -> Self {
        let id = AttachmentId::from(request);
        let path = request.netns.to_str().unwrap_or_default();
        Self {
            tag: id.tag(),
            id,
            namespace: inode(path).map(|inode| format!("{inode} {path}")),
        }
    }

    /// The comment on rules: for the Go plugin all there is to know.
    pub(crate) fn rule_comment(&self) -> &str {
        &self.id.container_id
    }

    /// The comment on map elements, which also survives a ruleset that is printed and read again.
    pub(crate) fn element_comment(&self) -> String {
        let AttachmentId {
            network,
            container_id,
            ifname,
        } = &self.id;
        let mut text = format!(
            "{}, id: {container_id}, if: {ifname}, net: {network}",
            self.tag
        );
        truncate(&mut text, LONGEST_COMMENT);
        text
    }

    /// The note on rules.
    pub(crate) fn rule_note(&self) -> String {
        self.note(&self.tag, self.rule_comment())
    }

    /// The note on map elements: how many elements the attachment has in all, and the namespace.
    pub(crate) fn element_note(&self, count: usize) -> String {
        self.note(&count.to_string(), &self.element_comment())
    }

    /// A note that goes with a comment: without the namespace if that is too long.
    fn note(&self, word: &str, comment: &str) -> String {
        match &self.namespace {
            Some(namespace)
                if comment.len() + word.len() + 1 + namespace.len() + OVERHEAD <= USER_DATA =>
            {
                format!("{word} {namespace}")
            }
            _ => word.to_owned(),
        }
    }

    /// How a rule with these texts stands to this attachment. Without a note it was made by the
    /// Go plugin, for any attachment of the container.
    pub(crate) fn standing_of_rule(&self, comment: Option<&str>, note: Option<&str>) -> Standing {
        let container = comment.unwrap_or_default();
        match note {
            Some(note) => self.standing(first_word(note), container, note),
            None if container == self.id.container_id => Standing::Own,
            None => Standing::Unknown(container.to_owned()),
        }
    }

    /// How a map element with these texts stands to this attachment.
    pub(crate) fn standing_of_element(
        &self,
        comment: Option<&str>,
        note: Option<&str>,
    ) -> Standing {
        let comment = comment.unwrap_or_default();
        let tag = comment.split(',').next().unwrap_or_default();
        let container = comment
            .split(", ")
            .find_map(|part| part.strip_prefix("id: "))
            .unwrap_or(comment);
        self.standing(tag, container, note.unwrap_or_default())
    }

    fn standing(&self, tag: &str, container: &str, note: &str) -> Standing {
        if tag == self.tag {
            return Standing::Own;
        }
        match is_alive(note) {
            Some(true) => Standing::Alive(container.to_owned()),
            Some(false) => Standing::Dead,
            None => Standing::Unknown(container.to_owned()),
        }
    }
}

/// What a note begins with: the tag on rules, the count on elements.
pub(crate) fn first_word(note: &str) -> &str {
    note.split(' ').next().unwrap_or_default()
}

/// Whether the namespace that a note names is there, and the same as when it was written.
fn is_alive(note: &str) -> Option<bool> {
    let mut parts = note.splitn(3, ' ').skip(1);
    let noted: u64 = parts.next()?.parse().ok()?;
    let path = parts.next()?;
    Some(inode(path) == Some(noted))
}

fn inode(path: &str) -> Option<u64> {
    fs::metadata(path).ok().map(|data| data.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(container: &str, namespace: Option<String>) -> Owner {
        let id = AttachmentId {
            network: "net".into(),
            container_id: container.into(),
            ifname: "eth0".into(),
        };
        Owner {
            tag: id.tag(),
            id,
            namespace,
        }
    }

    /// A path that exists, as the namespace of a container that does.
    fn alive() -> Option<String> {
        let path = "/proc/self/exe";
        inode(path).map(|inode| format!("{inode} {path}"))
    }

    #[test]
    fn rules_of_others_are_told_apart_by_their_namespace() {
        let us = owner("us", alive());
        let standing = |other: &Owner| {
            let comment = other.rule_comment();
            us.standing_of_rule(Some(comment), Some(&other.rule_note()))
        };
        assert_eq!(standing(&us), Standing::Own);
        assert_eq!(
            standing(&owner("a", alive())),
            Standing::Alive("a".to_owned())
        );
        let gone = owner("b", Some("7 /run/netns/no-such-container".to_owned()));
        assert_eq!(standing(&gone), Standing::Dead);
        let recycled = owner("c", Some("1 /proc/self/exe".to_owned()));
        assert_eq!(standing(&recycled), Standing::Dead);
        assert_eq!(
            standing(&owner("d", None)),
            Standing::Unknown("d".to_owned())
        );
    }

    #[test]
    fn rules_of_the_go_plugin_belong_to_the_container() {
        let us = owner("us", alive());
        assert_eq!(us.standing_of_rule(Some("us"), None), Standing::Own);
        assert_eq!(
            us.standing_of_rule(Some("you"), None),
            Standing::Unknown("you".to_owned())
        );
    }

    #[test]
    fn another_network_of_the_container_is_not_ours() {
        let us = owner("us", alive());
        let mut other = owner("us", alive());
        other.id.network = "other".into();
        other.tag = other.id.tag();
        let note = other.rule_note();
        assert_eq!(
            us.standing_of_rule(Some("us"), Some(&note)),
            Standing::Alive("us".to_owned())
        );
    }

    #[test]
    fn elements_tell_their_owner_even_without_a_note() {
        let us = owner("us", alive());
        let other = owner("other", alive());
        let comment = other.element_comment();
        assert!(
            comment.ends_with(", id: other, if: eth0, net: net"),
            "{comment}"
        );
        let note = other.element_note(3);
        assert!(note.starts_with("3 "), "{note}");
        assert_eq!(
            us.standing_of_element(Some(&comment), Some(&note)),
            Standing::Alive("other".to_owned())
        );
        assert_eq!(
            us.standing_of_element(Some(&comment), None),
            Standing::Unknown("other".to_owned())
        );
        let own = us.element_comment();
        assert_eq!(us.standing_of_element(Some(&own), None), Standing::Own);
        assert_eq!(
            us.standing_of_element(None, None),
            Standing::Unknown(String::new())
        );
    }

    #[test]
    fn comment_and_note_always_fit() {
        let long = owner(&"c".repeat(200), Some(format!("1 /{}", "n".repeat(200))));
        let comment = long.element_comment();
        assert_eq!(comment.len(), LONGEST_COMMENT);
        assert_eq!(long.element_note(7), "7");
        assert_eq!(long.rule_note(), long.tag);
        let usual = owner(
            &"c".repeat(64),
            Some(format!("4026531840 /var/run/netns/cni-{}", "0".repeat(36))),
        );
        for (comment, note) in [
            (usual.rule_comment(), usual.rule_note()),
            (&usual.element_comment(), usual.element_note(10_000)),
        ] {
            assert!(note.len() + comment.len() + OVERHEAD <= USER_DATA);
            assert!(note.contains("/var/run/netns"), "{} {note}", comment.len());
        }
    }
}
