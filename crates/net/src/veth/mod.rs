//! The veth pair between host and container.

mod remove;

use std::fmt::Display;
use std::thread;
use std::time::{Duration, Instant};

use cni_types::Error;
use ferrule_kernel::{
    Link, LinkChange, LinkSelector, Mac, NetlinkError, OperState, RequestError, VethPair,
};
use ferrule_plugin::Undo;

use crate::best_effort::write_best_effort;
use crate::link::{FROM_ANOTHER_ADD, undo_create};
use crate::{AttachmentId, Host, NetError, Sandbox};

pub use remove::{collect_garbage, remove_for};

/// Prefix of the names of host ends. NetworkManager and others ignore links with this prefix.
pub(crate) const PREFIX: &str = "veth";
/// The kernel's name of the kind (`IFLA_INFO_KIND`).
pub const KIND: &str = "veth";
/// Time limit for both ends to come up. The kernel needs less than 1 ms, a second at worst.
const UP_LIMIT: Duration = Duration::from_millis(2550);

/// Settings of the new veth pair.
#[derive(Clone, Copy, Debug, Default)]
pub struct PairSettings {
    /// MTU of both ends in bytes; the kernel's default if none.
    pub mtu: Option<u32>,
    /// MAC address of the container end; random if none.
    pub mac: Option<Mac>,
    /// Index of the master (a bridge) of the host end.
    pub master: Option<u32>,
}

/// A veth pair.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The host end, up.
    pub host: Link,
    /// The container end as last looked up; down when new.
    pub container: Link,
    /// The master as it is with the host end as its port.
    pub master: Option<Link>,
}

/// Creates the pair, with the container end in its namespace under its final name.
///
/// The host end ignores router advertisements before it comes up, is created as a port of its master
/// and has the attachment's alias. On failure nothing is left; `undo` records how to remove the pair
/// if a later step of ADD fails. The caller must [check](ensure_name_is_free) first that the
/// interface's name is free.
pub fn create(
    host: &Host,
    sandbox: &Sandbox,
    id: &AttachmentId,
    settings: PairSettings,
    undo: &mut Undo,
) -> Result<Pair, NetError> {
    let (link, master) = create_under_free_name(host, sandbox, id, settings)?;
    undo_create(undo, host.clone(), &link);
    prepare(host, &link, id)?;
    Ok(Pair {
        container: sandbox.link(&id.ifname)?,
        host: link,
        master,
    })
}

/// Fails if the interface exists, as after an ADD without a DEL since the last one.
pub fn ensure_name_is_free(sandbox: &Sandbox, ifname: &str) -> Result<(), NetError> {
    if sandbox.link_by_name(ifname)?.is_none() {
        return Ok(());
    }
    let place = sandbox.netns().path().display().to_string();
    Err(already_made(format_args!(
        "container veth name ({ifname:?}) peer provided ({place:?}) already exists"
    )))
}

fn already_made(problem: impl Display) -> NetError {
    let error = Error::internal(problem);
    error.details(FROM_ANOTHER_ADD).into()
}

fn create_under_free_name(
    host: &Host,
    sandbox: &Sandbox,
    id: &AttachmentId,
    settings: PairSettings,
) -> Result<(Link, Option<Link>), NetError> {
    for name in id.host_names(PREFIX) {
        let pair = VethPair {
            name: &name,
            peer: &id.ifname,
            peer_netns: sandbox.netns().fd(),
            mtu: settings.mtu,
            peer_mac: settings.mac,
            master: settings.master,
            group: id.group(),
            up: false,
        };
        match create_as(host, &pair) {
            Ok((link, master)) => {
                return Ok((link.ok_or_else(|| Host::link_not_found(&name))?, master));
            }
            Err(error) if error.is_exists() => {
                ensure_name_is_free(sandbox, &id.ifname)?;
                ensure_name_is_foreign(host, id, &name)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    let tried: Vec<String> = id.host_names(PREFIX).collect();
    let (name, tried) = (&id.ifname, tried.join(", "));
    Err(Error::internal(format_args!(
        "create veth for {name:?}: the names {tried} are taken on the host"
    ))
    .into())
}

/// Creates the pair and returns its host end, and the master with that port.
///
/// Both are looked up while the host end is still down. A lookup of a link that is up without carrier
/// makes the kernel deactivate its queues, which waits for a grace period.
fn create_as(
    host: &Host,
    pair: &VethPair<'_>,
) -> Result<(Option<Link>, Option<Link>), NetlinkError> {
    let mut batch = host.batch();
    batch.add(pair.create());
    let name = LinkSelector::Name(pair.name);
    let seen = match pair.master {
        None => batch.run_and_look_up([name]).map(|[link]| (link, None)),
        Some(master) => batch
            .run_and_look_up([name, LinkSelector::Index(master)])
            .map(|[link, master]| (link, master)),
    };
    if matches!(
        &seen,
        Err(NetlinkError {
            cause: RequestError::Refused(_),
            message: None,
            ..
        })
    ) {
        // The pair exists, but the lookup failed.
        let _ = host.delete_link_by_name(pair.name);
    }
    seen
}

/// Fails if the host end belongs to this attachment: an ADD without a DEL left it.
fn ensure_name_is_foreign(host: &Host, id: &AttachmentId, name: &str) -> Result<(), NetError> {
    match host.link_by_name(name)? {
        Some(link) if link.is_kind(KIND) && !id.is_foreign(link.alias.as_deref()) => {
            Err(already_made(format_args!(
                "host interface {name:?} of this container and interface already exists"
            )))
        }
        _ => Ok(()),
    }
}

/// Sets the alias of a new host end and brings it up. From then on the alias identifies it, so the
/// device group of its creation is reset to the default.
fn prepare(host: &Host, link: &Link, id: &AttachmentId) -> Result<(), NetError> {
    refuse_router_advertisements(&link.name)?;
    if link.master.is_none() {
        skip_duplicate_detection(&link.name)?;
    }
    let change = LinkChange::new(link.index).alias(&id.alias()).group(0).up();
    Ok(host.execute(change.message())?)
}

/// Keeps a host link from accepting addresses and routes that a container advertises.
pub fn refuse_router_advertisements(name: &str) -> Result<(), NetError> {
    write_best_effort(&format!("net/ipv6/conf/{name}/accept_ra"), "0")
}

/// Makes the link-local address of a new host link usable at once. The host sends its neighbour
/// solicitations from it, so while it is tentative nothing reaches the container.
pub fn skip_duplicate_detection(name: &str) -> Result<(), NetError> {
    write_best_effort(&format!("net/ipv6/conf/{name}/accept_dad"), "0")
}

/// Waits until both ends are operationally up.
///
/// The container end is included: until the kernel has noticed its carrier, it has no IPv6 multicast
/// route, and neighbour solicitations are lost. From kernel 6.8 on a lookup makes the kernel notice.
/// Before, a worker does, up to a second late where both ends have the same index
/// (`linkwatch_urgent_event` of `net/core/link_watch.c`).
pub fn wait_until_up(host: &Host, sandbox: &Sandbox, pair: &Pair) -> Result<(), NetError> {
    let start = Instant::now();
    if pair.container.operstate != OperState::Up {
        wait_for_link(start, || sandbox.link(&pair.container.name))?;
    }
    wait_for_link(start, || host.link(&pair.host.name))
}

fn wait_for_link(
    start: Instant,
    look: impl Fn() -> Result<Link, NetError>,
) -> Result<(), NetError> {
    let mut pause = Duration::from_micros(50);
    loop {
        let link = look()?;
        if link.operstate == OperState::Up {
            return Ok(());
        }
        if start.elapsed() > UP_LIMIT {
            let (name, state, waited) = (link.name, link.operstate, start.elapsed().as_millis());
            let msg = format!("interface {name:?} is not up but {state} after {waited} ms");
            return Err(Error::internal(msg).into());
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// The host end of the veth whose container end is `link`.
pub fn peer_on_host(host: &Host, link: &Link) -> Result<Option<Link>, NetError> {
    let Some(index) = link.peer_index.filter(|_| link.is_kind(KIND)) else {
        return Ok(None);
    };
    let peer = host.link_by_index(index)?;
    Ok(peer.filter(|peer| peer.is_kind(KIND) && peer.peer_index == Some(link.index)))
}
