//! Expressions, of which rules consist: loads, comparisons and actions on registers.
//!
//! [`Rule`](super::Rule) writes the usual sequences; expressions are for what it lacks, and for
//! reading what the kernel holds. Numbers are those of `linux/netfilter/nf_tables.h`.

use std::fmt;

use super::object::Family;
use super::register::Register;

/// One operation of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    /// Loads metadata of the packet.
    Meta {
        /// The key.
        key: Meta,
        /// The destination register.
        to: Register,
    },
    /// Loads bytes of the packet.
    Payload {
        /// The header the offset counts from.
        base: Base,
        /// The first byte.
        offset: u32,
        /// How many bytes.
        length: u32,
        /// The destination register.
        to: Register,
    },
    /// Continues if the comparison is true.
    Cmp {
        /// The source register.
        from: Register,
        /// The comparison.
        op: CmpOp,
        /// The right-hand side, in the packet's byte order.
        with: Vec<u8>,
    },
    /// Computes `(value & mask) ^ xor`.
    Bitwise {
        /// The source register.
        from: Register,
        /// The destination register.
        to: Register,
        /// The bits to keep.
        mask: Vec<u8>,
        /// The bits to flip; as long as `mask`.
        xor: Vec<u8>,
    },
    /// Continues if a key is in a set; for maps also loads its data.
    Lookup {
        /// The set or map.
        set: SetReference,
        /// The register at which the key begins.
        key: Register,
        /// Whether to continue if the key is *not* in it.
        negated: bool,
        /// The register for a map's data; [`Register::VERDICT`] for a verdict map.
        value: Option<Register>,
    },
    /// Loads a constant.
    Immediate {
        /// The destination register.
        to: Register,
        /// The constant.
        value: Vec<u8>,
    },
    /// Ends the rule with a verdict.
    Verdict(Verdict),
    /// Translates the source or destination of the connection.
    Nat {
        /// Which of the two.
        kind: Nat,
        /// The family of the address.
        family: Family,
        /// The register of the new address; without it the address stays.
        address: Option<Register>,
        /// The register of the new port; without it the port stays.
        port: Option<Register>,
    },
    /// Replaces the source by the address of the interface the packet leaves through.
    Masquerade,
    /// Loads metadata of the connection.
    Conntrack {
        /// The key.
        key: Conntrack,
        /// The destination register.
        to: Register,
    },
    /// Looks an address of the packet up in the routing tables.
    Fib {
        /// `NFTA_FIB_F_*`: which address and what else is looked at.
        flags: u32,
        /// `NFT_FIB_RESULT_*`: what is loaded.
        result: u32,
        /// The destination register.
        to: Register,
    },
    /// Counts packets and bytes.
    Counter {
        /// Packets so far.
        packets: u64,
        /// Bytes so far.
        bytes: u64,
    },
    /// Continues if a match of iptables does (`nft_compat`). The tools of iptables write these and
    /// understand no native equivalent.
    Match {
        /// The match's name: `conntrack`.
        name: String,
        /// The version of its data.
        revision: u32,
        /// Its data, a structure of the kernel (`linux/netfilter/xt_*.h`), possibly padded.
        data: Vec<u8>,
    },
    /// Executes a target of iptables (`nft_compat`).
    Target {
        /// The target's name: `MARK`.
        name: String,
        /// The version of its data.
        revision: u32,
        /// Its data, a structure of the kernel (`linux/netfilter/xt_*.h`), possibly padded.
        data: Vec<u8>,
    },
    /// An expression this crate does not know; only in dumps.
    Other {
        /// The kernel's name for it.
        name: String,
    },
}

/// A reference to a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetReference {
    /// A set of the rule's table, by name.
    Named(String),
    /// An anonymous set, which belongs to the rule, by its number in the transaction. Dumps have a
    /// generated name instead; the number is zero then.
    Anonymous(u32),
}

/// A verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Accepts the packet.
    Accept,
    /// Drops the packet.
    Drop,
    /// Returns to the calling chain.
    Return,
    /// Calls a chain.
    Jump(String),
    /// Continues in a chain, without return.
    Goto(String),
    /// A verdict this crate does not know.
    Other(i32),
}

/// Keys of packet metadata (`enum nft_meta_keys`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meta {
    /// The protocol of the link layer's payload (an `ETH_P_*` number in network order).
    Protocol,
    /// The packet mark.
    Mark,
    /// The name of the input interface.
    InInterface,
    /// The name of the output interface.
    OutInterface,
    /// The protocol family (`NFPROTO_*`).
    Family,
    /// The transport protocol.
    Transport,
    /// One this crate does not know.
    Other(u32),
}

/// Keys of connection metadata (`enum nft_ct_keys`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conntrack {
    /// Its state, one bit each; see [`ConntrackState`](super::ConntrackState).
    State,
    /// Its status bits (`IPS_*`).
    Status,
    /// One this crate does not know.
    Other(u32),
}

/// Headers of a packet (`enum nft_payload_bases`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// Ethernet.
    Link,
    /// IPv4 or IPv6.
    Network,
    /// TCP, UDP, SCTP and others.
    Transport,
    /// One this crate does not know.
    Other(u32),
}

/// Comparisons (`enum nft_cmp_ops`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CmpOp {
    /// Equal bytes.
    Equal,
    /// Different bytes.
    Different,
    /// One this crate does not know.
    Other(u32),
}

/// Kinds of address translation (`enum nft_nat_types`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nat {
    /// Of the source.
    Source,
    /// Of the destination.
    Destination,
}

/// Implements the conversions between a variant and its number.
macro_rules! numbers {
    ($name:ident: $($word:ident = $number:literal),+ $(,)?) => {
        impl $name {
            pub(crate) fn number(self) -> u32 {
                match self {
                    $(Self::$word => $number,)+
                    Self::Other(number) => number,
                }
            }

            pub(crate) fn from_number(number: u32) -> Self {
                match number {
                    $($number => Self::$word,)+
                    other => Self::Other(other),
                }
            }
        }
    };
}

numbers!(Meta: Protocol = 1, Mark = 3, InInterface = 6, OutInterface = 7, Family = 15,
         Transport = 16);
numbers!(Conntrack: State = 0, Status = 2);
numbers!(Base: Link = 0, Network = 1, Transport = 2);
numbers!(CmpOp: Equal = 0, Different = 1);

impl Expression {
    /// Whether it does the same as another one; counter values are ignored.
    pub(super) fn alike(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Counter { .. }, Self::Counter { .. }) => true,
            (
                Self::Lookup {
                    set,
                    key,
                    negated,
                    value,
                },
                Self::Lookup {
                    set: set2,
                    key: key2,
                    negated: negated2,
                    value: value2,
                },
            ) => set.alike(set2) && (key, negated, value) == (key2, negated2, value2),
            _ => self == other,
        }
    }
}

impl fmt::Display for SetReference {
    /// As the `nft` tool refers to it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => write!(f, "@{name}"),
            Self::Anonymous(_) => f.write_str("{ … }"),
        }
    }
}

impl SetReference {
    fn alike(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Anonymous(_), Self::Anonymous(_)) => true,
            _ => self == other,
        }
    }
}

impl fmt::Display for Verdict {
    /// As the `nft` tool prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accept => f.write_str("accept"),
            Self::Drop => f.write_str("drop"),
            Self::Return => f.write_str("return"),
            Self::Jump(chain) => write!(f, "jump {chain}"),
            Self::Goto(chain) => write!(f, "goto {chain}"),
            Self::Other(number) => write!(f, "verdict {number}"),
        }
    }
}

impl Verdict {
    /// The kernel's number (`NF_*` and `enum nft_verdicts`) and, for some, a chain.
    pub(crate) fn parts(&self) -> (i32, Option<&str>) {
        match self {
            Self::Drop => (0, None),
            Self::Accept => (1, None),
            Self::Jump(chain) => (-3, Some(chain)),
            Self::Goto(chain) => (-4, Some(chain)),
            Self::Return => (-5, None),
            Self::Other(number) => (*number, None),
        }
    }

    pub(crate) fn from_parts(number: i32, chain: Option<String>) -> Self {
        match (number, chain) {
            (0, _) => Self::Drop,
            (1, _) => Self::Accept,
            (-3, Some(chain)) => Self::Jump(chain),
            (-4, Some(chain)) => Self::Goto(chain),
            (-5, _) => Self::Return,
            _ => Self::Other(number),
        }
    }
}

impl Nat {
    pub(crate) fn number(self) -> u32 {
        match self {
            Self::Source => 0,
            Self::Destination => 1,
        }
    }

    pub(crate) fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Source),
            1 => Some(Self::Destination),
            _ => None,
        }
    }
}
