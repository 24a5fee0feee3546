//! Building rules.
//!
//! A [`Rule`] is built from left to right, like a rule of the `nft` tool, and has the same expressions
//! as that tool's rule, so that `nft list ruleset` prints it in the same words.

use std::fmt;

use ferrule_kernel::Mac;
use ipnetwork::IpNetwork;

use super::expression::{Base, CmpOp, Conntrack, Expression, Meta, SetReference};
use super::field::{Field, Transport, Value, interface_bytes};
use super::object::Family;
use super::register::Register;

/// The register of a comparison's left side.
const FIRST: Register = Register::word(0);

/// `NFTA_FIB_F_DADDR`, `NFT_FIB_RESULT_ADDRTYPE` of `linux/netfilter/nf_tables.h` and
/// `RTN_LOCAL` of `linux/rtnetlink.h`.
const FIB_DESTINATION: u32 = 2;
const FIB_ADDRESS_TYPE: u32 = 3;
const LOCAL: u32 = 2;

/// `IPS_DST_NAT` of `linux/netfilter/nf_conntrack_common.h`.
const STATUS_DESTINATION_NAT: u32 = 0x20;

/// A rule for a table of one family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    family: Family,
    expressions: Vec<Expression>,
    /// The rule in the words of the `nft` tool.
    text: String,
    comment: Option<String>,
    note: Option<String>,
    /// The IP version that the expressions so far match.
    version: Option<ferrule_kernel::Family>,
}

/// States of a connection, one bit each (`NF_CT_STATE_BIT`), combined with `|`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConntrackState(u32);

impl ConntrackState {
    /// Has been seen in both directions.
    pub const ESTABLISHED: Self = Self(2);
    /// Expected by another connection.
    pub const RELATED: Self = Self(4);
}

impl fmt::Display for ConntrackState {
    /// As the tool lists them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = [
            (Self::ESTABLISHED, "established"),
            (Self::RELATED, "related"),
        ];
        let names = known.iter().filter(|(state, _)| self.0 & state.0 != 0);
        f.write_str(&names.map(|(_, name)| *name).collect::<Vec<_>>().join(","))
    }
}

impl std::ops::BitOr for ConntrackState {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Rule {
    /// An empty rule, which matches every packet.
    pub fn new(family: Family) -> Self {
        let version = match family {
            Family::Ipv4 => Some(ferrule_kernel::Family::V4),
            Family::Ipv6 => Some(ferrule_kernel::Family::V6),
            Family::Inet | Family::Bridge => None,
        };
        Self {
            family,
            expressions: Vec::new(),
            text: String::new(),
            comment: None,
            note: None,
            version,
        }
    }

    /// The family of the tables it can be in.
    pub fn family(&self) -> Family {
        self.family
    }

    /// Its expressions.
    pub fn expressions(&self) -> &[Expression] {
        &self.expressions
    }

    /// The comment on it.
    pub fn comment(&self) -> Option<&str> {
        self.comment.as_deref()
    }

    /// Sets the comment, by which the rule can be found again: at most
    /// [`LONGEST_COMMENT`](super::LONGEST_COMMENT) bytes.
    #[must_use]
    pub fn with_comment(self, comment: impl Into<String>) -> Self {
        Self {
            comment: Some(comment.into()),
            ..self
        }
    }

    /// The note on it.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Sets a note: text for programs beside the comment, which other tools do not show.
    #[must_use]
    pub fn with_note(self, note: impl Into<String>) -> Self {
        Self {
            note: Some(note.into()),
            ..self
        }
    }

    /// Appends to the rule's text.
    pub(super) fn text(mut self, words: impl fmt::Display) -> Self {
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        self.text.push_str(&words.to_string());
        self
    }

    /// Appends any expression, which the rule's text leaves out.
    #[must_use]
    pub fn with(mut self, expression: Expression) -> Self {
        self.expressions.push(expression);
        self
    }

    /// Matches packets from a network or address.
    #[must_use]
    pub fn source(self, network: IpNetwork) -> Self {
        self.address(Field::Source, network, CmpOp::Equal)
    }

    /// Matches packets from all other sources.
    #[must_use]
    pub fn source_outside(self, network: IpNetwork) -> Self {
        self.address(Field::Source, network, CmpOp::Different)
    }

    /// Matches packets to a network or address.
    #[must_use]
    pub fn destination(self, network: IpNetwork) -> Self {
        self.address(Field::Destination, network, CmpOp::Equal)
    }

    /// Matches packets to all other destinations.
    #[must_use]
    pub fn destination_outside(self, network: IpNetwork) -> Self {
        self.address(Field::Destination, network, CmpOp::Different)
    }

    /// Matches packets to a local address, by routing type (`fib daddr type local`).
    #[must_use]
    pub fn destination_is_local(self) -> Self {
        let flags = FIB_DESTINATION;
        self.with(Expression::Fib {
            flags,
            result: FIB_ADDRESS_TYPE,
            to: FIRST,
        })
        .compared(CmpOp::Equal, LOCAL.to_ne_bytes().to_vec())
        .text("fib daddr type local")
    }

    /// Matches packets from an input interface.
    #[must_use]
    pub fn in_interface(self, name: &str) -> Self {
        self.interface(Meta::InInterface, name, CmpOp::Equal)
            .text(format_args!("iifname {name:?}"))
    }

    /// Matches packets from any other input interface.
    #[must_use]
    pub fn in_interface_other_than(self, name: &str) -> Self {
        self.interface(Meta::InInterface, name, CmpOp::Different)
            .text(format_args!("iifname != {name:?}"))
    }

    /// Matches packets to an output interface.
    #[must_use]
    pub fn out_interface(self, name: &str) -> Self {
        self.interface(Meta::OutInterface, name, CmpOp::Equal)
            .text(format_args!("oifname {name:?}"))
    }

    /// Matches packets to any other output interface.
    #[must_use]
    pub fn out_interface_other_than(self, name: &str) -> Self {
        self.interface(Meta::OutInterface, name, CmpOp::Different)
            .text(format_args!("oifname != {name:?}"))
    }

    /// Matches frames from an Ethernet address. For tables of the bridge family, where
    /// every packet has one.
    #[must_use]
    pub fn ether_source(self, address: [u8; 6]) -> Self {
        self.with(Expression::Payload {
            base: Base::Link,
            offset: 6,
            length: 6,
            to: FIRST,
        })
        .compared(CmpOp::Equal, address.to_vec())
        .text(format_args!("ether saddr {}", Mac::from(address)))
    }

    /// Matches packets of a transport protocol to a port.
    #[must_use]
    pub fn destination_port(self, transport: Transport, port: u16) -> Self {
        self.with(Field::Transport.load(FIRST))
            .compared(CmpOp::Equal, vec![transport.number()])
            .with(Field::DestinationPort.load(FIRST))
            .compared(CmpOp::Equal, port.to_be_bytes().to_vec())
            .text(format_args!("{} dport {port}", transport.name()))
    }

    /// Matches packets whose mark has a value in the bits of a mask.
    #[must_use]
    pub fn mark(self, value: u32, mask: u32) -> Self {
        self.with(Field::Mark.load(FIRST))
            .masked(mask.to_ne_bytes().to_vec())
            .compared(CmpOp::Equal, value.to_ne_bytes().to_vec())
            .text(format_args!("meta mark & {mask:#x} == {value:#x}"))
    }

    /// Matches packets of connections in one of some states.
    #[must_use]
    pub fn conntrack_state(self, states: ConntrackState) -> Self {
        self.conntrack_bits(Conntrack::State, states.0)
            .text(format_args!("ct state {states}"))
    }

    /// Matches packets of connections whose destination was translated (`ct status dnat`).
    #[must_use]
    pub fn destination_was_translated(self) -> Self {
        self.conntrack_bits(Conntrack::Status, STATUS_DESTINATION_NAT)
            .text("ct status dnat")
    }

    /// The rule with a new set in place of each anonymous one that it refers to.
    #[must_use]
    pub fn with_anonymous_sets(mut self, mut make: impl FnMut() -> SetReference) -> Self {
        for expression in &mut self.expressions {
            if let Expression::Lookup { set, .. } = expression
                && matches!(set, SetReference::Anonymous(_))
            {
                *set = make();
            }
        }
        self
    }

    /// Matches if the key made of `fields` is in a set.
    #[must_use]
    pub fn in_set(self, fields: &[Field], set: impl Into<SetReference>) -> Self {
        let set = set.into();
        let text = format!("{} {set}", joined(fields));
        self.lookup(fields, set, None).text(text)
    }

    pub(super) fn lookup(
        mut self,
        fields: &[Field],
        set: SetReference,
        value: Option<Register>,
    ) -> Self {
        let mut word = 0;
        for field in fields {
            self = match field {
                Field::Source(version) | Field::Destination(version) => self.of_version(*version),
                _ => self,
            };
        }
        for field in fields {
            self.expressions.push(field.load(Register::word(word)));
            word += field.data_type().padded_length() / 4;
        }
        self.with(Expression::Lookup {
            set,
            key: FIRST,
            negated: false,
            value,
        })
    }

    /// Matches one IP version, unless the rule does already.
    pub(super) fn of_version(mut self, version: ferrule_kernel::Family) -> Self {
        if self.version == Some(version) {
            return self;
        }
        self.version = Some(version);
        let (key, number) = match (self.family, version) {
            // ETH_P_IP and ETH_P_IPV6; a bridge knows no protocol families.
            (Family::Bridge, ferrule_kernel::Family::V4) => (Meta::Protocol, vec![0x08, 0x00]),
            (Family::Bridge, ferrule_kernel::Family::V6) => (Meta::Protocol, vec![0x86, 0xdd]),
            _ => (Meta::Family, vec![Family::of(version).number()]),
        };
        self.with(Expression::Meta { key, to: FIRST })
            .compared(CmpOp::Equal, number)
    }

    fn address(
        self,
        field: fn(ferrule_kernel::Family) -> Field,
        network: IpNetwork,
        op: CmpOp,
    ) -> Self {
        let version = ferrule_kernel::Family::of(network.ip());
        let (first, prefix) = (network.network(), network.prefix());
        let mut range = first.to_string();
        if network != IpNetwork::from(first) {
            range = format!("{range}/{prefix}");
        }
        let not = if op == CmpOp::Different { "!= " } else { "" };
        let mut rule = self
            .of_version(version)
            .text(format_args!("{} {not}{range}", field(version)));
        let octets = |address| {
            let mut bytes = Vec::new();
            Value::Address(address).append_to(&mut bytes);
            bytes
        };
        let (mut wanted, mask) = (octets(first), octets(network.mask()));
        let Expression::Payload {
            base,
            offset,
            length,
            to,
        } = field(version).load(FIRST)
        else {
            return rule;
        };
        let whole = usize::from(prefix) / 8;
        if prefix % 8 == 0 && whole > 0 {
            // Whole bytes need no mask: only they are loaded.
            wanted.truncate(whole);
            let length = u32::from(prefix / 8);
            return rule
                .with(Expression::Payload {
                    base,
                    offset,
                    length,
                    to,
                })
                .compared(op, wanted);
        }
        rule = rule.with(Expression::Payload {
            base,
            offset,
            length,
            to,
        });
        rule.masked(mask).compared(op, wanted)
    }

    fn interface(self, key: Meta, name: &str, op: CmpOp) -> Self {
        self.with(Expression::Meta { key, to: FIRST })
            .compared(op, interface_bytes(name).to_vec())
    }

    fn conntrack_bits(self, key: Conntrack, bits: u32) -> Self {
        self.with(Expression::Conntrack { key, to: FIRST })
            .masked(bits.to_ne_bytes().to_vec())
            .compared(CmpOp::Different, vec![0; 4])
    }

    fn masked(self, mask: Vec<u8>) -> Self {
        let xor = vec![0; mask.len()];
        self.with(Expression::Bitwise {
            from: FIRST,
            to: FIRST,
            mask,
            xor,
        })
    }

    fn compared(self, op: CmpOp, with: Vec<u8>) -> Self {
        self.with(Expression::Cmp {
            from: FIRST,
            op,
            with,
        })
    }
}

impl fmt::Display for Rule {
    /// As the `nft` tool prints it, without the comment.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A key of several fields in the words of the tool.
pub(super) fn joined(fields: &[Field]) -> String {
    let fields: Vec<String> = fields.iter().map(ToString::to_string).collect();
    fields.join(" . ")
}
