//! Applies the addresses and routes of a result to the container's interface.

use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};

use cni_types::{Cidr, CniResult, Error, IpConfig, Route};
use ferrule_kernel::{
    Address, Batch, Family, Link, LinkChange, LinkSelector, NetlinkError, NewAddress, NewRoute,
    RouteMode, announce, ipv6_announcements, sysctl,
};

use crate::best_effort::write_best_effort;
use crate::{NetError, Sandbox};

/// Time limit of duplicate address detection, where the user asks for it.
const DETECTION_LIMIT: Duration = Duration::from_secs(5);

/// Type of routes to local addresses (`RTN_LOCAL` of `linux/rtnetlink.h`).
const LOCAL: u8 = 2;
/// Time limit for the kernel to add such a route; it rarely takes a millisecond.
const LOCAL_LIMIT: Duration = Duration::from_secs(1);

/// Options besides the addresses and routes.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Detect duplicate IPv6 addresses and wait for the result. Otherwise addresses are usable at
    /// once, since IPAM owns them.
    pub detect_duplicates: bool,
    /// Apply `detect_duplicates` also to a link whose only IPv6 address is the link-local one.
    /// Otherwise such a link keeps the kernel's setting.
    pub link_local_too: bool,
    /// Routes to the networks of the addresses.
    pub prefix_routes: PrefixRoutes,
}

/// Routes to the networks of the addresses.
#[derive(Clone, Debug, Default)]
pub enum PrefixRoutes {
    /// The kernel adds them: the network of each address is on the link.
    #[default]
    Kernel,
    /// Only these.
    Instead {
        /// Added before the routes of the result.
        lasting: Vec<NewRoute>,
        /// There only while the routes of the result are added, which the kernel accepts because of
        /// them.
        passing: Vec<NewRoute>,
    },
}

/// Adds the addresses that `result` assigns to `link`, brings the link up and adds all routes of
/// `result`. Returns the link as it is afterwards.
///
/// One batch carries everything: first the addresses, so that the kernel announces them when the
/// link comes up, then the link, then the routes. A route that exists already, the kernel's own or
/// the same twice in the result, is no error.
pub fn configure(
    sandbox: &Sandbox,
    link: &Link,
    result: &CniResult,
    options: &Options,
) -> Result<Link, NetError> {
    let ips = addresses_of(result, &link.name)?;
    prepare(sandbox, link, &ips, options)?;
    let mut batch = sandbox.batch();
    if ips.iter().any(|ip| ip.address.is_ipv4()) {
        batch.add(LinkChange::new(link.index).arp_notify().message());
    }
    for ip in &ips {
        let address = NewAddress {
            index: link.index,
            address: ip.address.network(),
            nodad: !options.detect_duplicates,
        };
        batch.add(match options.prefix_routes {
            PrefixRoutes::Kernel => address.message(),
            PrefixRoutes::Instead { .. } => address.message_without_route(),
        });
    }
    if !link.up {
        batch.add(LinkChange::new(link.index).up().message());
    }
    if options.detect_duplicates {
        batch.run()?;
        wait_for_detection(sandbox, link)?;
        batch = sandbox.batch();
    }
    let (lasting, passing) = match &options.prefix_routes {
        PrefixRoutes::Kernel => (&[][..], &[][..]),
        PrefixRoutes::Instead { lasting, passing } => (&lasting[..], &passing[..]),
    };
    let planned = result
        .routes
        .iter()
        .map(|route| plan_route(link, route, &ips));
    add_routes(
        &mut batch,
        lasting.iter().chain(passing).copied().chain(planned),
    );
    for route in passing {
        batch.add(route.delete());
    }
    let [after] = batch.run_and_look_up([LinkSelector::Index(link.index)])?;
    wait_until_local(sandbox, ips.iter().map(|ip| ip.address.address()))?;
    after.ok_or_else(|| sandbox.link_not_found(&link.name))
}

fn add_routes(batch: &mut Batch<'_>, routes: impl Iterator<Item = NewRoute>) {
    for route in routes {
        batch.add(route.add().unless_made());
    }
}

/// Brings the link up before its addresses are known, so that the kernel configures IPv6 on it
/// while the address plugin runs.
pub fn bring_up(sandbox: &Sandbox, link: &mut Link, options: &Options) -> Result<(), NetError> {
    sandbox.run(|| set_detection(&link.name, options))??;
    sandbox.execute(LinkChange::new(link.index).up().message())?;
    link.up = true;
    Ok(())
}

/// The addresses that the result assigns to the interface `name`. Addresses without an interface
/// index belong to no interface.
fn addresses_of<'r>(result: &'r CniResult, name: &str) -> Result<Vec<&'r IpConfig>, NetError> {
    let mut ips = Vec::with_capacity(result.ips.len());
    for ip in result.ips.iter().filter(|ip| ip.interface.is_some()) {
        match result.interface_of(ip) {
            Some(interface) if interface.name == name => ips.push(ip),
            Some(interface) => {
                return Err(NetError::Unusable(format!(
                    "address {} is for interface {:?}, not for {name:?}",
                    ip.address, interface.name
                )));
            }
            None => {
                return Err(NetError::Unusable(format!(
                    "address {} has the interface index {}, but there are {} interfaces",
                    ip.address,
                    ip.interface.unwrap_or_default(),
                    result.interfaces.len()
                )));
            }
        }
    }
    Ok(ips)
}

/// Writes the sysctls that must be set before the link comes up.
fn prepare(
    sandbox: &Sandbox,
    link: &Link,
    ips: &[&IpConfig],
    options: &Options,
) -> Result<(), NetError> {
    let ipv6 = ips.iter().any(|ip| !ip.address.is_ipv4());
    let detection = !link.up && (ipv6 || options.link_local_too);
    if !ipv6 && !detection {
        return Ok(());
    }
    sandbox.run(|| {
        let name = &link.name;
        if detection {
            set_detection(name, options)?;
        }
        if ipv6 {
            write_best_effort(&ipv6_announcements(name), "1")?;
            enable_ipv6("lo")?;
            enable_ipv6(name)?;
            write_best_effort(&format!("net/ipv6/conf/{name}/keep_addr_on_down"), "1")?;
        }
        Ok(())
    })?
}

/// Switches duplicate address detection of the link on or off.
fn set_detection(name: &str, options: &Options) -> Result<(), NetError> {
    let detect = if options.detect_duplicates { "1" } else { "0" };
    if options.detect_duplicates {
        write_best_effort(&format!("net/ipv6/conf/{name}/enhanced_dad"), "1")?;
    }
    write_best_effort(&format!("net/ipv6/conf/{name}/accept_dad"), detect)
}

/// Enables IPv6 on the interface of this name, in the calling thread's namespace, where the
/// runtime's default disables it.
pub fn enable_ipv6(name: &str) -> Result<(), NetError> {
    let setting = format!("net/ipv6/conf/{name}/disable_ipv6");
    match sysctl::read(&setting) {
        Ok(value) if value.trim() != "0" => Ok(sysctl::write(&setting, "0")?),
        // A kernel without IPv6 lacks the file; adding the address then fails with the reason.
        _ => Ok(()),
    }
}

/// The kernel's form of a route of the result. A route without a gateway uses the gateway of the
/// first address of its family.
fn plan_route(link: &Link, route: &Route, ips: &[&IpConfig]) -> NewRoute {
    let inherited = || {
        ips.iter()
            .filter_map(|ip| ip.gateway)
            .find(|gateway| gateway.is_ipv4() == route.dst.is_ipv4())
    };
    NewRoute {
        gateway: match route.gw {
            // On the link itself, as dhcp has it.
            Some(gateway) if gateway.is_unspecified() => None,
            Some(gateway) => Some(gateway),
            None => inherited(),
        },
        oif: Some(link.index),
        table: route.table.filter(|table| *table > 0),
        scope: route.scope,
        priority: set(route.priority),
        mtu: set(route.mtu),
        advmss: set(route.advmss),
        mode: RouteMode::Add,
        ..NewRoute::to(route.dst.masked().network())
    }
}

fn set(number: u32) -> Option<u32> {
    (number > 0).then_some(number)
}

/// Waits until no IPv6 address of the link is tentative.
fn wait_for_detection(sandbox: &Sandbox, link: &Link) -> Result<(), NetError> {
    let start = Instant::now();
    loop {
        let addresses = sandbox.addresses(link.index, Some(Family::V6))?;
        let duplicate = |found: &Address, problem: &str| {
            let (address, name) = (found.address, &link.name);
            Err(Error::internal(format_args!("address {address} on {name:?}: {problem}")).into())
        };
        if let Some(failed) = addresses.iter().find(|address| address.flags.dad_failed) {
            let problem = "duplicate address detection failed: another host has it";
            return duplicate(failed, problem);
        }
        let Some(tentative) = addresses.iter().find(|address| address.flags.tentative) else {
            return Ok(());
        };
        if start.elapsed() > DETECTION_LIMIT {
            let problem = "duplicate address detection did not end within 5 seconds";
            return duplicate(tentative, problem);
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until the kernel delivers packets to the addresses, which are in the namespace of the
/// socket `route`.
///
/// For an IPv6 address without duplicate address detection, the kernel adds the local route in a
/// worker (`addrconf_dad_work` of `net/ipv6/addrconf.c`) and drops packets that arrive earlier. The
/// wait is bounded, because routing rules of the administrator may hide that route.
pub fn wait_until_local(
    route: &ferrule_kernel::RtnlSocket,
    addresses: impl IntoIterator<Item = IpAddr>,
) -> Result<(), NetError> {
    let start = Instant::now();
    for address in addresses.into_iter().filter(IpAddr::is_ipv6) {
        let mut pause = Duration::from_micros(20);
        while route
            .route_to(address)?
            .is_none_or(|entry| entry.kind != LOCAL)
        {
            if start.elapsed() > LOCAL_LIMIT {
                return Ok(());
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(5));
        }
    }
    Ok(())
}

/// Announces the container's addresses, since neighbours may have cached another container that had
/// them before.
///
/// A failure is ignored: neighbours then resolve the addresses again when their entries expire.
pub fn announce_addresses(sandbox: &Sandbox, link: &Link) {
    if let Some(message) = announce(link) {
        let _ = sandbox.execute(message);
    }
}

/// The first host address of a network (network number plus one), which bridges use as gateway.
pub fn first_address(network: Cidr) -> Option<IpAddr> {
    let first = match network.masked().address() {
        IpAddr::V4(base) => IpAddr::from(u32::from(base).checked_add(1)?.to_be_bytes()),
        IpAddr::V6(base) => IpAddr::from(u128::from(base).checked_add(1)?.to_be_bytes()),
    };
    network.contains(first).then_some(first)
}

/// Adds an address. Returns whether it existed already.
pub fn ensure_address(
    route: &ferrule_kernel::RtnlSocket,
    index: u32,
    address: Cidr,
) -> Result<bool, NetlinkError> {
    let message = NewAddress {
        index,
        address: address.network(),
        nodad: true,
    };
    match route.execute(message.message()) {
        Ok(()) => Ok(false),
        Err(error) if error.is_exists() => Ok(true),
        Err(error) => Err(error),
    }
}
