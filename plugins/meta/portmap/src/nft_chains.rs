//! Chains of `nf_tables` that all containers share, each with all its rules.

use ferrule_net::NetError;
use ferrule_netfilter::nft::{
    Chain, ChainLayout, DataType, Element, ListedRule, Nft, Rule, SetLayout, SetReference, Table,
    Transaction, Transport, Value,
};

use crate::port_rules::missing;

/// A chain with its rules.
pub(crate) struct SharedChain {
    pub(crate) name: &'static str,
    pub(crate) layout: ChainLayout<'static>,
    pub(crate) rules: Vec<Rule>,
}

impl SharedChain {
    /// Adds what is missing and replaces what differs.
    ///
    /// Rules that look the protocol up in an anonymous set get one each.
    pub(crate) fn ensure(
        &self,
        nft: &Nft,
        changes: &mut Transaction,
        table: Table<'_>,
    ) -> Result<(), NetError> {
        let chain = table.chain(self.name);
        ensure_chain(nft, changes, chain, &self.layout)?;
        let found = nft.rules(chain)?;
        let mut pairs = found.iter().zip(&self.rules);
        if found.len() == self.rules.len() && pairs.all(|(found, rule)| found.same_as(rule)) {
            return Ok(());
        }
        changes.flush_chain(chain);
        for rule in &self.rules {
            let rule = rule
                .clone()
                .with_anonymous_sets(|| transports(changes, table));
            changes.append_rule(chain, &rule);
        }
        Ok(())
    }

    /// Fails if the chain is no such base chain, or lacks a rule; with `in_order`, also if rules of it
    /// are in another order.
    pub(crate) fn check(
        &self,
        nft: &Nft,
        table: Table<'_>,
        in_order: bool,
    ) -> Result<(), NetError> {
        let chain = table.chain(self.name);
        check_base(nft, chain, &self.layout)?;
        let found = nft.rules(chain)?;
        let mut rest = found.iter();
        for rule in &self.rules {
            let is = |found: &ListedRule| found.same_as(rule);
            let is_there = if in_order {
                rest.any(is)
            } else {
                found.iter().any(is)
            };
            if !is_there {
                return Err(missing(&chain, format!("rule \"{rule}\"")));
            }
        }
        Ok(())
    }
}

/// Adds a chain unless it exists. Adding an existing chain is an update, for which the kernel waits
/// for an RCU grace period, several milliseconds.
pub(crate) fn ensure_chain(
    nft: &Nft,
    changes: &mut Transaction,
    chain: Chain<'_>,
    layout: &ChainLayout<'_>,
) -> Result<(), NetError> {
    let found = nft.chain(chain)?;
    if !found.is_some_and(|found| found.base == layout.base) {
        changes.add_chain(chain, layout);
    }
    Ok(())
}

/// Fails if the chain is to be a base chain and is not.
pub(crate) fn check_base(
    nft: &Nft,
    chain: Chain<'_>,
    layout: &ChainLayout<'_>,
) -> Result<(), NetError> {
    let Some(base) = layout.base else {
        return Ok(());
    };
    if nft.chain(chain)?.and_then(|found| found.base) == Some(base) {
        return Ok(());
    }
    let what = format!("its hook {:?} at priority {}", base.hook, base.priority);
    Err(missing(&chain, what.to_lowercase()))
}

/// An anonymous set of all protocols, which belongs to one rule only.
fn transports(changes: &mut Transaction, table: Table<'_>) -> SetReference {
    let elements = Transport::ALL.map(|one| Element::new(&[Value::Transport(one)]));
    let layout = SetLayout::set(&[DataType::Transport]);
    changes.anonymous_set(table, &layout, &elements)
}
