//! The link that a container's link is put on: the `master` of macvlan, ipvlan and vlan.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Deref;

use cni_types::{Code, Error};
use ferrule_kernel::{Family, Link, Netns, RouteEntry, RouteFilter, RtnlSocket};

use crate::link::MasterName;
use crate::{Host, NetError, Sandbox};

/// The routing table that a default route counts in (`RT_TABLE_MAIN`).
const MAIN_TABLE: u32 = 254;
/// A route by which packets are sent (`RTN_UNICAST`), as against one that refuses them.
const UNICAST: u8 = 1;

/// Addresses reserved for documentation (RFC 5737, RFC 3849), to which only a default route leads.
const FAR: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
];

/// Where a parent is: on the host, or beside its links in the container (`linkInContainer`).
#[derive(Clone)]
pub(crate) enum MasterNetns {
    /// On the host.
    Host(Host),
    /// In the container.
    Container(Sandbox),
}

impl MasterNetns {
    /// The side that `linkInContainer` means.
    pub(crate) fn open(in_container: bool, sandbox: &Sandbox) -> Result<Self, NetError> {
        Ok(if in_container {
            Self::Container(sandbox.clone())
        } else {
            Self::Host(Host::open()?)
        })
    }

    /// The parent that `name` means.
    pub(crate) fn find(&self, name: &MasterName<'_>) -> Result<Link, Error> {
        match name {
            MasterName::Configured(name) => self.named(name),
            MasterName::Previous(name) => self.named(name),
            MasterName::DefaultRoute | MasterName::Open => self.of_default_route(),
        }
    }

    fn named(&self, name: &str) -> Result<Link, Error> {
        let link = self.link_by_name(name).map_err(NetError::from)?;
        link.ok_or_else(|| {
            Error::internal(format_args!("master {name:?} not found {}", self.place())).details(
                "name an interface that is there in the key master; \
                 the key linkInContainer tells where it is looked for",
            )
        })
    }

    fn of_default_route(&self) -> Result<Link, Error> {
        let index = default_route_interface(self)?;
        let link = match index {
            Some(index) => self.link_by_index(index).map_err(NetError::from)?,
            None => None,
        };
        link.ok_or_else(|| {
            Error::internal(format_args!(
                "no master: the key master is missing and there is no default route {}",
                self.place()
            ))
        })
    }

    /// Whether `link`, which is in `sandbox`, is put on `parent`, which is on this side.
    pub(crate) fn carries(
        &self,
        parent: &Link,
        link: &Link,
        sandbox: &Sandbox,
    ) -> Result<bool, NetError> {
        let near = match self {
            Self::Container(_) => true,
            // With CNI_NETNS_OVERRIDE the container may live in the host's namespace.
            Self::Host(_) => sandbox.is_in(&Netns::current()?),
        };
        Ok(link.peer_index == Some(parent.index) && link.link_netnsid.is_none() == near)
    }

    fn place(&self) -> String {
        match self {
            Self::Host(_) => "on the host".to_owned(),
            Self::Container(sandbox) => format!("in {}", sandbox.netns().path().display()),
        }
    }
}

impl Deref for MasterNetns {
    type Target = RtnlSocket;

    fn deref(&self) -> &RtnlSocket {
        match self {
            Self::Host(host) => host,
            Self::Container(sandbox) => sandbox,
        }
    }
}

/// The interface of the default route in the main table, IPv4 before IPv6; of a route with several
/// hops, the first one's.
///
/// Usually the kernel tells at once which route it would take. The table is read where that is
/// another one: a rule or a more specific route, as tunnels use them, leads elsewhere.
fn default_route_interface(route: &RtnlSocket) -> Result<Option<u32>, NetError> {
    for far in FAR {
        // Refusals, by a route that forbids or a kernel without the family, are no answer either.
        let taken = route.entry_for(far).ok().flatten();
        if let Some(index) = taken.as_ref().and_then(interface_of_default) {
            return Ok(Some(index));
        }
        let filter = RouteFilter {
            family: Family::of(far),
            table: Some(MAIN_TABLE),
            oif: None,
        };
        let entries = route.routes(&filter)?;
        let defaults = entries
            .iter()
            .filter_map(|entry| Some((entry.priority.unwrap_or(0), interface_of_default(entry)?)));
        if let Some((_, index)) = defaults.min_by_key(|(priority, _)| *priority) {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

fn interface_of_default(entry: &RouteEntry) -> Option<u32> {
    let counts = entry.is_default() && entry.table == MAIN_TABLE && entry.kind == UNICAST;
    let first_hop = entry.nexthops.first().map(|hop| hop.oif);
    entry.oif.or(first_hop).filter(|_| counts)
}

/// The MTU a link on `parent` is to have: 0 leaves it to the kernel, which takes the parent's.
pub(crate) fn checked_mtu(mtu: i64, parent: &Link) -> Result<Option<u32>, Error> {
    match u32::try_from(mtu) {
        Ok(0) => Ok(None),
        Ok(mtu) if mtu <= parent.mtu => Ok(Some(mtu)),
        _ => Err(Error::new(
            Code::InvalidConfig,
            format!("invalid MTU {mtu}, must be [0, master MTU({})]", parent.mtu),
        )),
    }
}
