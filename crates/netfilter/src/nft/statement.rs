//! Statements: what a rule does with the packets it matches.

use std::net::{IpAddr, SocketAddr};

use super::expression::{Expression, Nat, SetReference, Verdict};
use super::field::{Field, Value};
use super::object::Family;
use super::register::Register;
use super::rule::{Rule, joined};

/// The register of an address, or of another single value.
const FIRST: Register = Register::word(0);

/// The register of a port after an address.
const SECOND: Register = Register::word(4);

/// The words an address takes inside a map's values.
const fn words(version: ferrule_kernel::Family) -> u32 {
    match version {
        ferrule_kernel::Family::V4 => 1,
        ferrule_kernel::Family::V6 => 4,
    }
}

impl Rule {
    /// Accepts the packet.
    #[must_use]
    pub fn accept(self) -> Self {
        self.verdict(Verdict::Accept)
    }

    /// Drops the packet.
    #[must_use]
    pub fn drop(self) -> Self {
        self.verdict(Verdict::Drop)
    }

    /// Returns to the calling chain.
    #[must_use]
    pub fn return_to_caller(self) -> Self {
        self.verdict(Verdict::Return)
    }

    /// Calls a chain.
    #[must_use]
    pub fn jump(self, chain: &str) -> Self {
        self.verdict(Verdict::Jump(chain.to_owned()))
    }

    /// Continues in a chain, without return.
    #[must_use]
    pub fn goto(self, chain: &str) -> Self {
        self.verdict(Verdict::Goto(chain.to_owned()))
    }

    /// Ends the rule with any verdict.
    #[must_use]
    pub fn verdict(self, verdict: Verdict) -> Self {
        self.text(&verdict).with(Expression::Verdict(verdict))
    }

    /// Counts packets and bytes.
    #[must_use]
    pub fn counter(self) -> Self {
        self.with(Expression::Counter {
            packets: 0,
            bytes: 0,
        })
        .text("counter")
    }

    /// Masquerades. For chains of type NAT at the postrouting hook.
    #[must_use]
    pub fn masquerade(self) -> Self {
        self.with(Expression::Masquerade).text("masquerade")
    }

    /// Translates destination address and port (DNAT). For chains of type NAT at the prerouting and
    /// output hooks, after a match of the transport protocol.
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
        .text(format_args!("dnat {family} to {to}"))
    }

    /// Translates destination address and port to the data of a map from `fields` to address and port;
    /// continues if the key is not in the map.
    #[must_use]
    pub fn destination_nat_from(
        self,
        fields: &[Field],
        map: impl Into<SetReference>,
        version: ferrule_kernel::Family,
    ) -> Self {
        let (family, map) = (Family::of(version), map.into());
        let text = format!("dnat {family} to {} map {map}", joined(fields));
        self.of_version(version)
            .lookup(fields, map, Some(FIRST))
            .with(Expression::Nat {
                kind: Nat::Destination,
                family,
                address: Some(FIRST),
                port: Some(Register::word(words(version))),
            })
            .text(text)
    }
}

impl From<&str> for SetReference {
    fn from(name: &str) -> Self {
        Self::Named(name.to_owned())
    }
}
