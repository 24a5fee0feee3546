//! The master of a container's link: the interface that macvlan, ipvlan and vlan are created on.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Deref;

use cni_types::{Code, Error};
use ferrule_kernel::{Family, Link, Netns, RouteEntry, RouteFilter, RtnlSocket};

use crate::link::MasterName;
use crate::{Host, NetError, Sandbox};

/// The routing table of default routes (`RT_TABLE_MAIN`).
const MAIN_TABLE: u32 = 254;
/// Type of routes that forward packets (`RTN_UNICAST`), unlike unreachable or blackhole routes.
const UNICAST: u8 = 1;

/// Addresses reserved for documentation (RFC 5737, RFC 3849): only a default route matches them.
const FAR: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
];

/// The namespace of a master: the host's, or the container's (key `linkInContainer`).
#[derive(Clone)]
pub(crate) enum MasterNetns {
    /// The host's.
    Host(Host),
    /// The container's.
    Container(Sandbox),
}

impl MasterNetns {
    /// Opens the namespace that the key `linkInContainer` selects.
    pub(crate) fn open(in_container: bool, sandbox: &Sandbox) -> Result<Self, NetError> {
        Ok(if in_container {
            Self::Container(sandbox.clone())
        } else {
            Self::Host(Host::open()?)
        })
    }

    /// Looks up the master that `name` selects.
    pub(crate) fn find(&self, name: &MasterName<'_>) -> Result<Link, NetError> {
        match name {
            MasterName::Configured(name) => self.named(name),
            MasterName::Previous(name) => self.named(name),
            MasterName::DefaultRoute | MasterName::Open => self.of_default_route(),
        }
    }

    fn named(&self, name: &str) -> Result<Link, NetError> {
        self.link_by_name(name)?.ok_or_else(|| {
            let missing = format_args!("master {name:?} not found {}", self.place());
            let hint = "name an interface that is there in the key master; \
                        the key linkInContainer tells where it is looked for";
            Error::internal(missing).details(hint).into()
        })
    }

    fn of_default_route(&self) -> Result<Link, NetError> {
        let link = match default_route_interface(self)? {
            Some(index) => self.link_by_index(index)?,
            None => None,
        };
        link.ok_or_else(|| {
            let place = self.place();
            Error::internal(format_args!(
                "no master: the key master is missing and there is no default route {place}"
            ))
            .into()
        })
    }

    /// Whether `master`, which is in this namespace, is the master of `link`, which is in `sandbox`.
    pub(crate) fn carries(
        &self,
        master: &Link,
        link: &Link,
        sandbox: &Sandbox,
    ) -> Result<bool, NetError> {
        let near = match self {
            Self::Container(_) => true,
            // With CNI_NETNS_OVERRIDE the container may live in the host's namespace.
            Self::Host(_) => sandbox.is_in(&Netns::current()?),
        };
        Ok(link.peer_index == Some(master.index) && link.link_netnsid.is_none() == near)
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

/// The interface of the default route in the main table, IPv4 before IPv6. Of a multipath route it is
/// that of the first next hop.
///
/// Usually one route lookup in the kernel returns it. The table is dumped only where the lookup
/// returns another route, because of a routing rule or a more specific route, as VPNs add them.
fn default_route_interface(route: &RtnlSocket) -> Result<Option<u32>, NetError> {
    for far in FAR {
        // An error (an unreachable route, or a kernel without the family) means no default route.
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

/// The MTU of a link on `master`. 0 leaves the choice to the kernel, which uses the master's.
pub(crate) fn checked_mtu(mtu: i64, master: &Link) -> Result<Option<u32>, Error> {
    match u32::try_from(mtu) {
        Ok(0) => Ok(None),
        Ok(mtu) if mtu <= master.mtu => Ok(Some(mtu)),
        _ => Err(Error::new(
            Code::InvalidConfig,
            format!("invalid MTU {mtu}, must be [0, master MTU({})]", master.mtu),
        )),
    }
}
