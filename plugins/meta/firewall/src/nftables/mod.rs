//! The nftables back end: one transaction, without a process.
//!
//! A packet is dropped if any forward chain drops it, however many accept it. So packets are accepted
//! in every chain that may drop by policy: in `FORWARD` of the plugin's own table
//! `inet ferrule_firewall`, and in the chains of the configuration or those of
//! [`filter_table::USUAL`] that exist. Each table gets the chains `CNI-FORWARD` and the
//! administrator's, and sets of addresses: the number of rules does not depend on that of containers.
//! A policy is written to the plugin's own table only.
//!
//! Tables of iptables' tools get the rules that iptables would write: the tools refuse to work on a
//! table with other rules.

mod address_set;
mod filter_table;
mod native;
mod shared;

use std::net::IpAddr;

use ferrule_net::{AttachmentId, NetError};
use ferrule_netfilter::nft::{BaseChain, ChainKind, Hook, ListedRule, Nft, Table, Transaction};

use crate::chains::Isolation;
use crate::config::ForwardChain;
use crate::reconcile::{DesiredChain, Op};
use crate::removal::Removal;
use filter_table::Kind;

pub(crate) use address_set::{owned_by, owned_in_network};

/// The rules of an attachment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules<'a> {
    pub(crate) id: &'a AttachmentId,
    pub(crate) addresses: &'a [IpAddr],
    pub(crate) admin_chain: &'a str,
    pub(crate) isolation: Option<Isolation<'a>>,
    /// The forward chains of the configuration.
    pub(crate) forward_chains: Option<&'a [ForwardChain]>,
}

/// Writes the rules in one transaction.
pub(crate) fn add(rules: &Rules<'_>) -> Result<(), NetError> {
    let nft = Nft::open()?;
    let tables = filter_table::of_configuration(&nft, rules.forward_chains)?;
    nft.update(|changes| plan(&nft, &tables, rules, changes))
}

/// Lets the kernel check the transaction of an ADD without addresses.
pub(crate) fn probe(rules: &Rules<'_>) -> Result<(), NetError> {
    let nft = Nft::open()?;
    let tables = filter_table::of_configuration(&nft, rules.forward_chains)?;
    nft.check(|changes| plan(&nft, &tables, rules, changes))
}

fn plan(
    nft: &Nft,
    tables: &[ForwardChain],
    rules: &Rules<'_>,
    changes: &mut Transaction,
) -> Result<(), NetError> {
    for filter in tables {
        match filter.kind() {
            Kind::Own | Kind::Native => native::plan(nft, filter, rules, changes)?,
            Kind::Shared(family) => shared::plan(nft, filter, family, rules, changes)?,
        }
    }
    Ok(())
}

/// Fails for the first difference from what [`add`] writes.
pub(crate) fn check(rules: &Rules<'_>) -> Result<(), NetError> {
    let nft = Nft::open()?;
    for filter in filter_table::of_configuration(&nft, rules.forward_chains)? {
        match filter.kind() {
            Kind::Own | Kind::Native => native::check(&nft, &filter, rules)?,
            Kind::Shared(family) => shared::check(&nft, &filter, family, rules)?,
        }
    }
    Ok(())
}

/// Removes addresses from all tables of `nf_tables` they may be in, those of iptables included.
pub(crate) fn remove(
    nft: &Nft,
    removals: &[Removal],
    forward_chains: &[ForwardChain],
) -> Result<(), NetError> {
    let tables = filter_table::for_removal(forward_chains);
    nft.update(|changes| {
        for filter in &tables {
            match filter.kind() {
                Kind::Own | Kind::Native => {
                    address_set::remove(nft, filter.table(), removals, changes)?;
                }
                Kind::Shared(family) => shared::remove(nft, filter, family, removals, changes)?,
            }
        }
        Ok(())
    })
}

/// Whether a base chain filters forwarded packets.
fn is_forward(base: Option<BaseChain>) -> bool {
    base.is_some_and(|base| base.kind == ChainKind::Filter && base.hook == Hook::Forward)
}

/// Adds the changes that make a chain the desired one.
fn reconcile<R>(
    listed: &[ListedRule],
    table: Table<'_>,
    desired: &DesiredChain<R>,
    is: impl Fn(&ListedRule, &R) -> bool,
    rule: impl Fn(&R) -> &ferrule_netfilter::nft::Rule,
    changes: &mut Transaction,
) {
    let chain = table.chain(&desired.chain);
    let is = |place: usize, rule: &R| listed.get(place).is_some_and(|held| is(held, rule));
    for op in desired.ops(listed.len(), is) {
        match op {
            Op::Delete(place) => {
                if let Some(held) = listed.get(place) {
                    changes.delete_rule(chain, held.handle);
                }
            }
            Op::Insert(desired) => _ = changes.insert_rule(chain, rule(desired)),
            Op::Append(desired) => _ = changes.append_rule(chain, rule(desired)),
        }
    }
}
