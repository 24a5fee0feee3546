//! iptables, by running its tools.
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
//! Deleting a rule that does not exist fails the whole: list first ([`Tool::rules`]), then delete
//! what was listed. `new_chain` empties a chain that exists.
//!
//! # Both variants
//!
//! A tool called iptables writes either to `nf_tables` (nft variant) or to the kernel's `ip_tables`
//! (legacy variant), and both may be installed and hold rules at once. [`Tool::find`] returns the
//! node's default; [`Tool::installed`] that one and the other variant, for cleaning up.
//! [`Tool::has_chain`] usually starts no process: chains of the nft variant are chains of
//! `nf_tables`, and the kernel lists which legacy tables are in use. [`Tool::delete_chain`] and
//! [`Tool::comments`] start none for the nft variant either.
//!
//! # The lock
//!
//! Tools of the legacy variant exclude each other by a lock on a file. Waiting for it is bounded
//! (30 seconds); the error then names the process that holds it. [`Tool::probe`] does not
//! wait for it. A tool that does not exit is killed.
//!
//! The tools work in the network namespace of the calling thread.

mod error;
mod find;
pub mod held;
mod native;
mod process;
mod restore;
mod rule;
mod run;
mod shell_words;
mod tool;

pub use error::IptablesError;
pub use find::Variant;
pub use restore::{Restore, TableChanges};
pub use rule::{Entry, ListedRule, Rule};

pub use tool::Tool;
