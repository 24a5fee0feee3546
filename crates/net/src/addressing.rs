//! Putting addresses and routes of a result on the container's interface.

use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};

use cni_types::{Cidr, CniResult, IpConfig, Route};
use ferrule_kernel::{
    Batch, Family, Link, LinkChange, LinkSelector, NetlinkError, NewAddress, NewRoute, RouteMode,
    announce, ipv6_announcements, sysctl,
};

use crate::best_effort::write_best_effort;
use crate::{NetError, Sandbox};

/// How long duplicate address detection may take when the user asks for it.
const DETECTION_LIMIT: Duration = Duration::from_secs(5);

/// Kind of the routes by which packets are delivered here (`RTN_LOCAL` of `linux/rtnetlink.h`).
const LOCAL: u8 = 2;
/// How long the kernel may take to make such a route; it is seldom as much as a millisecond.
const LOCAL_LIMIT: Duration = Duration::from_secs(1);

/// What the user asks for beyond addresses and routes.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Detect duplicate IPv6 addresses and wait for the outcome. Otherwise addresses are usable at
    /// once: IPAM owns them.
    pub detect_duplicates: bool,
    /// Say whether to detect duplicates also where the link-local address, which the kernel makes
    /// by itself, is the only IPv6 one. Otherwise the kernel's setting stays then.
    pub link_local_too: bool,
    /// Which routes lead to the networks of the addresses.
    pub prefix_routes: PrefixRoutes,
}

/// The routes that come with addresses.
#[derive(Clone, Debug, Default)]
pub enum PrefixRoutes {
    /// Those the kernel adds: each address's network is on the link.
    #[default]
    Kernel,
    /// These ones only.
    Instead {
        /// Added before the routes of the result.
        lasting: Vec<NewRoute>,
        /// There only while the routes of the result are added, which the kernel accepts because of
        /// them.
        passing: Vec<NewRoute>,
    },
}

/// Puts the addresses of `result` that are on `link` and all its routes into effect, and brings the
/// link up. Returns the link as it is then.
///
/// Everything goes to the kernel in one batch: addresses first, so that the kernel announces them
/// when the link comes up, then the link, then the routes. A route that is there already, the
/// kernel's own or the same twice in the result, is as good as added.
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

/// Brings the link up before its addresses are known. What the kernel does about IPv6 when a link
/// comes up, it then does while the caller asks for the addresses.
pub fn bring_up(sandbox: &Sandbox, link: &mut Link, options: &Options) -> Result<(), NetError> {
    sandbox.run(|| set_detection(&link.name, options))??;
    sandbox.execute(LinkChange::new(link.index).up().message())?;
    link.up = true;
    Ok(())
}

/// The addresses that the result puts on the interface `name`. Those without an index are nobody's.
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

/// Sets what the kernel must know before the link comes up.
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

/// Says whether the link detects duplicate IPv6 addresses.
fn set_detection(name: &str, options: &Options) -> Result<(), NetError> {
    let detect = if options.detect_duplicates { "1" } else { "0" };
    if options.detect_duplicates {
        write_best_effort(&format!("net/ipv6/conf/{name}/enhanced_dad"), "1")?;
    }
    write_best_effort(&format!("net/ipv6/conf/{name}/accept_dad"), detect)
}

/// Switches IPv6 on where the runtime's default has it off.
fn enable_ipv6(name: &str) -> Result<(), NetError> {
    let setting = format!("net/ipv6/conf/{name}/disable_ipv6");
    match sysctl::read(&setting) {
        Ok(value) if value.trim() != "0" => Ok(sysctl::write(&setting, "0")?),
        // Absent in a kernel without IPv6, where the next step says so.
        _ => Ok(()),
    }
}

/// A route of the result as the kernel takes it: without a gateway of its own it goes through the
/// first address's gateway of its family.
fn plan_route(link: &Link, route: &Route, ips: &[&IpConfig]) -> NewRoute {
    let inherited = || {
        ips.iter()
            .filter_map(|ip| ip.gateway)
            .find(|gateway| gateway.is_ipv4() == route.dst.is_ipv4())
    };
    NewRoute {
        gateway: route
            .gw
            .filter(|gateway| !gateway.is_unspecified())
            .or_else(inherited),
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

/// Waits until no IPv6 address of the link is under test any more.
fn wait_for_detection(sandbox: &Sandbox, link: &Link) -> Result<(), NetError> {
    let start = Instant::now();
    loop {
        let addresses = sandbox.addresses(link.index, Some(Family::V6))?;
        let duplicate = |address: String, problem| NetError::DuplicateAddress {
            address,
            name: link.name.clone(),
            problem,
        };
        if let Some(failed) = addresses.iter().find(|address| address.flags.dad_failed) {
            let problem = "duplicate address detection failed: another host has it";
            return Err(duplicate(failed.address.to_string(), problem));
        }
        let Some(tentative) = addresses.iter().find(|address| address.flags.tentative) else {
            return Ok(());
        };
        if start.elapsed() > DETECTION_LIMIT {
            let problem = "duplicate address detection did not end within 5 seconds";
            return Err(duplicate(tentative.address.to_string(), problem));
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until the kernel delivers packets for the addresses, which are in the namespace of `route`.
///
/// Of an IPv6 address that is spared the detection of duplicates, the kernel makes the local route
/// in the background (`addrconf_dad_work` of `net/ipv6/addrconf.c`), and drops the packets that
/// come before. Routing rules of the administrator may hide that route, so that it is not waited
/// for without end.
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

/// Tells the neighbours where the container's addresses are now, since they may remember another
/// container that had them before.
///
/// What cannot be announced is no reason to fail: the neighbours find out by asking.
pub fn announce_addresses(sandbox: &Sandbox, link: &Link) {
    if let Some(message) = announce(link) {
        let _ = sandbox.execute(message);
    }
}

/// The first address of a network, which bridges take for themselves: network number plus one.
pub fn first_address(network: Cidr) -> Option<IpAddr> {
    let first = match network.masked().address() {
        IpAddr::V4(base) => IpAddr::from(u32::from(base).checked_add(1)?.to_be_bytes()),
        IpAddr::V6(base) => IpAddr::from(u128::from(base).checked_add(1)?.to_be_bytes()),
    };
    network.contains(first).then_some(first)
}

/// Adds an address; whether it was there already is the answer.
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
