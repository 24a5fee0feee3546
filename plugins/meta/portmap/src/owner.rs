//! The owner of a rule or map element, and whether its container still runs.
//!
//! The Go plugin writes the container's id as the comment of a rule. Ours have the same comment, and a
//! note with a tag (a hash of the network and one of interface and container) and with the traces of
//! the container.

use cni_types::{CniResult, Request};
use ferrule_kernel::truncate;
use ferrule_net::{AttachmentId, tag_of};
use ferrule_netfilter::nft::LONGEST_COMMENT;

use crate::liveness::{Traces, is_alive};

/// The user data of one object, in bytes (`NFT_USERDATA_MAXLEN`).
const USER_DATA: usize = 256;
/// The overhead of comment and note: type, length and a zero byte each.
const OVERHEAD: usize = 6;

/// The attachment of the call.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    pub(crate) id: AttachmentId,
    pub(crate) tag: String,
    /// The traces of the container; none for verbs that write no rules.
    pub(crate) traces: Traces,
}

/// The owner of a rule or element, seen from the attachment of the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OwnerState {
    /// This attachment.
    Own,
    /// Another attachment.
    Other(Holder),
}

/// The owner of a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) container: String,
    /// Whether it is another network of the same container.
    is_same_container: bool,
    note: Option<String>,
}

/// Whether the container of a holder runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HolderState {
    /// The container is gone.
    Dead,
    /// The container runs, or may run.
    Alive,
    /// It is the same container, with another of its networks.
    SameContainer,
    /// Unknown: the rule is the Go plugin's, or has lost its note.
    Unknown,
}

impl Holder {
    /// Finds out; this may wait, see [`crate::liveness`].
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
        let id = AttachmentId::of(request);
        Self {
            tag: id.tag(),
            id,
            traces: Traces::default(),
        }
    }

    /// The owner for ADD, with the traces of the container.
    pub(crate) fn of_living(request: &Request, result: &CniResult) -> Self {
        Self {
            traces: Traces::of(request, result),
            ..Self::of(request)
        }
    }

    /// The comment on rules, by which the Go plugin finds them.
    pub(crate) fn rule_comment(&self) -> &str {
        &self.id.container_id
    }

    /// The comment on map elements, which survives printing and loading a ruleset.
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

    /// The note on map elements: the number of elements of the attachment, and the traces.
    pub(crate) fn element_note(&self, count: usize) -> String {
        self.note(&count.to_string(), &self.element_comment())
    }

    /// A note beside a comment; traces that do not fit are left out.
    fn note(&self, word: &str, comment: &str) -> String {
        let room = USER_DATA.saturating_sub(comment.len() + word.len() + OVERHEAD);
        format!("{word}{}", self.traces.text(room))
    }

    /// The owner of a rule with these texts. A rule without a note is the Go plugin's, for any
    /// attachment of the container.
    pub(crate) fn state_of_rule(&self, comment: Option<&str>, note: Option<&str>) -> OwnerState {
        let container = comment.unwrap_or_default();
        match note {
            Some(note) => self.owner_state(first_word(note), container, Some(note)),
            None if container == self.id.container_id => OwnerState::Own,
            None => self.owner_state("", container, None),
        }
    }

    /// The owner of a map element with these texts.
    pub(crate) fn state_of_element(&self, comment: Option<&str>, note: Option<&str>) -> OwnerState {
        let comment = comment.unwrap_or_default();
        let tag = tag_of(comment);
        let container = comment
            .split(", ")
            .find_map(|part| part.strip_prefix("id: "))
            .unwrap_or(comment);
        self.owner_state(tag, container, note)
    }

    fn owner_state(&self, tag: &str, container: &str, note: Option<&str>) -> OwnerState {
        if tag == self.tag {
            return OwnerState::Own;
        }
        OwnerState::Other(self.holder(container, note))
    }

    /// Another attachment, of this or another container.
    pub(crate) fn holder(&self, container: &str, note: Option<&str>) -> Holder {
        Holder {
            is_same_container: container == self.id.container_id,
            container: container.to_owned(),
            note: note.map(str::to_owned),
        }
    }
}

/// The first word of a note: the tag on rules, the count on elements.
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

    fn state(owner_state: OwnerState) -> (String, HolderState) {
        match owner_state {
            OwnerState::Own => panic!("it is another one's"),
            OwnerState::Other(holder) => (holder.container.clone(), holder.state()),
        }
    }

    #[test]
    fn rules_of_others_are_told_apart_by_their_notes() {
        let us = owner("us", ALIVE);
        let owner_state = |other: &Owner| {
            let comment = other.rule_comment();
            us.state_of_rule(Some(comment), Some(&other.rule_note()))
        };
        assert_eq!(owner_state(&us), OwnerState::Own);
        let other = owner("a", ALIVE);
        assert_eq!(state(owner_state(&other)), ("a".into(), HolderState::Alive));
        let mut gone = owner("b", ALIVE);
        if let Some(netns) = &mut gone.traces.netns {
            netns.path = "/run/netns/no-such-container".into();
        }
        assert_eq!(state(owner_state(&gone)), ("b".into(), HolderState::Dead));
    }

    #[test]
    fn rules_of_the_go_plugin_belong_to_the_container() {
        let us = owner("us", ALIVE);
        assert_eq!(us.state_of_rule(Some("us"), None), OwnerState::Own);
        let theirs = us.state_of_rule(Some("you"), None);
        assert_eq!(state(theirs), ("you".into(), HolderState::Unknown));
    }

    #[test]
    fn another_network_of_the_container_is_not_ours() {
        let us = owner("us", ALIVE);
        let mut other = owner("us", ALIVE);
        other.id.network = "other".into();
        other.tag = other.id.tag();
        for note in [other.rule_note(), "tag".to_owned()] {
            let theirs = us.state_of_rule(Some("us"), Some(&note));
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
        let of = |note| state(us.state_of_element(Some(&comment), note));
        assert_eq!(of(Some(&note)), ("other".into(), HolderState::Alive));
        assert_eq!(of(None), ("other".into(), HolderState::Unknown));
        let own = us.element_comment();
        assert_eq!(us.state_of_element(Some(&own), None), OwnerState::Own);
        let nobodys = us.state_of_element(None, None);
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
