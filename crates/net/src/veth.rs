//! The pair of links between host and container.

use std::thread;
use std::time::{Duration, Instant};

use cni_types::{CniResult, Error, Interface, Request};
use ferrule_kernel::{Link, LinkChange, LinkSelector, Mac, NetlinkError, OperState, VethPair};

use crate::best_effort::write_best_effort;
use crate::{AttachmentId, Host, NetError, Sandbox};

/// What host ends are called; NetworkManager and others ignore links with this prefix.
pub(crate) const PREFIX: &str = "veth";
/// The kind of both ends, as the kernel names it.
pub const KIND: &str = "veth";
/// How long the ends may take to come up; the kernel needs well under 1 ms, or a second at worst.
const UP_LIMIT: Duration = Duration::from_millis(2550);

/// What the pair is to be like.
#[derive(Clone, Copy, Debug, Default)]
pub struct PairSettings {
    /// MTU of both ends in bytes; the kernel's default if none.
    pub mtu: Option<u32>,
    /// Hardware address of the container's end; random if none.
    pub mac: Option<Mac>,
    /// Index of the link the host end becomes a port of.
    pub master: Option<u32>,
}

/// Both ends.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The host's end, up.
    pub host: Link,
    /// The container's end, down.
    pub container: Link,
    /// The link the host's end is a port of, with that port.
    pub master: Option<Link>,
}

impl Pair {
    /// What takes the pair away again, for a list of things to undo.
    pub fn remover(&self, host: &Host) -> impl FnOnce() -> Result<(), Error> + use<> {
        let (host, index) = (host.clone(), self.host.index);
        move || {
            host.delete_link(index)
                .map(drop)
                .map_err(|error| NetError::from(error).into())
        }
    }
}

/// Makes the pair: the container's end is born in its namespace under its name.
///
/// The host end refuses router advertisements before it comes up, is a port of its master from
/// birth and bears the attachment's alias. Whatever fails, nothing is left. That the interface's
/// name is free is for the caller to [see](ensure_name_is_free) before it does anything at all.
pub fn create(
    host: &Host,
    sandbox: &Sandbox,
    id: &AttachmentId,
    settings: PairSettings,
) -> Result<Pair, NetError> {
    let (link, master) = create_under_free_name(host, sandbox, id, settings)?;
    let finished = finish(host, &link, id).and_then(|()| sandbox.link(&id.ifname));
    if finished.is_err() {
        // The error at hand is the one to report; DEL removes what resists here.
        let _ = host.delete_link(link.index);
    }
    Ok(Pair {
        host: link,
        container: finished?,
        master,
    })
}

/// Refuses an attachment whose interface exists: an ADD without DEL since the last one.
pub fn ensure_name_is_free(sandbox: &Sandbox, ifname: &str) -> Result<(), NetError> {
    match sandbox.link_by_name(ifname)? {
        None => Ok(()),
        Some(_) => Err(NetError::NameTaken {
            name: ifname.to_owned(),
            place: sandbox.netns().path().display().to_string(),
        }),
    }
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
                ensure_name_is_foreign(host, id, name)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(NetError::HostNamesTaken {
        name: id.ifname.clone(),
        tried: id.host_names(PREFIX).collect::<Vec<_>>().join(", "),
    })
}

/// Makes the pair and returns its host end, and the master with that port.
///
/// Both are looked at now, while the host end is still down: asked about a link that is up but not
/// connected, the kernel takes it out of service, which waits for a grace period.
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
    if matches!(&seen, Err(NetlinkError::Refused { message: None, .. })) {
        // The pair is there, but cannot be looked at.
        let _ = host.delete_link_by_name(pair.name);
    }
    seen
}

/// A host end of the attachment itself was left by an ADD that no DEL followed.
fn ensure_name_is_foreign(host: &Host, id: &AttachmentId, name: String) -> Result<(), NetError> {
    match host.link_by_name(&name)? {
        Some(link) if link.is_kind(KIND) && !id.is_foreign(link.alias.as_deref()) => {
            Err(NetError::AlreadyAttached { name })
        }
        _ => Ok(()),
    }
}

/// Gives a new host end its mark and switches it on. By its alias it is known from then on: the group it
/// was born in is left to those who use groups.
fn finish(host: &Host, link: &Link, id: &AttachmentId) -> Result<(), NetError> {
    refuse_router_advertisements(&link.name)?;
    if link.master.is_none() {
        skip_duplicate_detection(&link.name)?;
    }
    let change = LinkChange::new(link.index).alias(&id.alias()).group(0).up();
    Ok(host.execute(change.message())?)
}

/// Keeps a host link from taking addresses and routes that a container advertises.
pub fn refuse_router_advertisements(name: &str) -> Result<(), NetError> {
    write_best_effort(&format!("net/ipv6/conf/{name}/accept_ra"), "0")
}

/// Makes the link-local address of a new host link usable at once. The host asks for its IPv6
/// neighbours from that address, so that nothing would reach a container while it is being tested.
pub fn skip_duplicate_detection(name: &str) -> Result<(), NetError> {
    write_best_effort(&format!("net/ipv6/conf/{name}/accept_dad"), "0")
}

/// Waits until both ends can carry packets; `container` is the container's as it was last seen.
///
/// The container's end counts as well: before the kernel has noticed that it is connected, it has no
/// route for IPv6 multicast, and questions of its neighbours are lost. From kernel 6.8 on it notices
/// as soon as it is asked. Before, a worker does, up to a second late where both ends happen to have
/// the same index (`linkwatch_urgent_event` of `net/core/link_watch.c`).
pub fn wait_until_up(
    host: &Host,
    sandbox: &Sandbox,
    pair: &Pair,
    container: &Link,
) -> Result<(), NetError> {
    let start = Instant::now();
    if container.operstate != OperState::Up {
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
            return Err(NetError::NotUp {
                name: link.name,
                state: link.operstate.to_string(),
                milliseconds: start.elapsed().as_millis(),
            });
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// Removes the pair of the attachment that a DEL is about; succeeds if there is none.
///
/// The namespace may be gone and the previous result missing or unreadable.
pub fn remove_for(request: &Request) -> Result<(), NetError> {
    let host = Host::open()?;
    let sandbox = Sandbox::open_if_there(&request.netns)?;
    let prev_result = request.prev_result().unwrap_or_default();
    remove(
        &host,
        sandbox.as_ref(),
        &request.into(),
        prev_result.as_ref(),
    )
}

/// Removes the attachment's pair wherever it is found; succeeds if there is none.
///
/// The host end is found by its name and alias, whatever became of the container. A pair made by a
/// Go plugin is found by the interface's name inside the container, or else by the previous result.
/// A namespace that was recycled for another container is left alone.
fn remove(
    host: &Host,
    sandbox: Option<&Sandbox>,
    id: &AttachmentId,
    prev_result: Option<&CniResult>,
) -> Result<(), NetError> {
    for name in id.host_names(PREFIX) {
        if let Some(link) = host.link_by_name(&name)?
            && link.is_kind(KIND)
            && !id.is_foreign(link.alias.as_deref())
            && host.delete_link(link.index)?
        {
            return Ok(());
        }
    }
    if let Some(sandbox) = sandbox
        && remove_inside(host, sandbox, id, prev_result)?
    {
        return Ok(());
    }
    remove_recorded(host, prev_result)
}

/// Removes the pair by its container end, unless that is another attachment's; whether it was there
/// is the answer. A link that is no pair's end was made by somebody else.
fn remove_inside(
    host: &Host,
    sandbox: &Sandbox,
    id: &AttachmentId,
    prev_result: Option<&CniResult>,
) -> Result<bool, NetError> {
    let Some(link) = sandbox.link_by_name(&id.ifname)? else {
        return Ok(false);
    };
    if !link.is_kind(KIND) {
        return Ok(false);
    }
    if let Some(peer) = peer_on_host(host, &link)? {
        let mut names = host_ends(prev_result).map(|entry| &entry.name).peekable();
        let is_unknown = names.peek().is_some() && !names.any(|name| *name == peer.name);
        let is_ours = match peer.alias.as_deref() {
            Some(alias) if alias == id.alias() => true,
            alias => !id.is_foreign(alias) && !is_unknown,
        };
        if !is_ours {
            return Ok(false);
        }
    }
    Ok(sandbox.delete_link(link.index)?)
}

/// The entries of a result that may be host ends.
fn host_ends(result: Option<&CniResult>) -> impl Iterator<Item = &Interface> {
    let entries = result.into_iter().flat_map(|result| &result.interfaces);
    entries.filter(|entry| entry.sandbox.is_empty() && entry.name.starts_with(PREFIX))
}

/// The host end of the veth whose container end is `link`.
pub fn peer_on_host(host: &Host, link: &Link) -> Result<Option<Link>, NetError> {
    let Some(index) = link.peer_index.filter(|_| link.is_kind(KIND)) else {
        return Ok(None);
    };
    let peer = host.link_by_index(index)?;
    Ok(peer.filter(|peer| peer.is_kind(KIND) && peer.peer_index == Some(link.index)))
}

/// Removes a host end that only the previous result names, if it is still that link.
fn remove_recorded(host: &Host, prev_result: Option<&CniResult>) -> Result<(), NetError> {
    for interface in host_ends(prev_result) {
        if let Some(link) = host.link_by_name(&interface.name)?
            && link.is_kind(KIND)
            && link.alias.is_none()
            && link
                .mac
                .is_some_and(|mac| mac.to_string().eq_ignore_ascii_case(&interface.mac))
        {
            host.delete_link(link.index)?;
        }
    }
    Ok(())
}
