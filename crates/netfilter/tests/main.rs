//! The packet filter against a real kernel: the one that runs.

#![cfg(test)]

mod conntrack;
mod iptables;
#[path = "../../kernel/tests/lab/mod.rs"]
mod lab;
mod nft_rules;
mod nft_sets;
mod nft_transactions;
mod ruleset;

#[test]
fn every_file_is_a_module() {
    ferrule_testkit::assert_every_file_is_a_module(env!("CARGO_MANIFEST_DIR"));
}
