//! ADD: creates the link and applies the result to it.

use cni_types::{CniResult, Error, Interface, Request, SpecVersion};
use ferrule_kernel::{Errno, Link, LinkChange, Message, NetlinkError, NewLink, RtnlSocket};

use super::plugin::Target;
use crate::addressing::{self, Options};
use crate::master::MasterNetns;
use crate::{NetError, Sandbox, sandbox_entry};

/// What to do about a link that exists already.
pub(crate) const FROM_ANOTHER_ADD: &str =
    "another ADD made it; send DEL for this container and interface first";

/// Fails if the interface exists, as after an ADD without a DEL since the last one.
pub fn ensure_name_is_free(sandbox: &Sandbox, ifname: &str) -> Result<(), NetError> {
    if sandbox.link_by_name(ifname)?.is_none() {
        return Ok(());
    }
    let place = sandbox.netns().path().display();
    let taken = format_args!("interface {ifname:?} already exists in {place}");
    Err(Error::internal(taken).details(FROM_ANOTHER_ADD).into())
}

/// Creates the link, down, with the attachment's alias. On failure nothing is left.
///
/// `message` builds the request, which is sent from the namespace of the master, or from the
/// container's for a link without a master.
pub fn create(
    target: &Target<'_>,
    message: impl Fn(&NewLink<'_>) -> Message,
) -> Result<Link, Error> {
    let Target {
        sandbox, id, netns, ..
    } = target;
    let request = |name: &str| {
        message(&NewLink {
            name,
            parent: target.master.map(|master| master.index),
            netns: match netns {
                MasterNetns::Host(_) => Some(sandbox.netns().fd()),
                MasterNetns::Container(_) => None,
            },
            mtu: target.mtu,
            mac: target.mac,
            up: false,
        })
    };
    let socket: &RtnlSocket = netns;
    let mut name = id.ifname.clone();
    let mut made = socket.execute(request(&name));
    // Up to kernel 6.14 a name that exists on the host is refused for a link in another namespace,
    // too: the link is then created under a temporary name and renamed in the container.
    if made.as_ref().is_err_and(NetlinkError::is_exists) && matches!(netns, MasterNetns::Host(_)) {
        let other = id.temp_name();
        let second = socket.execute(request(&other));
        if !second.as_ref().is_err_and(NetlinkError::is_exists) {
            (name, made) = (other, second);
        }
    }
    made.map_err(refused)?;
    adopt(target, &name).map_err(|error| {
        // The first error is reported; DEL removes the link if this fails.
        let _ = sandbox.delete_link_by_name(&name);
        error.into()
    })
}

/// Sets the final name and the alias of a new link.
fn adopt(target: &Target<'_>, name: &str) -> Result<Link, NetError> {
    let Target {
        sandbox, id, mac, ..
    } = target;
    let mut link = sandbox.link(name)?;
    if mac.is_some() && link.mac != *mac {
        let found = link.mac.map(|mac| mac.to_string()).unwrap_or_default();
        let wanted = mac.map(|mac| mac.to_string()).unwrap_or_default();
        return Err(Error::internal(format_args!(
            "interface {:?} has the MAC address {found} of its master, not {wanted}",
            id.ifname
        ))
        .details("leave the MAC address out, or choose a mode that gives the link its own")
        .into());
    }
    let mut change = LinkChange::new(link.index).alias(&id.alias());
    if name != id.ifname {
        change = change.name(&id.ifname);
    }
    sandbox.execute(change.message())?;
    link.name.clone_from(&id.ifname);
    link.alias = Some(id.alias());
    Ok(link)
}

/// Adds a hint where the kernel's error has one known cause.
fn refused(error: NetlinkError) -> Error {
    let hint = match error.errno() {
        Some(Errno::EEXIST) => {
            "a link of that name is there (send DEL for this container and interface first), \
             or for vlan the master carries that VLAN already, for another container or the host"
        }
        Some(Errno::EBUSY) => {
            "the master is a port of a bridge or bond, or carries links of another kind: \
             macvlan and ipvlan exclude each other"
        }
        Some(Errno::EINVAL) => {
            "the master must be an Ethernet interface; \
             with a macvlan of mode passthru it carries no other"
        }
        _ => return NetError::from(error).into(),
    };
    Error::from(NetError::from(error)).details(hint)
}

/// Brings the link up.
pub fn set_up(sandbox: &Sandbox, link: &Link) -> Result<(), NetError> {
    Ok(sandbox.execute(LinkChange::new(link.index).up().message())?)
}

/// Applies the result of the address plugin, if there is one, and brings the link up. Returns the
/// result of ADD: `interface`, the link's, is its only one and has all addresses.
pub fn configure(
    sandbox: &Sandbox,
    link: &Link,
    interface: Interface,
    addresses: Option<CniResult>,
) -> Result<CniResult, NetError> {
    let has_addresses = addresses.is_some();
    let result = addresses
        .unwrap_or_default()
        .with_interfaces(vec![interface], 0);
    if has_addresses {
        let link = addressing::configure(sandbox, link, &result, &Options::default())?;
        addressing::announce_addresses(sandbox, &link);
    } else {
        set_up(sandbox, link)?;
    }
    Ok(result)
}

/// The interface of the result, with its MTU from version 1.1.0 on. The Go plugins omit the MTU.
pub fn interface(link: &Link, request: &Request) -> Interface {
    let mut entry = sandbox_entry(link, request.sandbox());
    if request.version >= SpecVersion::V1_1_0 {
        entry.mtu = link.mtu;
    }
    entry
}
