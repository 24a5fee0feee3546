//! The kernel's packet filter (`nf_tables`, iptables) and connection tracking, typed, knowing nothing
//! of CNI.
//!
//! - [`nft`]: rulesets of `nf_tables` over netlink, in atomic transactions.
//! - [`iptables`]: rules of iptables, legacy or on top of `nf_tables`, written by one
//!   `iptables-restore` for each address family.
//! - [`conntrack`]: deleting tracked connections.
//!
//! The crate builds on the netlink socket of `ferrule-kernel`, which knows nothing of it.

pub mod conntrack;
pub mod iptables;
mod nfnetlink;
pub mod nft;
