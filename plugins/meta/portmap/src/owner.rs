//! Whose a rule or map element is, and whether that container is still there.
//!
//! The Go plugin owns a rule by a comment that is the container's id. Ours have the same comment
//! and beside it a note with a tag (a hash of the network and one of interface and container) and
//! what tells whether the container is there.

use cni_types::{CniResult, Request};
use ferrule_kernel::truncate;
use ferrule_net::AttachmentId;
use ferrule_netfilter::nft::LONGEST_COMMENT;

use crate::liveness::{Traces, is_alive};

/// What the kernel keeps for one object, in bytes (`NFT_USERDATA_MAXLEN`).
const USER_DATA: usize = 256;
/// What comment and note take besides their letters: type, length and a zero byte each.
const OVERHEAD: usize = 6;

/// The attachment whose mappings are being changed.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    pub(crate) id: AttachmentId,
    pub(crate) tag: String,
    /// What tells whether the container is there; nothing for verbs that write no rules.
    pub(crate) traces: Traces,
}

/// How a rule or element stands to the attachment at hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is this attachment's.
    Own,
    /// It is another one's.
    Other(Holder),
}

/// Who has a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) container: String,
    /// Whether it is the same container, in another network.
    is_same_container: bool,
    note: Option<String>,
}

/// Whether a holder is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HolderState {
    /// Its container is gone.
    Dead,
    /// Its container is there, as far as anybody can tell.
    Alive,
    /// It is the same container, by another of its networks.
    SameContainer,
    /// It is of the Go plugin, or its note was lost: its container may be there or not.
    Unknown,
}

impl Holder {
    /// Finds out; this may take a while.
    pub(crate) fn state(&self) -> HolderState {
        match (&self.note, self.is_same_container) {
            (Some(note), _) if !is_alive(note) => HolderState::Dead,
            (_, true) => HolderState::SameContainer,
            (Some(_), false) => HolderState::Alive,
            (None, false) => HolderState::Unknown,
        }
    }
}

impl Owner {
    pub(crate) fn of(request: &Request) -> Self {
        let id = AttachmentId::from(request);
        Self {
            tag: id.tag(),
            id,
            traces: Traces::default(),
        }
    }

    /// The same for ADD, which notes what tells whether the container is there.
    pub(crate) fn of_living(request: &Request, result: &CniResult) -> Self {
        Self {
            traces: Traces::of(request, result),
            ..Self::of(request)
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

    /// The note on map elements: how many elements the attachment has in all, and the traces.
    pub(crate) fn element_note(&self, count: usize) -> String {
        self.note(&count.to_string(), &self.element_comment())
    }

    /// A note that goes with a comment: without what would be too long.
    fn note(&self, word: &str, comment: &str) -> String {
        let room = USER_DATA.saturating_sub(comment.len() + word.len() + OVERHEAD);
        format!("{word}{}", self.traces.text(room))
    }

    /// How a rule with these texts stands to this attachment. Without a note it was made by the
    /// Go plugin, for any attachment of the container.
    pub(crate) fn standing_of_rule(&self, comment: Option<&str>, note: Option<&str>) -> Standing {
        let container = comment.unwrap_or_default();
        match note {
            Some(note) => self.standing(first_word(note), container, Some(note)),
            None if container == self.id.container_id => Standing::Own,
            None => self.standing("", container, None),
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
        self.standing(tag, container, note)
    }

    fn standing(&self, tag: &str, container: &str, note: Option<&str>) -> Standing {
        if tag == self.tag {
            return Standing::Own;
        }
        Standing::Other(self.holder(container, note))
    }

    /// Another attachment, of this container or another one.
    pub(crate) fn holder(&self, container: &str, note: Option<&str>) -> Holder {
        Holder {
            is_same_container: container == self.id.container_id,
            container: container.to_owned(),
            note: note.map(str::to_owned),
        }
    }
}

/// What a note begins with: the tag on rules, the count on elements.
pub(crate) fn first_word(note: &str) -> &str {
    note.split(' ').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::liveness::NetnsTrace;

    fn owner(container: &str, path: &str) -> Owner {
        let id = AttachmentId {
            network: "net".into(),
            container_id: container.into(),
            ifname: "eth0".into(),
        };
        Owner {
            tag: id.tag(),
            id,
            traces: Traces {
                link: None,
                netns: NetnsTrace::at(path),
            },
        }
    }

    /// A path that exists, as the namespace of a container that does.
    const ALIVE: &str = "/proc/self/exe";

    fn state(standing: Standing) -> (String, HolderState) {
        match standing {
            Standing::Own => panic!("it is another one's"),
            Standing::Other(holder) => (holder.container.clone(), holder.state()),
        }
    }

    #[test]
    fn rules_of_others_are_told_apart_by_their_notes() {
        let us = owner("us", ALIVE);
        let standing = |other: &Owner| {
            let comment = other.rule_comment();
            us.standing_of_rule(Some(comment), Some(&other.rule_note()))
        };
        assert_eq!(standing(&us), Standing::Own);
        let other = owner("a", ALIVE);
        assert_eq!(state(standing(&other)), ("a".into(), HolderState::Alive));
        let mut gone = owner("b", ALIVE);
        if let Some(netns) = &mut gone.traces.netns {
            netns.path = "/run/netns/no-such-container".into();
        }
        assert_eq!(state(standing(&gone)), ("b".into(), HolderState::Dead));
    }

    #[test]
    fn rules_of_the_go_plugin_belong_to_the_container() {
        let us = owner("us", ALIVE);
        assert_eq!(us.standing_of_rule(Some("us"), None), Standing::Own);
        let theirs = us.standing_of_rule(Some("you"), None);
        assert_eq!(state(theirs), ("you".into(), HolderState::Unknown));
    }

    #[test]
    fn another_network_of_the_container_is_not_ours() {
        let us = owner("us", ALIVE);
        let mut other = owner("us", ALIVE);
        other.id.network = "other".into();
        other.tag = other.id.tag();
        for note in [other.rule_note(), "tag".to_owned()] {
            let theirs = us.standing_of_rule(Some("us"), Some(&note));
            assert_eq!(state(theirs), ("us".into(), HolderState::SameContainer));
        }
    }

    #[test]
    fn elements_tell_their_owner_even_without_a_note() {
        let us = owner("us", ALIVE);
        let other = owner("other", ALIVE);
        let comment = other.element_comment();
        assert!(
            comment.ends_with(", id: other, if: eth0, net: net"),
            "{comment}"
        );
        let note = other.element_note(3);
        assert!(note.starts_with("3 "), "{note}");
        let of = |note| state(us.standing_of_element(Some(&comment), note));
        assert_eq!(of(Some(&note)), ("other".into(), HolderState::Alive));
        assert_eq!(of(None), ("other".into(), HolderState::Unknown));
        let own = us.element_comment();
        assert_eq!(us.standing_of_element(Some(&own), None), Standing::Own);
        let nobodys = us.standing_of_element(None, None);
        assert_eq!(state(nobodys), (String::new(), HolderState::Unknown));
    }

    #[test]
    fn comment_and_note_always_fit() {
        let with = |container: usize, path: usize| {
            let mut owner = owner(&"c".repeat(container), ALIVE);
            owner.traces = Traces {
                link: Some(u32::MAX),
                netns: Some(NetnsTrace {
                    inode: 4_026_531_840,
                    mounts: 4_026_531_841,
                    path: format!("/{}", "n".repeat(path)),
                }),
            };
            owner
        };
        let long = with(200, 200);
        let comment = long.element_comment();
        assert_eq!(comment.len(), LONGEST_COMMENT);
        assert_eq!(long.element_note(7), "7 link:4294967295");
        // As containerd has them.
        let usual = with(64, "/var/run/netns/cni-".len() + 36);
        for (comment, note) in [
            (usual.rule_comment(), usual.rule_note()),
            (&usual.element_comment(), usual.element_note(10_000)),
        ] {
            assert!(note.len() + comment.len() + OVERHEAD <= USER_DATA);
            assert!(note.contains("/nnn"), "{} {note}", comment.len());
        }
    }
}
