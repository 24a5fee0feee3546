//! Elements of the maps and of the set.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use cni_types::Cidr;
use ferrule_kernel::Family;
use ferrule_netfilter::nft::{self, Element, Transport, Value};

use super::base_chains::{HOSTIP_HOSTPORTS, HOSTPORTS};
use crate::config::Masquerading;
use crate::forwarding::Forwarding;
use crate::owner::{Owner, first_word};

/// The map of a mapping.
pub(super) fn map_of(forwarding: &Forwarding) -> &'static str {
    match forwarding.only {
        Some(_) => HOSTIP_HOSTPORTS,
        None => HOSTPORTS,
    }
}

/// The key of a mapping.
pub(super) fn key(transport: Transport, only: Option<IpAddr>, host_port: u16) -> Element {
    let port = [Value::Transport(transport), Value::Port(host_port)];
    match only {
        Some(address) => Element::new(&[Value::Address(address), port[0], port[1]]),
        None => Element::new(&port),
    }
}

/// The element of a mapping, one of `count` of the attachment.
pub(super) fn mapping(forwarding: &Forwarding, owner: &Owner, count: usize) -> Element {
    let Forwarding {
        transport,
        only,
        host_port,
        to,
    } = *forwarding;
    let to = [Value::Address(to.ip()), Value::Port(to.port())];
    signed(key(transport, only, host_port).with_data(&to), owner, count)
}

/// The translation of an element.
pub(super) fn forwarding(element: &Element, family: Family) -> Option<Forwarding> {
    let length = match family {
        Family::V4 => 4,
        Family::V6 => 16,
    };
    let key = element.key.as_bytes();
    // Each field of a concatenation starts at a multiple of four bytes.
    let (only, port) = match key.len() {
        8 => (None, key),
        _ => key
            .split_at_checked(length)
            .map(|(only, port)| (nft::address(only), port))?,
    };
    let [protocol, _, _, _, high, low, _, _] = port else {
        return None;
    };
    let Some(data) = &element.data else {
        return None;
    };
    let (to, to_port) = data.as_bytes().split_at_checked(length)?;
    let [to_high, to_low, ..] = to_port else {
        return None;
    };
    Some(Forwarding {
        transport: Transport::numbered(*protocol)?,
        only,
        host_port: u16::from_be_bytes([*high, *low]),
        to: SocketAddr::new(nft::address(to)?, u16::from_be_bytes([*to_high, *to_low])),
    })
}

/// The elements that masquerade connections to the container.
pub(super) fn masquerading(
    address: Cidr,
    whose: Masquerading,
    owner: &Owner,
    count: usize,
) -> Vec<Element> {
    let to = Value::Address(address.address());
    let from = |first: IpAddr, last: IpAddr| {
        let element = Element::new(&[Value::Address(first), to]);
        signed(element.up_to(&[Value::Address(last), to]), owner, count)
    };
    let from_network = |network: Cidr| {
        let network = network.network();
        from(network.network(), network.broadcast())
    };
    match (whose, Family::of(address.address())) {
        (Masquerading::Nobody, _) => vec![],
        (Masquerading::Neighbours, Family::V4) => vec![
            from_network(address),
            from(Ipv4Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()),
        ],
        (Masquerading::Neighbours, Family::V6) => vec![from_network(address)],
        (Masquerading::Everybody, _) => vec![from_network(Cidr::default_route(address.address()))],
    }
}

/// The keys of every element of [`masquerading`] for an address.
pub(super) fn masquerading_keys(address: IpAddr) -> Vec<Element> {
    let from = |source: IpAddr| Element::new(&[Value::Address(source), Value::Address(address)]);
    match address {
        IpAddr::V4(_) => vec![from(address), from(Ipv4Addr::LOCALHOST.into())],
        IpAddr::V6(_) => vec![from(address)],
    }
}

fn signed(element: Element, owner: &Owner, count: usize) -> Element {
    element
        .with_comment(&owner.element_comment())
        .with_note(&owner.element_note(count))
}

/// The number of elements for mappings of the attachment, if the note has it.
pub(super) fn count(element: &Element) -> Option<usize> {
    first_word(element.note.as_deref()?).parse().ok()
}
