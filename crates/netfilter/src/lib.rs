//! The kernel's packet filter (`nf_tables`, iptables) and connection tracking, typed, knowing nothing
//! of CNI.
//!
//! - [`nft`]: rulesets of `nf_tables` over netlink, in atomic transactions.
//! - [`iptables`]: rules of iptables, legacy or on top of `nf_tables`, written by one
//!   `iptables-restore` for each address family.
//! - [`conntrack`]: deleting tracked connections.
//! - [`Backend`]: which of the two packet filters holds rules, where the configuration names none.
//!
//! Rulesets have many writers, and only one of them holds a lock of ours. Read, decide, write is
//! therefore repeated if another writer interfered: [`nft::Nft::update`] and
//! [`iptables::Tool::update`] plan a change anew, at most 20 times, with growing pauses of 38 ms in
//! all.
//!
//! The crate builds on the netlink socket of `ferrule-kernel`, which knows nothing of it.

mod backend;
pub mod conntrack;
pub mod iptables;
mod nfnetlink;
pub mod nft;
mod retry;

pub use backend::{Backend, BackendError};
