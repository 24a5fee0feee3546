//! Letting packets through by `nf_tables`, in one transaction and without a process.
//!
//! A packet is gone if any forward chain drops it, however many accept it. So containers are let
//! through in every chain that may drop by policy: in one of the plugin's own, `FORWARD` of table
//! `inet ferrule_firewall`, and in those of [`home::USUAL`] that are there, or that the
//! configuration names. Each of these tables gets the chains `CNI-FORWARD` and the administrator's,
//! and sets of addresses, so that the number of rules does not grow with that of containers.
//! What an ingress policy drops is dropped in the plugin's own table alone.
//!
//! Tables that iptables shares are an exception: they get the rules iptables would write, as
//! anything else keeps its tools from working on the table.

mod address_set;
mod home;
mod native;
mod shared;

use std::net::IpAddr;

use ferrule_net::AttachmentId;
use ferrule_netfilter::nft::{BaseChain, ChainKind, Hook, ListedRule, Nft, Table, Transaction};

use crate::arrange::{Step, Wanted};
use crate::config::ForwardChain;
use crate::error::FirewallError;
use crate::layout::Isolation;
use crate::target::Target;
use home::{Home, Kind};

pub(crate) use address_set::{owned_by, owned_in_network};

/// What an attachment is to get.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules<'a> {
    pub(crate) id: &'a AttachmentId,
    pub(crate) addresses: &'a [IpAddr],
    pub(crate) admin_chain: &'a str,
    pub(crate) isolation: Option<Isolation<'a>>,
    /// The forward chains of the configuration.
    pub(crate) forward_chains: Option<&'a [ForwardChain]>,
}

/// Makes the rules, all at once.
pub(crate) fn add(rules: &Rules<'_>) -> Result<(), FirewallError> {
    let nft = Nft::open()?;
    let homes = home::of_configuration(&nft, rules.forward_chains)?;
    nft.update(|changes| plan(&nft, &homes, rules, changes))
}

/// Lets the kernel examine what an ADD without addresses would do.
pub(crate) fn probe(rules: &Rules<'_>) -> Result<(), FirewallError> {
    let nft = Nft::open()?;
    let homes = home::of_configuration(&nft, rules.forward_chains)?;
    nft.check(|changes| plan(&nft, &homes, rules, changes))
}

fn plan(
    nft: &Nft,
    homes: &[Home],
    rules: &Rules<'_>,
    changes: &mut Transaction,
) -> Result<(), FirewallError> {
    for home in homes {
        match home.kind {
            Kind::Own | Kind::Native => native::plan(nft, home, rules, changes)?,
            Kind::Shared(family) => shared::plan(nft, home, family, rules, changes)?,
        }
    }
    Ok(())
}

/// The first thing that is not as [`add`] leaves it is the error.
pub(crate) fn check(rules: &Rules<'_>) -> Result<(), FirewallError> {
    let nft = Nft::open()?;
    for home in home::of_configuration(&nft, rules.forward_chains)? {
        match home.kind {
            Kind::Own | Kind::Native => native::check(&nft, &home, rules)?,
            Kind::Shared(family) => shared::check(&nft, &home, family, rules)?,
        }
    }
    Ok(())
}

/// Takes addresses out of all tables of `nf_tables` they may be in, those of iptables included.
pub(crate) fn remove(
    nft: &Nft,
    targets: &[Target],
    forward_chains: &[ForwardChain],
) -> Result<(), FirewallError> {
    let homes = home::for_removal(forward_chains);
    nft.update(|changes| {
        for home in &homes {
            match home.kind {
                Kind::Own | Kind::Native => {
                    address_set::remove(nft, home.table(), targets, changes)?;
                }
                Kind::Shared(family) => shared::remove(nft, home, family, targets, changes)?,
            }
        }
        Ok(())
    })
}

/// Whether a base chain sees packets to be forwarded and decides about them.
fn is_forward(base: Option<BaseChain>) -> bool {
    base.is_some_and(|base| base.kind == ChainKind::Filter && base.hook == Hook::Forward)
}

/// Adds the changes that make a chain as it is to be.
fn arrange<R>(
    listed: &[ListedRule],
    table: Table<'_>,
    wanted: &Wanted<R>,
    is: impl Fn(&ListedRule, &R) -> bool,
    rule: impl Fn(&R) -> &ferrule_netfilter::nft::Rule,
    changes: &mut Transaction,
) {
    let chain = table.chain(&wanted.chain);
    let is = |place: usize, rule: &R| listed.get(place).is_some_and(|held| is(held, rule));
    for step in wanted.steps(listed.len(), is) {
        match step {
            Step::Delete(place) => {
                if let Some(held) = listed.get(place) {
                    changes.delete_rule(chain, held.handle);
                }
            }
            Step::Insert(wanted) => _ = changes.insert_rule(chain, rule(wanted)),
            Step::Append(wanted) => _ = changes.append_rule(chain, rule(wanted)),
        }
    }
}
