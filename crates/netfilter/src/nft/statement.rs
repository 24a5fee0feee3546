//! What rules do with the packets they let through.

use std::net::{IpAddr, SocketAddr};

use super::expression::{Expression, Meta, Nat, SetReference, Verdict};
use super::field::{Field, Value};
use super::object::Family;
use super::register::Register;
use super::rule::Rule;

/// Where an address, or another single value, is loaded.
const FIRST: Register = Register::word(0);

/// Where a port behind an address is loaded.
const SECOND: Register = Register::word(4);

/// The words an address takes inside a map's values.
const fn words(version: ferrule_kernel::Family) -> u32 {
    match version {
        ferrule_kernel::Family::V4 => 1,
        ferrule_kernel::Family::V6 => 4,
    }
}

impl Rule {
    /// Lets the packet pass.
    #[must_use]
    pub fn accept(self) -> Self {
        self.verdict(Verdict::Accept)
    }

    /// Drops the packet.
    #[must_use]
    pub fn drop(self) -> Self {
        self.verdict(Verdict::Drop)
    }

    /// Returns to the chain above.
    #[must_use]
    pub fn return_to_caller(self) -> Self {
        self.verdict(Verdict::Return)
    }

    /// Asks another chain, then goes on.
    #[must_use]
    pub fn jump(self, chain: &str) -> Self {
        self.verdict(Verdict::Jump(chain.to_owned()))
    }

    /// Asks another chain instead of what follows.
    #[must_use]
    pub fn goto(self, chain: &str) -> Self {
        self.verdict(Verdict::Goto(chain.to_owned()))
    }

    /// Ends the rule with any verdict.
    #[must_use]
    pub fn verdict(self, verdict: Verdict) -> Self {
        self.with(Expression::Verdict(verdict))
    }

    /// Counts.
    #[must_use]
    pub fn counter(self) -> Self {
        self.with(Expression::Counter {
            packets: 0,
            bytes: 0,
        })
    }

    /// Goes on for so many packets per second and `burst` more at once.
    #[must_use]
    pub fn limit_per_second(self, packets: u64, burst: u32) -> Self {
        self.with(Expression::Limit {
            packets,
            seconds: 1,
            burst,
        })
    }

    /// Sets some bits of the packet mark.
    #[must_use]
    pub fn set_mark_bits(self, bits: u32) -> Self {
        self.with(Field::Mark.load(FIRST))
            .with(Expression::Bitwise {
                from: FIRST,
                to: FIRST,
                mask: (!bits).to_ne_bytes().to_vec(),
                xor: bits.to_ne_bytes().to_vec(),
            })
            .with(Expression::SetMeta {
                key: Meta::Mark,
                from: FIRST,
            })
    }

    /// Replaces the source by the address of the interface the packet leaves through. For chains
    /// of type NAT at the postrouting hook.
    #[must_use]
    pub fn masquerade(self) -> Self {
        self.with(Expression::Masquerade)
    }

    /// Changes destination address and port. For chains of type NAT at the prerouting and output
    /// hooks, behind a comparison of the transport protocol.
    #[must_use]
    pub fn destination_nat(self, to: SocketAddr) -> Self {
        let mut address = Vec::new();
        Value::Address(to.ip()).append_to(&mut address);
        let family = match to.ip() {
            IpAddr::V4(_) => Family::Ipv4,
            IpAddr::V6(_) => Family::Ipv6,
        };
        let port = to.port().to_be_bytes().to_vec();
        // As the tool: the second register in the older numbering.
        self.with(Expression::Immediate {
            to: FIRST,
            value: address,
        })
        .with(Expression::Immediate {
            to: SECOND,
            value: port,
        })
        .with(Expression::Nat {
            kind: Nat::Destination,
            family,
            address: Some(FIRST),
            port: Some(SECOND),
        })
    }

    /// Changes destination address and port to what a map from `fields` to address and port
    /// gives; goes on if the key is not there.
    #[must_use]
    pub fn destination_nat_from(
        self,
        fields: &[Field],
        map: impl Into<SetReference>,
        version: ferrule_kernel::Family,
    ) -> Self {
        self.of_version(version)
            .lookup(fields, map.into(), false, Some(FIRST))
            .with(Expression::Nat {
                kind: Nat::Destination,
                family: Family::of(version),
                address: Some(FIRST),
                port: Some(Register::word(words(version))),
            })
    }

    /// Sends the packet to a port of this host. Behind a comparison of the transport protocol.
    #[must_use]
    pub fn redirect(self, port: u16) -> Self {
        self.with(Expression::Immediate {
            to: FIRST,
            value: port.to_be_bytes().to_vec(),
        })
        .with(Expression::Redirect { port: Some(FIRST) })
    }
}

impl From<&str> for SetReference {
    fn from(name: &str) -> Self {
        Self::Named(name.to_owned())
    }
}
