//! What an answer grants: address, routes and settings, as far as they were asked for.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use cni_types::{Cidr, Dns, Route};
use dhcproto::Decodable as _;
use dhcproto::v4::DhcpOption;
use thiserror::Error;

use super::code;
use super::reply::{Reply, address, is_host};
use crate::domains::{MOST_ENTRIES, is_domain, search_list};
use crate::lease::{ClientOptions, Lease};
use crate::timing;
use crate::v6::Duid;

/// The scope of destinations on the link itself (`RT_SCOPE_LINK`).
const ON_LINK: u8 = 253;

/// Why an answer grants nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum Unusable {
    /// No host can have the address.
    #[error("offers the address {0}, which no host can have")]
    Address(Ipv4Addr),
    /// Option 1 is not there, or no mask.
    #[error("no usable subnet mask (option 1)")]
    Mask,
    /// Option 51 is 0.
    #[error("a lease of no time (option 51)")]
    Life,
}

/// The lease that a DHCPOFFER or DHCPACK is about. Options that were not asked for are not looked at,
/// except those that make up a lease (1, 51, 58, 59).
pub(super) fn lease(
    reply: &Reply,
    client: &ClientOptions,
    now: Duration,
) -> Result<Lease, Unusable> {
    let options = Options {
        all: &reply.options,
        asked: &client.request,
    };
    if !is_host(reply.address) {
        return Err(Unusable::Address(reply.address));
    }
    let mask = options.always(code::SUBNET_MASK).and_then(address);
    let prefix = mask.and_then(prefix_length).ok_or(Unusable::Mask)?;
    let seconds = |code| {
        let bytes = options.always(code)?;
        Some(u32::from_be_bytes(bytes.try_into().ok()?))
    };
    let times = timing::times(
        now,
        seconds(code::LIFE),
        seconds(code::T1),
        seconds(code::T2),
    );
    let router = options
        .addresses(code::ROUTERS)
        .next()
        .filter(|address| is_host(*address));
    let address = Cidr::new(reply.address.into(), prefix).ok_or(Unusable::Mask)?;
    Ok(Lease {
        address,
        gateway: router.map(IpAddr::from),
        routes: options.routes(router, address, client.priority),
        dns: options.dns(),
        server: reply.server.into(),
        server_id: Duid::default(),
        times: times.ok_or(Unusable::Life)?,
    })
}

/// The length of the prefix that a mask stands for; none for one with holes, or of nothing.
fn prefix_length(mask: Ipv4Addr) -> Option<u8> {
    let bits = u32::from(mask);
    let length = bits.leading_ones();
    (length > 0 && bits.count_ones() == length).then(|| u8::try_from(length).ok())?
}

struct Options<'a> {
    all: &'a BTreeMap<u8, Vec<u8>>,
    asked: &'a [u8],
}

impl<'a> Options<'a> {
    fn always(&self, code: u8) -> Option<&'a [u8]> {
        self.all.get(&code).map(Vec::as_slice)
    }

    fn asked(&self, code: u8) -> Option<&'a [u8]> {
        self.always(code).filter(|_| self.asked.contains(&code))
    }

    /// The addresses in an option; none if its length is not a multiple of four.
    fn addresses(&self, code: u8) -> impl Iterator<Item = Ipv4Addr> + 'a {
        let bytes = self.asked(code).filter(|bytes| bytes.len() % 4 == 0);
        bytes
            .unwrap_or_default()
            .chunks_exact(4)
            .filter_map(address)
    }

    /// The routes: those without classes alone if there are any (RFC 3442), otherwise those by class
    /// and the default one. A router that is not in the leased address's network is reached on the link,
    /// which a route of its own tells.
    fn routes(&self, router: Option<Ipv4Addr>, leased: Cidr, priority: u32) -> Vec<Route> {
        let classless = [code::CLASSLESS_ROUTES, code::CLASSLESS_ROUTES_MS];
        let found = classless
            .into_iter()
            .find_map(|code| classless_routes(self.asked(code)?));
        let mut all = found.unwrap_or_else(|| {
            let by_class = self.asked(code::STATIC_ROUTES).unwrap_or_default();
            let default = Cidr::default_route(Ipv4Addr::UNSPECIFIED.into());
            let default = router.map(|router| Route::new(default, Some(router.into())));
            let remote = router.map(IpAddr::from);
            let remote = remote.filter(|router| !leased.contains(*router));
            let by_class = by_class.chunks_exact(8).filter_map(class_route);
            let to_router = remote.map(|router| on_link(Cidr::host(router)));
            to_router
                .into_iter()
                .chain(by_class)
                .chain(default)
                .collect()
        });
        let mtu = self
            .asked(code::MTU)
            .and_then(|bytes| <[u8; 2]>::try_from(bytes).ok());
        // 68 is the least that IPv4 works with (RFC 791).
        let mtu = mtu.map(u16::from_be_bytes).filter(|mtu| *mtu >= 68);
        for route in &mut all {
            route.priority = priority;
            route.mtu = mtu.unwrap_or_default().into();
        }
        all
    }

    fn dns(&self) -> Dns {
        let servers = self
            .addresses(code::NAME_SERVERS)
            .filter(|address| is_host(*address))
            .take(MOST_ENTRIES);
        let servers: Vec<String> = servers.map(|server| server.to_string()).collect();
        let domain = self
            .asked(code::DOMAIN)
            .and_then(|bytes| std::str::from_utf8(bytes).ok());
        let domain = domain.map(|text| text.trim_end_matches(['\0', '.']));
        Dns {
            nameservers: (!servers.is_empty()).then_some(servers),
            domain: domain
                .filter(|text| is_domain(text))
                .unwrap_or_default()
                .to_owned(),
            search: self.asked(code::SEARCH).and_then(search),
            options: None,
        }
    }
}

/// The routes of option 121; none if any of them is malformed, or if there is none.
fn classless_routes(mut bytes: &[u8]) -> Option<Vec<Route>> {
    let mut found = Vec::new();
    while let Some((length, rest)) = bytes.split_first() {
        let significant = usize::from(length.div_ceil(8));
        let (destination, rest) = rest.split_at_checked(significant)?;
        let mut octets = [0; 4];
        octets.get_mut(..significant)?.copy_from_slice(destination);
        let (router, rest) = rest.split_first_chunk::<4>()?;
        let router = Ipv4Addr::from(*router);
        let mut route = Route::new(
            Cidr::new(Ipv4Addr::from(octets).into(), *length)?,
            Some(router.into()),
        );
        if router.is_unspecified() {
            route.scope = Some(ON_LINK);
        } else if !is_host(router) {
            return None;
        }
        found.push(route);
        bytes = rest;
    }
    (!found.is_empty()).then_some(found)
}

/// A route to a destination on the link itself.
fn on_link(destination: Cidr) -> Route {
    let mut route = Route::new(destination, Some(Ipv4Addr::UNSPECIFIED.into()));
    route.scope = Some(ON_LINK);
    route
}

/// A route of option 33: a destination, whose class gives the length of its prefix, and a router.
fn class_route(pair: &[u8]) -> Option<Route> {
    let (destination, router) = pair.split_at_checked(4)?;
    let (destination, router) = (address(destination)?, address(router)?);
    let prefix = match destination.octets() {
        [0..128, ..] => 8,
        [128..192, ..] => 16,
        _ => 24,
    };
    let is_usable = is_host(router) && !destination.is_unspecified();
    is_usable.then_some(Route::new(
        Cidr::new(destination.into(), prefix)?,
        Some(router.into()),
    ))
}

/// The domains of option 119.
fn search(bytes: &[u8]) -> Option<Vec<String>> {
    // The codec reads an option with its code and, as it may come in pieces of 255 bytes, its lengths.
    let pieces = bytes.chunks(255);
    let option: Vec<u8> = pieces
        .flat_map(|piece| {
            [
                &[code::SEARCH, u8::try_from(piece.len()).unwrap_or_default()],
                piece,
            ]
            .concat()
        })
        .collect();
    match DhcpOption::from_bytes(&option) {
        Ok(DhcpOption::DomainSearch(names)) => search_list(names.iter().map(ToString::to_string)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
