//! What rules are made of: the kernel's small machine of loads, comparisons and actions.
//!
//! [`Rule`](super::Rule) writes the usual sequences; expressions are for what it lacks, and for
//! reading what the kernel holds. Numbers are those of `linux/netfilter/nf_tables.h`.

use super::object::Family;
use super::register::Register;

/// One operation of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    /// Loads a fact about the packet.
    Meta {
        /// Which fact.
        key: Meta,
        /// Where to.
        to: Register,
    },
    /// Changes a fact about the packet.
    SetMeta {
        /// Which fact.
        key: Meta,
        /// Where its new value is.
        from: Register,
    },
    /// Loads bytes of the packet.
    Payload {
        /// The header the offset counts from.
        base: Base,
        /// The first byte.
        offset: u32,
        /// How many bytes.
        length: u32,
        /// Where to.
        to: Register,
    },
    /// Goes on if a value compares as wanted.
    Compare {
        /// Where the value is.
        from: Register,
        /// The comparison.
        comparison: Comparison,
        /// What it is compared with, as the packet would hold it.
        with: Vec<u8>,
    },
    /// Computes `(value & mask) ^ xor`.
    Bitwise {
        /// Where the value is.
        from: Register,
        /// Where the outcome goes.
        to: Register,
        /// The bits to keep.
        mask: Vec<u8>,
        /// The bits to turn over; as long as `mask`.
        xor: Vec<u8>,
    },
    /// Goes on if a key is in a set; for maps also loads what it stands for.
    Lookup {
        /// The set or map.
        set: SetReference,
        /// Where the key begins.
        key: Register,
        /// Whether to go on if the key is *not* in it.
        negated: bool,
        /// Where a map's value goes; [`Register::VERDICT`] for a verdict map.
        value: Option<Register>,
    },
    /// Loads a constant.
    Immediate {
        /// Where to.
        to: Register,
        /// The constant.
        value: Vec<u8>,
    },
    /// Decides.
    Verdict(Verdict),
    /// Changes the source or destination of the connection.
    Nat {
        /// Which of the two.
        kind: Nat,
        /// The family of the address.
        family: Family,
        /// Where the new address is; without it the address stays.
        address: Option<Register>,
        /// Where the new port is; without it the port stays.
        port: Option<Register>,
    },
    /// Replaces the source by the address of the interface the packet leaves through.
    Masquerade,
    /// Sends the packet to this host itself.
    Redirect {
        /// Where the new port is; without it the port stays.
        port: Option<Register>,
    },
    /// Loads a fact about the connection.
    Conntrack {
        /// Which fact.
        key: Conntrack,
        /// Where to.
        to: Register,
    },
    /// Changes a fact about the connection.
    SetConntrack {
        /// Which fact.
        key: Conntrack,
        /// Where its new value is.
        from: Register,
    },
    /// Loads what the routing tables say about an address of the packet.
    Fib {
        /// `NFTA_FIB_F_*`: which address and what else is looked at.
        flags: u32,
        /// `NFT_FIB_RESULT_*`: what is loaded.
        result: u32,
        /// Where to.
        to: Register,
    },
    /// Counts packets and bytes.
    Counter {
        /// Packets so far.
        packets: u64,
        /// Bytes so far.
        bytes: u64,
    },
    /// Goes on for so many packets in a time.
    Limit {
        /// How many packets.
        packets: u64,
        /// In how many seconds.
        seconds: u64,
        /// How many more at once.
        burst: u32,
    },
    /// Drops the packet and tells its sender.
    Reject {
        /// `NFT_REJECT_*`.
        kind: u32,
        /// The code of the ICMP message.
        code: u8,
    },
    /// Goes on if a match of iptables does (`nft_compat`). The tools of iptables write these, and
    /// understand no other way of saying the same.
    Match {
        /// The match's name: `conntrack`.
        name: String,
        /// The version of its data.
        revision: u32,
        /// Its data, a structure of the kernel (`linux/netfilter/xt_*.h`), possibly padded.
        data: Vec<u8>,
    },
    /// Does what a target of iptables does (`nft_compat`).
    Target {
        /// The target's name: `MARK`.
        name: String,
        /// The version of its data.
        revision: u32,
        /// Its data, a structure of the kernel (`linux/netfilter/xt_*.h`), possibly padded.
        data: Vec<u8>,
    },
    /// An expression this crate has no word for, as listings may hold it.
    Other {
        /// The kernel's name for it.
        name: String,
    },
}

/// How a rule speaks of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetReference {
    /// A set of the rule's table, by name.
    Named(String),
    /// A set without a name that belongs to the rule, by its number in the transaction. Listings
    /// give these names and tell nothing of the number, which is zero then.
    Anonymous(u32),
}

/// What happens to a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It passes this chain and what is above it.
    Accept,
    /// It is gone.
    Drop,
    /// The rules behind this one go on.
    Continue,
    /// The chain above goes on behind its jump.
    Return,
    /// Another chain is asked, then the rules behind this one.
    Jump(String),
    /// Another chain is asked instead of the rules behind this one.
    Goto(String),
    /// A verdict this crate has no word for.
    Other(i32),
}

/// Facts about a packet (`enum nft_meta_keys`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meta {
    /// The protocol of the link layer's payload (an `ETH_P_*` number in network order).
    Protocol,
    /// The packet mark.
    Mark,
    /// The name of the interface it came in through.
    InInterface,
    /// The name of the interface it leaves through.
    OutInterface,
    /// The protocol family (`NFPROTO_*`).
    Family,
    /// The transport protocol.
    Transport,
    /// One this crate has no word for.
    Other(u32),
}

/// Facts about a connection (`enum nft_ct_keys`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conntrack {
    /// Its state, one bit each; see [`ConntrackState`](super::ConntrackState).
    State,
    /// What has been done with it (`IPS_*`).
    Status,
    /// The connection mark.
    Mark,
    /// One this crate has no word for.
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
    /// One this crate has no word for.
    Other(u32),
}

/// Comparisons (`enum nft_cmp_ops`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// The same bytes.
    Equal,
    /// Other bytes.
    Different,
    /// One this crate has no word for.
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

/// Makes the two directions between a word and its number.
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
numbers!(Conntrack: State = 0, Status = 2, Mark = 3);
numbers!(Base: Link = 0, Network = 1, Transport = 2);
numbers!(Comparison: Equal = 0, Different = 1);

impl Expression {
    /// Whether it does the same as another one, whatever has been counted.
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

impl SetReference {
    fn alike(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Anonymous(_), Self::Anonymous(_)) => true,
            _ => self == other,
        }
    }
}

impl Verdict {
    /// The kernel's number (`NF_*` and `enum nft_verdicts`) and, for some, a chain.
    pub(crate) fn parts(&self) -> (i32, Option<&str>) {
        match self {
            Self::Drop => (0, None),
            Self::Accept => (1, None),
            Self::Continue => (-1, None),
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
            (-1, _) => Self::Continue,
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
