//! `nf_tables` over netlink; the `nft` tool is never started.
//!
//! # Changing
//!
//! Changes are collected in a [`Transaction`] and take effect together in [`Nft::commit`], one
//! system call however many they are:
//!
//! ```no_run
//! use ferrule_netfilter::nft::*;
//!
//! const FILTER: Table<'_> = Table::new(Family::Inet, "example");
//! let guard = FILTER.chain("guard");
//! let forward = FILTER.chain("forward");
//!
//! let mut changes = Transaction::new();
//! changes.add_table(FILTER, Some("what this table is for"));
//! changes.add_chain(guard, &ChainLayout::regular());
//! let base = BaseChain::new(ChainKind::Filter, Hook::Forward, 0);
//! changes.add_chain(forward, &ChainLayout::base(base));
//! changes.append_rule(forward, &Rule::new(Family::Inet).in_interface("cni0").goto("guard"));
//! let rule = Rule::new(Family::Inet)
//!     .source("10.1.0.0/16".parse().unwrap())
//!     .destination_port(Transport::Tcp, 80)
//!     .accept()
//!     .with_comment("owner 7");
//! changes.append_rule(guard, &rule);
//! Nft::open()?.commit(&changes)?;
//! # Ok::<(), ferrule_kernel::NetlinkError>(())
//! ```
//!
//! - [`Table`], [`Chain`] and [`Set`] are names; making one touches nothing.
//! - [`Rule`] reads like the tool's rules and yields the tool's expressions, so that
//!   `nft list ruleset` prints the rule as it was meant. What it lacks is added as [`Expression`]s.
//! - Sets and maps have a [`SetLayout`]; keys are concatenations of [`Value`]s, looked up by
//!   [`Field`]s; [`Element`]s have data and a comment of their own.
//! - Comments are those that `nft` shows (at most 128 bytes).
//! - A failed commit names the change that failed, with the kernel's text, and nothing of the
//!   transaction has happened. [`NetlinkError::is_not_found`] tells the case that a rule to be
//!   deleted by handle was deleted meanwhile by somebody else. [`Nft::update`] then plans the
//!   transaction anew.
//!
//! # Reading
//!
//! [`Nft::rules`] dumps one chain with handles and comments, [`Nft::element`] gets one element by its
//! key. A dump that a change interrupted is repeated.
//!
//! # What takes time
//!
//! A commit takes some ten microseconds. The kernel frees afterwards what the commit deletes, and
//! chains that it adds although they exist ([`Nft::add_missing_chain`] does not). Closing the socket
//! waits for that, ten milliseconds and more: after a commit that deletes, a child process keeps the
//! socket open meanwhile ([`Socket::keep_open`]).
//!
//! A socket belongs to the network namespace it was opened in.

mod chain;
mod comment;
mod commit;
mod constants;
mod decode;
mod describe;
mod dump;
mod element;
mod encode;
mod expression;
mod field;
#[cfg(test)]
mod golden;
mod list;
mod object;
mod register;
mod rule;
mod set;
mod statement;
mod transaction;

use std::rc::Rc;

use nix::errno::Errno;

pub use chain::{
    BaseChain, ChainKind, ChainLayout, DESTINATION_NAT, Hook, ListedChain, SOURCE_NAT,
};
pub use comment::{CommentError, LONGEST_COMMENT};
pub use dump::ListedRule;
pub use element::{Element, Key};
pub use expression::{Base, CmpOp, Conntrack, Expression, Meta, Nat, SetReference, Verdict};
pub use field::{DataType, Field, Transport, Value, address};
pub use list::{ListedSet, ListedTable};
pub use object::{Chain, Family, Set, Table};
pub use register::Register;
pub use rule::{ConntrackState, Rule};
pub use set::{SetData, SetLayout};
pub use transaction::Transaction;

use crate::{nfnetlink, retry};
use commit::CommitMode;
use ferrule_kernel::netlink::{NetlinkError, Socket};

/// A netlink socket for the rulesets of one network namespace: the one the thread was in when it was
/// opened. A thread has one socket per namespace.
#[derive(Debug)]
pub struct Nft {
    socket: Rc<Socket>,
}

impl Nft {
    /// Opens a socket of the namespace the calling thread is in.
    pub fn open() -> Result<Self, NetlinkError> {
        Ok(Self {
            socket: nfnetlink::open()?,
        })
    }

    /// As [`Nft::open`]; `None` if the kernel has no `nf_tables`.
    pub fn open_if_supported() -> Result<Option<Self>, NetlinkError> {
        let nft = match Self::open() {
            Err(error) if error.errno() == Some(Errno::EPROTONOSUPPORT) => return Ok(None),
            other => other?,
        };
        match nft.generation() {
            Ok(_) => Ok(Some(nft)),
            // nfnetlink has no such subsystem.
            Err(error) if error.errno() == Some(Errno::EINVAL) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Adds a chain to a transaction unless it exists.
    ///
    /// [`Transaction::add_chain`] does nothing to a chain that exists, but the kernel makes an update of
    /// it, which it frees later; closing the socket waits for that.
    pub fn add_missing_chain(
        &self,
        transaction: &mut Transaction,
        chain: Chain<'_>,
        layout: &ChainLayout<'_>,
    ) -> Result<(), NetlinkError> {
        if self.chain(chain)?.is_none() {
            transaction.add_chain(chain, layout);
        }
        Ok(())
    }

    /// Carries out a transaction.
    pub fn commit(&self, transaction: &Transaction) -> Result<(), NetlinkError> {
        commit::send(&self.socket, transaction, CommitMode::Commit)
    }

    /// Plans a transaction and commits it. If somebody else deletes or creates in between what
    /// the plan is about, it is planned anew; see [`crate`] for the bound.
    pub fn update<T, E: From<NetlinkError>>(
        &self,
        plan: impl FnMut(&mut Transaction) -> Result<T, E>,
    ) -> Result<T, E> {
        self.plan_and_send(plan, CommitMode::Commit)
    }

    /// As [`Nft::update`], but the kernel only checks the transaction, as for `nft --check`.
    pub fn check<T, E: From<NetlinkError>>(
        &self,
        plan: impl FnMut(&mut Transaction) -> Result<T, E>,
    ) -> Result<T, E> {
        self.plan_and_send(plan, CommitMode::Check)
    }

    fn plan_and_send<T, E: From<NetlinkError>>(
        &self,
        plan: impl FnMut(&mut Transaction) -> Result<T, E>,
        mode: CommitMode,
    ) -> Result<T, E> {
        let is_overtaken = |error: &NetlinkError| error.is_not_found() || error.is_exists();
        let send = |changes: &Transaction| commit::send(&self.socket, changes, mode);
        retry::until_written(plan, send, is_overtaken)
    }
}
