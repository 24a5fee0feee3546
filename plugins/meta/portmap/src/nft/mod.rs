//! Mappings as rules of nftables, in the tables and the form of the Go plugin, so that each can
//! check and remove what the other made.

mod condition;
pub(crate) mod listed;
mod rules;
pub(crate) mod skeleton;

use cni_types::Error;
use ferrule_kernel::Family;
use ferrule_net::Tags;
use ferrule_netfilter::nft::{Nft, Transaction};

use crate::claims::Claims;
use crate::config::Settings;
use crate::error::PortmapError;
use crate::forwarding::Forwarding;
use crate::owner::{Owner, Standing, first_word};
use crate::plan::Target;
use listed::Found;
use rules::Wanted;
use skeleton::{HOSTIP_HOSTPORTS, HOSTPORTS, MASQUERADING};

/// The rules of one container for one family.
#[derive(Debug)]
pub(crate) struct Rules {
    family: Family,
    mappings: Vec<Wanted>,
    masquerading: Vec<Wanted>,
    claims: Claims,
}

impl Rules {
    pub(crate) fn new(target: &Target, settings: &Settings) -> Result<Self, Error> {
        Ok(Self {
            family: target.family(),
            mappings: rules::mappings(target, settings)?,
            masquerading: rules::masquerading(target, settings),
            claims: Claims::new(target, settings),
        })
    }

    /// Adds what makes the container's rules, in place of those it has and of those of dead
    /// containers for the same ports.
    pub(crate) fn add(
        &self,
        nft: &Nft,
        owner: &Owner,
        changes: &mut Transaction,
    ) -> Result<(), PortmapError> {
        let table = skeleton::table(self.family);
        skeleton::ensure(nft, changes, self.family, !self.masquerading.is_empty())?;
        let mut staying = Vec::new();
        for found in listed::all(nft, self.family)? {
            if found.gives_way(&self.claims, owner)? {
                changes.delete_rule(table.chain(found.chain), found.rule.handle);
            } else {
                staying.push(found);
            }
        }
        let comment = owner.rule_comment();
        let note = owner.rule_note();
        let signed = |wanted: &Wanted| {
            let rule = wanted.rule.clone();
            rule.with_comment(comment).with_note(note.as_str())
        };
        let hostports = table.chain(HOSTPORTS);
        let (only, all): (Vec<&Wanted>, Vec<&Wanted>) =
            self.mappings.iter().partition(|wanted| wanted.only);
        // What the container has by another network, its default route perhaps, goes first.
        let behind = |about_all| {
            let mut found = staying
                .iter()
                .rev()
                .filter(|found| found.is_mapping(about_all));
            let same = found.find(|found| found.is_of_container(owner));
            same.map(|found| found.rule.handle)
        };
        // Each is put in front of the one before it.
        for wanted in only.into_iter().rev() {
            match behind(false) {
                Some(handle) => changes.append_rule_behind(hostports, handle, &signed(wanted)),
                None => changes.insert_rule(hostports, &signed(wanted)),
            };
        }
        // The newest comes first, but behind what is about one address of the host.
        let first = staying.iter().find(|found| found.is_about_all());
        for wanted in all {
            match (behind(true), first) {
                (Some(handle), _) => changes.append_rule_behind(hostports, handle, &signed(wanted)),
                (None, Some(found)) => {
                    changes.insert_rule_before(hostports, found.rule.handle, &signed(wanted))
                }
                (None, None) => changes.append_rule(hostports, &signed(wanted)),
            };
        }
        for wanted in &self.masquerading {
            changes.append_rule(table.chain(MASQUERADING), &signed(wanted));
        }
        Ok(())
    }

    /// Compares what is there with what [`Rules::add`] makes, by either plugin.
    pub(crate) fn check(&self, nft: &Nft, owner: &Owner) -> Result<(), PortmapError> {
        skeleton::check(nft, self.family, !self.masquerading.is_empty())?;
        let table = skeleton::table(self.family);
        let mut own = listed::all(nft, self.family)?;
        own.retain(|found| found.standing(owner) == Standing::Own);
        let places: [(&[Wanted], &[&str]); 2] = [
            (&self.mappings, &[HOSTPORTS, HOSTIP_HOSTPORTS]),
            (&self.masquerading, &[MASQUERADING]),
        ];
        for (wanted, chains) in places {
            for wanted in wanted {
                let is_it = |found: &Found| {
                    let mut forms = std::iter::once(&wanted.rule).chain(&wanted.equals);
                    chains.contains(&found.chain) && forms.any(|rule| found.rule.same_as(rule))
                };
                // The same mapping twice needs two rules.
                let Some(place) = own.iter().position(is_it) else {
                    let chain = table.chain(chains.first().copied().unwrap_or_default());
                    return Err(PortmapError::missing(&chain, wanted.what.as_str()));
                };
                own.swap_remove(place);
            }
        }
        Ok(())
    }
}

impl Found {
    fn standing(&self, owner: &Owner) -> Standing {
        owner.standing_of_rule(self.rule.comment.as_deref(), self.rule.note.as_deref())
    }

    /// Whether it has to go because of what is claimed.
    fn gives_way(&self, claims: &Claims, owner: &Owner) -> Result<bool, PortmapError> {
        let standing = self.standing(owner);
        match &self.forwarding {
            Some(theirs) => claims.gives_way(&standing, theirs),
            None => Ok(standing == Standing::Own),
        }
    }

    /// Whether it maps a port of all addresses of the host, in the chain where new rules go.
    fn is_about_all(&self) -> bool {
        self.is_mapping(true)
    }

    /// Whether it maps a port of all addresses of the host, or of one, in the chain where new
    /// rules go.
    fn is_mapping(&self, about_all: bool) -> bool {
        let is = |found: Forwarding| found.only.is_none() == about_all;
        self.chain == HOSTPORTS && self.forwarding.is_some_and(is)
    }

    fn is_of_container(&self, owner: &Owner) -> bool {
        self.rule.comment.as_deref() == Some(owner.rule_comment())
    }
}

/// Adds the deletion of the rules of an attachment; answers what they forwarded.
pub(crate) fn remove(
    nft: &Nft,
    owner: &Owner,
    changes: &mut Transaction,
) -> Result<Vec<Forwarding>, PortmapError> {
    delete(nft, changes, |comment, note| {
        owner.standing_of_rule(comment, note) == Standing::Own
    })
}

/// Adds the deletion of the rules of attachments whose tags are dead; answers what they forwarded.
///
/// Rules of the Go plugin do not say which network they are for, and stay.
pub(crate) fn collect(
    nft: &Nft,
    tags: &Tags,
    changes: &mut Transaction,
) -> Result<Vec<Forwarding>, PortmapError> {
    delete(nft, changes, |_, note| {
        tags.is_stale(first_word(note.unwrap_or_default()))
    })
}

fn delete(
    nft: &Nft,
    changes: &mut Transaction,
    is_stale: impl Fn(Option<&str>, Option<&str>) -> bool,
) -> Result<Vec<Forwarding>, PortmapError> {
    let mut gone = Vec::new();
    for family in [Family::V4, Family::V6] {
        let table = skeleton::table(family);
        for found in listed::all(nft, family)? {
            if is_stale(found.rule.comment.as_deref(), found.rule.note.as_deref()) {
                changes.delete_rule(table.chain(found.chain), found.rule.handle);
                gone.extend(found.forwarding);
            }
        }
    }
    Ok(gone)
}

/// Whether an attachment has rules.
pub(crate) fn is_present(nft: &Nft, owner: &Owner) -> Result<bool, PortmapError> {
    for family in [Family::V4, Family::V6] {
        let mut found = listed::all(nft, family)?.into_iter();
        if found.any(|found| found.standing(owner) == Standing::Own) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Adds the deletion of rules that are in the way of what is to be put into maps.
pub(crate) fn evict(
    nft: &Nft,
    claims: &Claims,
    owner: &Owner,
    changes: &mut Transaction,
) -> Result<(), PortmapError> {
    let table = skeleton::table(claims.family);
    for found in listed::all(nft, claims.family)? {
        if found.gives_way(claims, owner)? {
            changes.delete_rule(table.chain(found.chain), found.rule.handle);
        }
    }
    Ok(())
}
