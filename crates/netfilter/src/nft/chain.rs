//! Properties of chains.

use super::comment::{self, COMMENT};
use super::constants::chain;
use ferrule_kernel::netlink::{AttributeWriter, Attributes};

/// A chain's properties besides its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChainLayout<'a> {
    /// Its hook; `None` for a regular chain, which packets enter by jumps only.
    pub base: Option<BaseChain>,
    /// A comment on the chain.
    pub comment: Option<&'a str>,
}

/// The hook of a base chain. The verdict at its end is left to the kernel, which accepts, and to
/// administrators, who may set another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BaseChain {
    /// Its type.
    pub kind: ChainKind,
    /// The hook.
    pub hook: Hook,
    /// The order among the chains at the hook: lower first.
    pub priority: i32,
}

/// The types of chains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChainKind {
    /// Filters packets.
    Filter,
    /// Translates the addresses of new connections.
    Nat,
}

/// Hooks (`enum nf_inet_hooks`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// After arrival.
    Prerouting,
    /// To this host.
    Input,
    /// To another host.
    Forward,
    /// From this host.
    Output,
    /// Before departure.
    Postrouting,
}

/// The priority at which source addresses are translated (`NF_IP_PRI_NAT_SRC`).
pub const SOURCE_NAT: i32 = 100;

/// The priority at which destination addresses are translated (`NF_IP_PRI_NAT_DST`).
pub const DESTINATION_NAT: i32 = -100;

impl BaseChain {
    /// A base chain.
    pub const fn new(kind: ChainKind, hook: Hook, priority: i32) -> Self {
        Self {
            kind,
            hook,
            priority,
        }
    }
}

impl<'a> ChainLayout<'a> {
    /// A regular chain: packets enter it by jumps only.
    pub const fn regular() -> Self {
        Self {
            base: None,
            comment: None,
        }
    }

    /// A base chain: packets enter it at a hook.
    pub const fn base(base: BaseChain) -> Self {
        Self {
            base: Some(base),
            comment: None,
        }
    }

    /// Adds a comment.
    #[must_use]
    pub const fn with_comment(self, comment: &'a str) -> Self {
        Self {
            comment: Some(comment),
            ..self
        }
    }

    /// Appends everything but the names.
    pub(super) fn append_to(&self, body: &mut AttributeWriter) {
        if let Some(base) = self.base {
            body.text(chain::TYPE, base.kind.name());
            body.nested(chain::HOOK, |hook| {
                hook.be_u32(chain::HOOK_NUMBER, base.hook.number());
                hook.bytes(chain::HOOK_PRIORITY, &base.priority.to_be_bytes());
            });
        }
        if let Some(comment) = self.comment {
            body.bytes(chain::USER_DATA, &comment::user_data(COMMENT, comment));
        }
    }
}

impl ChainKind {
    fn name(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Nat => "nat",
        }
    }
}

impl Hook {
    const ALL: [Self; 5] = [
        Self::Prerouting,
        Self::Input,
        Self::Forward,
        Self::Output,
        Self::Postrouting,
    ];

    fn number(self) -> u32 {
        match self {
            Self::Prerouting => 0,
            Self::Input => 1,
            Self::Forward => 2,
            Self::Output => 3,
            Self::Postrouting => 4,
        }
    }
}

/// A chain as the kernel dumps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedChain {
    /// Its name.
    pub name: String,
    /// Its hook, if this crate knows it.
    pub base: Option<BaseChain>,
    /// The comment on it.
    pub comment: Option<String>,
    /// The name of its table.
    pub(super) table: String,
}

impl ListedChain {
    /// Reads a chain of a reply.
    pub(super) fn parse(parts: &Attributes<'_>) -> Option<Self> {
        let kind = parts.text(chain::TYPE).unwrap_or_default();
        let hook = parts.nested(chain::HOOK);
        Some(Self {
            name: parts.text(chain::NAME)?,
            base: hook.and_then(|hook| parse_base(&hook, &kind)),
            comment: parts
                .get(chain::USER_DATA)
                .and_then(|data| comment::find(COMMENT, data.value)),
            table: parts.text(chain::TABLE)?,
        })
    }
}

fn parse_base(hook: &Attributes<'_>, kind: &str) -> Option<BaseChain> {
    let station = hook.be_u32(chain::HOOK_NUMBER)?;
    Some(BaseChain {
        kind: [ChainKind::Filter, ChainKind::Nat]
            .into_iter()
            .find(|one| one.name() == kind)?,
        hook: Hook::ALL
            .into_iter()
            .find(|hook| hook.number() == station)?,
        priority: hook.be_i32(chain::HOOK_PRIORITY)?,
    })
}
