//! Reads the rules of containers, whichever plugin wrote them.

use std::net::SocketAddr;

use ferrule_kernel::Family;
use ferrule_net::NetError;
use ferrule_netfilter::nft::{
    self, Base, Chain, CmpOp, Expression, ListedRule, Meta, Nat, Nft, Transport,
};

use super::base_chains;
use crate::forwarding::Forwarding;

/// A rule and the chain it is in.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) chain: &'static str,
    pub(crate) rule: ListedRule,
    /// Its translation, if it is the rule of a mapping.
    pub(crate) forwarding: Option<Forwarding>,
}

/// The rules of containers of one family; none without the table.
pub(crate) fn all(nft: &Nft, family: Family) -> Result<Vec<Found>, NetError> {
    let table = base_chains::table(family);
    let mut found = Vec::new();
    if !nft.has_table(table)? {
        return Ok(found);
    }
    for chain in base_chains::OF_CONTAINERS {
        found.extend(of_chain(nft, table.chain(chain), chain)?);
    }
    Ok(found)
}

fn of_chain(nft: &Nft, chain: Chain<'_>, name: &'static str) -> Result<Vec<Found>, NetError> {
    let rules = nft.rules(chain)?.into_iter();
    Ok(rules
        .map(|rule| Found {
            chain: name,
            forwarding: forwarding(&rule.expressions),
            rule,
        })
        .collect())
}

/// The packet field that was loaded last.
enum Loaded {
    Transport,
    HostAddress,
    HostPort,
    Other,
}

/// The translation of a mapping's rule, read from its comparisons and constants.
fn forwarding(expressions: &[Expression]) -> Option<Forwarding> {
    let mut loaded = Loaded::Other;
    let (mut transport, mut port, mut only) = (None, None, None);
    let mut constants = Vec::new();
    let mut translates = false;
    for expression in expressions {
        match expression {
            Expression::Meta {
                key: Meta::Transport,
                ..
            } => loaded = Loaded::Transport,
            Expression::Payload {
                base,
                offset,
                length,
                ..
            } => loaded = loaded_from(*base, *offset, *length),
            Expression::Cmp {
                with,
                op: CmpOp::Equal,
                ..
            } => match loaded {
                Loaded::Transport => transport = transport_of(with),
                Loaded::HostPort => port = number(with),
                Loaded::HostAddress => only = nft::address(with),
                Loaded::Other => {}
            },
            Expression::Immediate { value, .. } => constants.push(value.as_slice()),
            Expression::Nat {
                kind: Nat::Destination,
                ..
            } => translates = true,
            _ => loaded = Loaded::Other,
        }
    }
    let [to, to_port] = constants[..] else {
        return None;
    };
    translates.then_some(())?;
    Some(Forwarding {
        transport: transport?,
        only,
        host_port: port?,
        to: SocketAddr::new(nft::address(to)?, number(to_port)?),
    })
}

fn loaded_from(base: Base, offset: u32, length: u32) -> Loaded {
    // Offsets of RFC 791 and RFC 8200; ports of all three protocols are in the same place.
    match (base, offset, length) {
        (Base::Transport, 2, 2) => Loaded::HostPort,
        (Base::Network, 16, 4) | (Base::Network, 24, 16) => Loaded::HostAddress,
        // Written by release 1.6.0 of the Go plugin.
        (Base::Network, 9, 1) => Loaded::Transport,
        _ => Loaded::Other,
    }
}

fn transport_of(bytes: &[u8]) -> Option<Transport> {
    let [number] = bytes else { return None };
    Transport::numbered(*number)
}

fn number(bytes: &[u8]) -> Option<u16> {
    bytes.try_into().ok().map(u16::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use ferrule_netfilter::nft::Rule;

    use super::*;

    #[test]
    fn rules_of_mappings_are_read_back() {
        for (family, only, to) in [
            (nft::Family::Ipv4, None, "10.1.0.2:80"),
            (nft::Family::Ipv4, Some("192.0.2.1"), "10.1.0.2:80"),
            (nft::Family::Ipv6, Some("fd00::1"), "[fd00::2]:80"),
        ] {
            let only: Option<IpAddr> = only.map(|text| text.parse().unwrap());
            let to: SocketAddr = to.parse().unwrap();
            let rule = Rule::new(family).in_interface("eth0");
            let rule = match only {
                Some(address) => rule.destination(address.into()),
                None => rule,
            };
            let rule = rule
                .destination_port(Transport::Udp, 53)
                .destination_nat(to);
            let expected = Forwarding {
                transport: Transport::Udp,
                only,
                host_port: 53,
                to,
            };
            assert_eq!(forwarding(rule.expressions()), Some(expected));
        }
    }

    #[test]
    fn other_rules_forward_nothing() {
        let rule = || Rule::new(nft::Family::Ipv4);
        for other in [
            rule(),
            rule().source([10, 0, 0, 1].into_network()).masquerade(),
            rule().destination_port(Transport::Tcp, 80).accept(),
            rule().destination_nat("10.0.0.1:80".parse().unwrap()),
        ] {
            assert_eq!(forwarding(other.expressions()), None);
        }
    }

    trait IntoNetwork {
        fn into_network(self) -> ferrule_kernel::IpNetwork;
    }

    impl IntoNetwork for [u8; 4] {
        fn into_network(self) -> ferrule_kernel::IpNetwork {
            IpAddr::from(self).into()
        }
    }
}
