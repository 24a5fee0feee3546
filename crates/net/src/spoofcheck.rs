//! Letting a container send frames from its own Ethernet address alone (key `macspoofchk` of
//! bridge).
//!
//! Rules in the table `nat` of the bridge family of `nf_tables`, named as those of the Go
//! plugins, which find them by chain names and comments:
//!
//! ```text
//! chain PREROUTING              iifname "veth…" jump cni-br-iface-ID   comment "macspoofchk-ID"
//! chain cni-br-iface-ID         jump cni-br-iface-ID-mac
//! chain cni-br-iface-ID-mac     ether saddr … return
//!                               drop
//! ```
//!
//! ID is container id and interface, joined by a hyphen. The network is not part of any of these
//! names, so the chains have a comment as well, by which [`gc`] knows whose they are. Those of
//! the Go plugins have none and stay for their DEL.

use cni_types::Attachments;
use ferrule_kernel::{Mac, NetlinkError};
use ferrule_netfilter::nft::{
    BaseChain, ChainKind, ChainLayout, Family, Hook, Nft, Rule, Table, Transaction,
};

use crate::{AttachmentId, NetError, Tags};

const TABLE: Table<'_> = Table::new(Family::Bridge, "nat");
const ENTRY: &str = "PREROUTING";
/// `NF_BR_PRI_NAT_DST_BRIDGED` of `linux/netfilter_bridge.h`.
const PRIORITY: i32 = -300;
const CHAIN_PREFIX: &str = "cni-br-iface-";
const MAC_SUFFIX: &str = "-mac";
/// In bytes, `NFT_NAME_MAXLEN` of `linux/netfilter/nf_tables.h` less the final zero.
const LONGEST_NAME: usize = 255;
/// What the comment on the second chain has behind that on the first.
const SECOND: &str = ", mac";

/// The check of one attachment.
#[derive(Debug, Clone)]
pub struct SpoofCheck {
    /// The comment on its chains.
    owner: String,
    /// The chain of its host link.
    chain: String,
    /// The chain that knows its address.
    mac_chain: String,
    /// The comment on its rules.
    comment: String,
}

impl SpoofCheck {
    /// That of an attachment.
    pub fn of(id: &AttachmentId) -> Self {
        let name = format!("{}-{}", id.container_id, id.ifname);
        Self::named(&name, id.tag())
    }

    /// That of what its names call ID.
    fn named(name: &str, owner: String) -> Self {
        let chain = format!("{CHAIN_PREFIX}{name}");
        Self {
            owner,
            mac_chain: format!("{chain}{MAC_SUFFIX}"),
            comment: format!("macspoofchk-{name}"),
            chain,
        }
    }

    /// Lets frames that come in through `host_link` pass only from `mac`, in place of what there
    /// was for the attachment.
    pub fn add(&self, host_link: &str, mac: Mac) -> Result<(), NetError> {
        let mac = ethernet(mac)?;
        let nft = Nft::open()?;
        let first = ChainLayout::regular().with_comment(&self.owner);
        let owner_of_second = format!("{}{SECOND}", self.owner);
        let second = ChainLayout::regular().with_comment(&owner_of_second);
        let base = BaseChain::new(ChainKind::Filter, Hook::Prerouting, PRIORITY);
        nft.update(|changes| {
            changes.add_table(TABLE, None);
            for (name, layout) in [
                (ENTRY, ChainLayout::base(base)),
                (&self.chain, first),
                (&self.mac_chain, second),
            ] {
                nft.add_missing_chain(changes, TABLE.chain(name), &layout)?;
            }
            self.delete_entries(&nft, changes)?;
            changes
                .flush_chain(TABLE.chain(&self.chain))
                .flush_chain(TABLE.chain(&self.mac_chain));
            for (chain, rule) in self.rules(host_link, mac) {
                let rule = rule.with_comment(self.comment.as_str());
                changes.append_rule(TABLE.chain(chain), &rule);
            }
            Ok(())
        })
    }

    /// Removes everything of the attachment; nothing being there is no error and found out
    /// quickly.
    pub fn remove(&self) -> Result<(), NetError> {
        // The kernel neither makes nor looks for chains of longer names.
        if self.mac_chain.len() > LONGEST_NAME {
            return Ok(());
        }
        let Some(nft) = Nft::open_if_supported()? else {
            return Ok(());
        };
        nft.update(|changes| {
            // No rule can lead to a chain that is not there.
            if nft.chain(TABLE.chain(&self.chain))?.is_some() {
                self.delete_entries(&nft, changes)?;
                changes.delete_chain(TABLE.chain(&self.chain));
            }
            if nft.chain(TABLE.chain(&self.mac_chain))?.is_some() {
                changes.delete_chain(TABLE.chain(&self.mac_chain));
            }
            Ok(())
        })
    }

    /// Compares what is there with what [`SpoofCheck::add`] makes; the error names what is
    /// missing or different.
    pub fn check(&self, host_link: &str, mac: Mac) -> Result<(), NetError> {
        let mac = ethernet(mac)?;
        let nft = Nft::open()?;
        let mut place = 0;
        let mut before = "";
        for (chain, rule) in self.rules(host_link, mac) {
            place = if chain == before { place + 1 } else { 0 };
            before = chain;
            let rules = nft.rules(TABLE.chain(chain))?;
            // Others use the first chain too; the order of ours matters only in our own.
            let found = if chain == ENTRY {
                rules.iter().any(|found| found.same_as(&rule))
            } else {
                rules.get(place).is_some_and(|found| found.same_as(&rule))
            };
            if !found {
                let chain = TABLE.chain(chain);
                return Err(NetError::Mismatch(format!(
                    "rule missing in {chain}: {rule}"
                )));
            }
        }
        Ok(())
    }

    /// The rules with their chains.
    fn rules(&self, host_link: &str, mac: [u8; 6]) -> [(&str, Rule); 4] {
        let Self {
            chain, mac_chain, ..
        } = self;
        let rule = || Rule::new(Family::Bridge);
        [
            (ENTRY, rule().in_interface(host_link).jump(chain)),
            (chain, rule().jump(mac_chain)),
            (mac_chain, rule().ether_source(mac).return_to_caller()),
            (mac_chain, rule().drop()),
        ]
    }

    /// Adds the deletion of the rules that lead to its chain.
    fn delete_entries(&self, nft: &Nft, changes: &mut Transaction) -> Result<(), NetlinkError> {
        for rule in nft.rules_with_comment(TABLE.chain(ENTRY), |found| found == self.comment)? {
            changes.delete_rule(TABLE.chain(ENTRY), rule.handle);
        }
        Ok(())
    }
}

/// Removes the checks of all attachments to a network that are not to be kept.
pub fn gc(network: &str, keep: &Attachments) -> Result<(), NetError> {
    let Some(nft) = Nft::open_if_supported()? else {
        return Ok(());
    };
    let tags = Tags::new(network, keep);
    let mut outcome = Ok(());
    for chain in nft.chains(TABLE)? {
        let (Some(comment), Some(name)) = (chain.comment, chain.name.strip_prefix(CHAIN_PREFIX))
        else {
            continue;
        };
        // The second chain of a pair leads to the pair as well: it may be all that is left.
        let (owner, name) = match comment.strip_suffix(SECOND) {
            Some(owner) => (owner, name.strip_suffix(MAC_SUFFIX)),
            None => (comment.as_str(), Some(name)),
        };
        if let Some(name) = name.filter(|_| tags.is_stale(owner)) {
            outcome = outcome.and(SpoofCheck::named(name, owner.to_owned()).remove());
        }
    }
    outcome
}

fn ethernet(mac: Mac) -> Result<[u8; 6], NetError> {
    mac.ethernet()
        .ok_or_else(|| NetError::Unusable(format!("{mac} is not an Ethernet address")))
}
