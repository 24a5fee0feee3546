//! What an answer grants: an address, and settings as far as they were asked for.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use cni_types::{Cidr, Dns};

use super::message::option;
use super::reply::{Reply, Status};
use crate::domains::{MOST_ENTRIES, search_list};
use crate::lease::{ClientOptions, Lease};
use crate::timing;

/// Which prefix an address has routers tell, not servers (RFC 5942).
const PREFIX: u8 = 128;
/// The server knows nothing of the association.
const NO_BINDING: u16 = 3;

/// Why an answer grants nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The server does not know the association: it has to be requested (RFC 8415, section
    /// 18.2.10.1).
    NoBinding,
    /// For the reason told.
    Other(String),
}

/// The lease that an answer from the address `server` is about: that of the address `wanted` if it is
/// among those granted.
pub(super) fn lease(
    reply: &Reply,
    server: Ipv6Addr,
    client: &ClientOptions,
    wanted: Option<Ipv6Addr>,
    now: Duration,
) -> Result<Lease, Refusal> {
    refused(&reply.status)?;
    let association = reply.association.as_ref();
    let association =
        association.ok_or_else(|| Refusal::Other("says nothing of an address".to_owned()))?;
    refused(&association.status)?;
    let granted = association
        .addresses
        .iter()
        .filter(|(address, valid)| *valid > 0 && is_host(*address));
    let wanted = granted
        .clone()
        .find(|(address, _)| Some(*address) == wanted);
    let none = || Refusal::Other("gives no usable address".to_owned());
    let &(address, valid) = wanted.or_else(|| granted.clone().next()).ok_or_else(none)?;
    let some = |seconds: u32| (seconds > 0).then_some(seconds);
    let times = timing::times(now, Some(valid), some(association.t1), some(association.t2));
    Ok(Lease {
        address: Cidr::new(address.into(), PREFIX).ok_or_else(none)?,
        gateway: None,
        routes: Vec::new(),
        dns: dns(reply, client),
        server: server.into(),
        server_id: reply.server.clone(),
        times: times.ok_or_else(none)?,
    })
}

fn refused(status: &Status) -> Result<(), Refusal> {
    match status {
        Status { code: 0, .. } => Ok(()),
        Status {
            code: NO_BINDING, ..
        } => Err(Refusal::NoBinding),
        Status { code, text } => {
            let name = match code {
                1 => "UnspecFail",
                2 => "NoAddrsAvail",
                4 => "NotOnLink",
                5 => "UseMulticast",
                _ => "no success",
            };
            Err(Refusal::Other(format!("status {code} ({name}) {text:?}")))
        }
    }
}

fn dns(reply: &Reply, client: &ClientOptions) -> Dns {
    let is_asked = |code| client.request.contains(&code);
    let servers = reply
        .name_servers
        .iter()
        .filter(|_| is_asked(option::NAME_SERVERS));
    let servers = servers
        .filter(|address| is_host(**address))
        .take(MOST_ENTRIES);
    let servers: Vec<String> = servers.map(ToString::to_string).collect();
    let search = reply.search.iter().filter(|_| is_asked(option::SEARCH));
    Dns {
        nameservers: (!servers.is_empty()).then_some(servers),
        search: search_list(search.cloned()),
        ..Dns::default()
    }
}

/// Whether a host can have this address beside that of the link.
fn is_host(address: Ipv6Addr) -> bool {
    let is_special = address.is_unspecified()
        || address.is_loopback()
        || address.is_multicast()
        || address.is_unicast_link_local()
        || address.to_ipv4_mapped().is_some();
    !is_special
}

/// The IPv6 address of a lease.
pub(super) fn ipv6(lease: &Lease) -> Option<Ipv6Addr> {
    match lease.address.address() {
        IpAddr::V6(address) => Some(address),
        IpAddr::V4(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::identity::Duid;
    use super::super::reply::{Association, ReplyKind};
    use super::*;

    fn reply(addresses: &[(&str, u32)]) -> Reply {
        let addresses = addresses
            .iter()
            .map(|(address, valid)| (address.parse().unwrap(), *valid));
        let association = Association {
            t1: 0,
            t2: 0,
            addresses: addresses.collect(),
            ..Association::default()
        };
        Reply {
            kind: ReplyKind::Reply,
            server: Duid::new(&[9]).unwrap(),
            status: Status::default(),
            association: Some(association),
            name_servers: vec!["fd00::1".parse().unwrap(), "::1".parse().unwrap()],
            search: vec!["example.org.".to_owned(), "b\\032d.".to_owned()],
        }
    }

    fn read(reply: &Reply, wanted: Option<&str>) -> Result<Lease, Refusal> {
        let wanted = wanted.map(|text| text.parse().unwrap());
        let client = ClientOptions {
            request: vec![23, 24],
            ..ClientOptions::default()
        };
        lease(
            reply,
            "fe80::1".parse().unwrap(),
            &client,
            wanted,
            Duration::ZERO,
        )
    }

    #[test]
    fn the_wanted_address_goes_before_others() {
        let reply = reply(&[("fd00::5", 10), ("fd00::6", 20)]);
        for (wanted, expected) in [
            (None, "fd00::5"),
            (Some("fd00::6"), "fd00::6"),
            (Some("fd00::7"), "fd00::5"),
        ] {
            let lease = read(&reply, wanted).unwrap();
            assert_eq!(lease.address.to_string(), format!("{expected}/128"));
        }
    }

    #[test]
    fn unusable_addresses_are_passed_over() {
        let bad = [
            ("fd00::5", 0),
            ("::", 9),
            ("::1", 9),
            ("ff02::1", 9),
            ("fe80::5", 9),
            ("::ffff:10.0.0.1", 9),
        ];
        for address in bad {
            assert!(
                matches!(read(&reply(&[address]), None), Err(Refusal::Other(_))),
                "{address:?}"
            );
            let lease = read(&reply(&[address, ("fd00::6", 9)]), None).unwrap();
            assert_eq!(lease.address.to_string(), "fd00::6/128");
        }
    }

    #[test]
    fn times_are_those_of_the_address() {
        let limits = read(&reply(&[("fd00::5", 80)]), None)
            .unwrap()
            .times
            .limits
            .unwrap();
        assert_eq!(limits.expire, Duration::from_secs(80));
        assert!(limits.renew < limits.rebind && limits.rebind < limits.expire);
        assert_eq!(
            read(&reply(&[("fd00::5", u32::MAX)]), None)
                .unwrap()
                .times
                .limits,
            None
        );
    }

    #[test]
    fn a_status_refuses() {
        let mut refused = reply(&[("fd00::5", 10)]);
        refused.status.code = 3;
        assert_eq!(read(&refused, None), Err(Refusal::NoBinding));
        let mut refused = reply(&[("fd00::5", 10)]);
        refused.association.as_mut().unwrap().status.code = 2;
        let Err(Refusal::Other(text)) = read(&refused, None) else {
            panic!()
        };
        assert!(text.contains("NoAddrsAvail"), "{text}");
    }

    #[test]
    fn settings_are_those_asked_for() {
        let reply = reply(&[("fd00::5", 10)]);
        let dns = read(&reply, None).unwrap().dns;
        assert_eq!(dns.nameservers.unwrap(), ["fd00::1"]);
        assert_eq!(dns.search.unwrap(), ["example.org"]);
        let nothing = lease(
            &reply,
            "fe80::1".parse().unwrap(),
            &ClientOptions::default(),
            None,
            Duration::ZERO,
        );
        assert_eq!(nothing.unwrap().dns, Dns::default());
    }
}
