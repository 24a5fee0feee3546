//! A private ruleset, and what the `nft` tool prints of it, so that this crate is not only compared
//! with itself.

mod rules;

use std::process::Command;

use crate::lab;
use ferrule_netfilter::nft::{
    Chain, ChainLayout, ConntrackState, Family, Nft, Rule, Table, Transaction, Transport,
};

pub(crate) use rules::{inet, network, rules};

pub(crate) const TABLE: Table<'_> = Table::new(Family::Inet, "t");

/// A socket of a namespace with an empty ruleset.
pub(crate) fn private() -> Nft {
    lab::private();
    Nft::open().unwrap()
}

/// What the tool prints; panics with its error.
pub(crate) fn nft(arguments: &[&str]) -> String {
    let output = Command::new("nft").args(arguments).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "nft {arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// The lines the tool prints between the braces of a chain.
pub(crate) fn printed(chain: Chain<'_>) -> Vec<String> {
    let family = chain.table.family.to_string();
    let text = nft(&["-s", "list", "chain", &family, chain.table.name, chain.name]);
    text.lines()
        .filter(|line| line.starts_with("\t\t"))
        .map(|line| line.trim().to_owned())
        .collect()
}

pub(crate) fn commit(nft: &Nft, change: impl FnOnce(&mut Transaction)) {
    let mut transaction = Transaction::new();
    change(&mut transaction);
    nft.commit(&transaction).unwrap();
}

/// Makes the table with one chain.
pub(crate) fn with_chain(nft: &Nft, name: &str) {
    commit(nft, |changes| {
        changes.add_table(TABLE, None);
        changes.add_chain(TABLE.chain(name), &ChainLayout::regular());
    });
}
