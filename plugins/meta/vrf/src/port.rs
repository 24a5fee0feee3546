//! Moves an interface into a VRF, with its addresses and routes.

use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};

use cni_types::Error;
use ferrule_kernel::route::MAIN_TABLE;
use ferrule_kernel::{
    AddressCopy, Family, IpNetwork, Link, LinkChange, OperState, RouteCopy, RouteEntry, RouteFilter,
};
use ferrule_net::{NetError, Sandbox, routing};
use ferrule_plugin::Undo;

use crate::device::Device;

/// `RT_TABLE_LOCAL`: the local routes; those of a VRF are in its own table.
const LOCAL_TABLE: u32 = 255;
/// `RTN_UNICAST` and `RTN_LOCAL` of `linux/rtnetlink.h`.
const UNICAST: u8 = 1;
const LOCAL: u8 = 2;
/// `RTPROT_KERNEL`.
const BY_KERNEL: u8 = 2;
/// Deadline for local routes of IPv6 addresses. Duplicate address detection, if enabled, takes one or
/// two seconds.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Makes the interface a port of the VRF.
///
/// The kernel sets it down and up (`cycle_netdev` of `drivers/net/vrf.c`), so that it loses its routes
/// in all tables and its IPv6 addresses. Both are added again: routes of the main table to that of the
/// VRF, others to their table.
pub(crate) fn enslave(
    sandbox: &Sandbox,
    link: &Link,
    vrf: &Device,
    undo: &mut Undo,
) -> Result<(), NetError> {
    let state = State::of(sandbox, link)?;
    let (inside, before) = (sandbox.clone(), state.clone());
    undo.push("take the interface out of the VRF", move || {
        let change = LinkChange::new(before.link.index).no_master();
        inside.execute(change.message()).map_err(NetError::from)?;
        Ok(before.restore(&inside, MAIN_TABLE, LOCAL_TABLE)?)
    });
    sandbox.execute(LinkChange::new(link.index).master(vrf.index).message())?;
    state.restore(sandbox, vrf.table, vrf.table)
}

/// Addresses and routes that an interface loses when its master changes.
#[derive(Clone)]
struct State {
    link: Link,
    /// IPv6 addresses, including link-local ones, which an administrator may have set.
    addresses: Vec<AddressCopy>,
    /// Routes in all tables except the local one. Those without a gateway come first, as after `ptp`
    /// such a route leads to the gateway.
    routes: Vec<RouteCopy>,
}

impl State {
    fn of(sandbox: &Sandbox, link: &Link) -> Result<Self, NetError> {
        let mut routes = routing::routes(sandbox, None, Some(link.index))?;
        routes.retain(|copy| copy.entry.table != LOCAL_TABLE);
        Ok(Self {
            link: link.clone(),
            addresses: sandbox.address_copies(link.index, Some(Family::V6))?,
            routes,
        })
    }

    /// Adds what is missing. Routes of the main table go to the table `main`; `local` is the table of
    /// the kernel's local routes.
    fn restore(&self, sandbox: &Sandbox, main: u32, local: u32) -> Result<(), NetError> {
        self.restore_addresses(sandbox, local)?;
        let mut batch = sandbox.batch();
        for copy in &self.routes {
            let table = match copy.entry.table {
                MAIN_TABLE => main,
                other => other,
            };
            batch.add(copy.add_to(table).unless_made());
        }
        batch.run()?;
        self.delete_new_routes(sandbox, main)
    }

    fn restore_addresses(&self, sandbox: &Sandbox, local: u32) -> Result<(), NetError> {
        let index = self.link.index;
        let present = sandbox.addresses(index, Some(Family::V6))?;
        let mut batch = sandbox.batch();
        for copy in &self.addresses {
            if !present
                .iter()
                .any(|one| one.address == copy.address.address)
            {
                batch.add(copy.add().unless_made());
            }
        }
        batch.run()?;
        if self.link.up && self.link.operstate != OperState::LowerLayerDown {
            self.wait_until_local(sandbox, local)?;
        }
        Ok(())
    }

    /// Waits for the local routes of the addresses; before that the kernel refuses routes with them as
    /// preferred source.
    fn wait_until_local(&self, sandbox: &Sandbox, local: u32) -> Result<(), NetError> {
        let usable = self
            .addresses
            .iter()
            .filter(|copy| !copy.address.flags.dad_failed);
        let mut missing: Vec<IpAddr> = usable.map(|copy| copy.address.address.ip()).collect();
        let filter = RouteFilter {
            family: Family::V6,
            table: Some(local),
            oif: Some(self.link.index),
        };
        let start = Instant::now();
        let mut pause = Duration::from_micros(50);
        loop {
            if missing.is_empty() {
                return Ok(());
            }
            let routes = sandbox.routes(&filter)?;
            let is_there = |address: &IpAddr| {
                let dst = IpNetwork::from(*address);
                routes
                    .iter()
                    .any(|entry| entry.kind == LOCAL && entry.dst == dst)
            };
            missing.retain(|address| !is_there(address));
            let Some(address) = missing.first() else {
                return Ok(());
            };
            if start.elapsed() > TIMEOUT {
                let (name, seconds) = (&self.link.name, TIMEOUT.as_secs());
                return Err(Error::internal(format_args!(
                    "address {address} on {name:?} is not usable after {seconds} s: \
                     packets for it are not delivered"
                ))
                .into());
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }

    /// Deletes the routes to the addresses' networks that the kernel adds when the interface comes up,
    /// if they did not exist before: the plugin of the interface has replaced them.
    fn delete_new_routes(&self, sandbox: &Sandbox, main: u32) -> Result<(), NetError> {
        for copy in routing::routes(sandbox, Some(main), Some(self.link.index))? {
            let entry = &copy.entry;
            let is_network = entry.kind == UNICAST && entry.protocol == BY_KERNEL;
            if !is_network || is_link_local(entry) || self.had(entry) {
                continue;
            }
            match sandbox.execute(copy.delete_from(main)) {
                Err(error) if !error.is_not_found() => return Err(error.into()),
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether the interface had this route in the main table.
    fn had(&self, entry: &RouteEntry) -> bool {
        self.routes.iter().any(|copy| {
            let known = &copy.entry;
            known.table == MAIN_TABLE
                && (known.dst, known.protocol, known.source) == (entry.dst, BY_KERNEL, entry.source)
        })
    }
}

/// Whether the destination is link-local or multicast, which every IPv6 link has.
fn is_link_local(entry: &RouteEntry) -> bool {
    match entry.dst.ip() {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => address.is_unicast_link_local() || address.is_multicast(),
    }
}
