//! A ruleset of one's own and what the `nft` tool says about it, so that this crate does not only
//! agree with itself.

use std::process::Command;

use crate::lab;
use ferrule_kernel::IpNetwork;
use ferrule_netfilter::nft::{Chain, ChainLayout, Family, Nft, Rule, Table, Transaction};

pub(crate) const TABLE: Table<'_> = Table::new(Family::Inet, "t");

/// A socket of a namespace with an empty ruleset.
pub(crate) fn private() -> Nft {
    lab::private();
    Nft::open().unwrap()
}

/// What the tool prints; panics with its complaint.
pub(crate) fn nft(arguments: &[&str]) -> String {
    let output = Command::new("nft").args(arguments).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "nft {arguments:?}: {complaint}");
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

/// An empty rule for the table.
pub(crate) fn inet() -> Rule {
    Rule::new(Family::Inet)
}

pub(crate) fn network(text: &str) -> IpNetwork {
    text.parse().unwrap()
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
