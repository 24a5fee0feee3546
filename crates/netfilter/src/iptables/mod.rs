//! The packet filter by way of the iptables tools.
//!
//! # Changing
//!
//! Changes to a table are collected in a [`Restore`] and written by one
//! `iptables-restore --noflush`, together or not at all:
//!
//! ```no_run
//! use ferrule_kernel::Family;
//! use ferrule_netfilter::iptables::{Restore, Rule, Tool};
//!
//! let tool = Tool::find(Family::V4)?;
//! let mut changes = Restore::new();
//! let rule = Rule::new().source("10.1.2.3/32".parse().unwrap()).comment("mine").jump("X");
//! changes.table("nat").new_chain("X").append("POSTROUTING", &rule);
//! tool.restore(&changes)?;
//! # Ok::<(), ferrule_netfilter::iptables::IptablesError>(())
//! ```
//!
//! Deleting a rule that is not there fails the whole: list first ([`Tool::rules`]), then delete
//! what was listed. `new_chain` empties the chain if it is there.
//!
//! # Both variants
//!
//! A tool called iptables writes either to `nf_tables` or to the kernel's older tables, and both
//! may be installed and hold rules at once. [`Tool::find`] is the tool everybody on the node
//! uses; [`Tool::installed`] is that one and its sibling, for cleaning up.
//! [`Tool::has_chain`] usually answers without starting a process: chains of the newer variant
//! are chains of `nf_tables`, and the kernel lists which older tables are in use. Likewise
//! [`Tool::delete_chain`] and [`Tool::comments`] start none for the newer variant.
//!
//! # The lock
//!
//! Tools of the older variant exclude each other by a lock on a file. Waiting for it is bounded
//! (30 seconds); the error then names the process that holds it. [`Tool::probe`] does not
//! wait for it. A tool that does not come to its end is killed.
//!
//! The tools work in the network namespace of the calling thread.

mod error;
mod find;
mod native;
mod restore;
mod rule;
mod run;
mod talk;
mod tool;
mod words;

pub use error::IptablesError;
pub use find::Variant;
pub use restore::{Restore, TableChanges};
pub use rule::{Entry, ListedRule, Rule};

pub use tool::Tool;
