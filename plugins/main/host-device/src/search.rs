//! Searches for a device: on the host before ADD, on the host or in a namespace afterwards.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use cni_types::Error;
use ferrule_kernel::{Hardware, Link, RtnlSocket, name};
use ferrule_net::{Host, NetError, Sandbox};

use crate::config::Selector;
use crate::record::Record;
use crate::sysfs;

/// Folder in which runtimes mount the namespaces of containers.
const NAMED_NAMESPACES: &str = "/run/netns";

/// The interface on the host that a selector selects.
pub(crate) fn on_host(host: &Host, selector: &Selector) -> Result<Link, NetError> {
    let found = match selector {
        Selector::Name(name) => host.link_by_name(name)?,
        Selector::Mac(mac) => {
            let links = host.links()?;
            links.into_iter().find(|link| link.mac == Some(*mac))
        }
        Selector::Path(_) | Selector::Pci(_) | Selector::Auxiliary(_) => {
            let name = interface_in_sysfs(selector)?;
            host.link_by_name(&name)?
        }
    };
    found.ok_or_else(|| {
        Error::internal(format_args!("{selector} not found on the host"))
            .details("no such device on this node, or a container has it")
            .into()
    })
}

fn interface_in_sysfs(selector: &Selector) -> Result<String, Error> {
    match selector {
        Selector::Path(path) => sysfs::interface_of(path),
        Selector::Pci(address) => sysfs::interface_of_pci(address),
        Selector::Auxiliary(name) => sysfs::interface_of(&sysfs::device_on_bus("auxiliary", name)?),
        Selector::Name(name) => Ok(name.clone()),
        Selector::Mac(mac) => Ok(mac.to_string()),
    }
}

/// The recorded device among the links of a namespace.
///
/// Hardware is identified by its bus address and permanent MAC address. A virtual link is identified
/// by its kind and alias or, if the container has removed the alias, by the name that ADD gave it.
pub(crate) fn recorded(route: &RtnlSocket, record: &Record) -> Result<Option<Link>, NetError> {
    let mut links = route.links()?;
    links.retain(|link| record.is_of_kind(link));
    let hardware = record.hardware();
    if !hardware.is_unknown() {
        return of_hardware(route, links, &hardware);
    }
    let is_aliased = |link: &Link| link.alias.as_ref() == Some(&record.device);
    let is_named = |link: &Link| link.name == record.ifname;
    links.retain(|link| is_aliased(link) || is_named(link));
    let match_rank = |link: &Link| {
        let same_mac = link.mac.is_some_and(|mac| mac.to_string() == record.mac);
        (is_aliased(link), is_named(link), same_mac)
    };
    Ok(links.into_iter().max_by_key(match_rank))
}

/// The recorded device on the host, under any name.
pub(crate) fn recorded_on_host(host: &Host, record: &Record) -> Result<Option<Link>, NetError> {
    let hardware = record.hardware();
    if !hardware.is_unknown() {
        let mut links = host.links()?;
        links.retain(|link| record.is_of_kind(link));
        return of_hardware(host, links, &hardware);
    }
    if let Some(link) = host.link_by_name(&record.device)? {
        return Ok(Some(link).filter(|link| record.is_of_kind(link)));
    }
    let is_it =
        |link: &Link| record.is_of_kind(link) && link.alias.as_ref() == Some(&record.device);
    Ok(host.links()?.into_iter().find(is_it))
}

fn of_hardware(
    route: &RtnlSocket,
    links: Vec<Link>,
    hardware: &Hardware,
) -> Result<Option<Link>, NetError> {
    for link in links {
        if route.hardware(link.index)?.as_ref() == Some(hardware) {
            return Ok(Some(link));
        }
    }
    Ok(None)
}

/// The container's namespace of a record, if it is alive: at `netns`, or that of a process after the
/// runtime has removed the path.
pub(crate) fn namespace_of(record: &Record, netns: &Path) -> Result<Option<Sandbox>, NetError> {
    let there = Sandbox::open_if_there(netns)?;
    let Some(identity) = record.netns_identity else {
        return Ok(there);
    };
    let is_it = |sandbox: &Sandbox| {
        sandbox
            .netns()
            .identity()
            .is_ok_and(|found| found == identity)
    };
    if let Some(sandbox) = there.filter(is_it) {
        return Ok(Some(sandbox));
    }
    let found = process_in(identity).map(|path| Sandbox::open_if_there(&path));
    Ok(found.transpose()?.flatten().filter(is_it))
}

/// The namespace file of a process in the namespace with this device and inode number.
fn process_in(identity: (u64, u64)) -> Option<PathBuf> {
    let processes = fs::read_dir("/proc").ok()?;
    let files = processes.flatten().map(|entry| entry.path().join("ns/net"));
    let mut inside = files.filter(|file| {
        fs::metadata(file).is_ok_and(|found| (found.dev(), found.ino()) == identity)
    });
    inside.next()
}

/// The device of an attachment without a record, in the container, and its name on the host. The Go
/// plugin, which moved it, stores that name in the alias. An error if the alias has been removed.
pub(crate) fn unrecorded(
    sandbox: &Sandbox,
    ifname: &str,
    selector: Option<&Selector>,
) -> Result<Option<(Link, String)>, NetError> {
    let named = sandbox.link_by_name(ifname)?;
    if let Some(link) = &named
        && let Some(device) = host_name(link).filter(|device| may_mean(selector, link, device))
    {
        return Ok(Some((link.clone(), device)));
    }
    for link in sandbox.links()? {
        if let Some(device) = host_name(&link)
            && means(sandbox, selector, &link, &device)?
        {
            return Ok(Some((link, device)));
        }
    }
    // Hardware with the name of ADD and without an alias.
    match named.filter(|link| link.kind.is_none() && link.name != "lo" && link.alias.is_none()) {
        None => Ok(None),
        Some(link) => match selector {
            Some(Selector::Name(device)) => Ok(Some((link, device.clone()))),
            _ => Err(Error::internal(format_args!(
                "interface {ifname:?} in {} has no alias, which would be its name on the host",
                sandbox.netns().path().display()
            ))
            .details("set its alias to that name (ip link set … alias …), and send DEL again")
            .into()),
        },
    }
}

/// The alias as a name on the host, if it is a valid name.
pub(crate) fn host_name(link: &Link) -> Option<String> {
    link.alias
        .clone()
        .filter(|alias| name::check(alias).is_ok())
}

/// Whether a link with the right name in the container may be the selected device.
fn may_mean(selector: Option<&Selector>, link: &Link, device: &str) -> bool {
    match selector {
        Some(Selector::Name(name)) => name == device || link.altnames.contains(name),
        _ => true,
    }
}

/// Whether a link with another name in the container is the selected device.
fn means(
    sandbox: &Sandbox,
    selector: Option<&Selector>,
    link: &Link,
    device: &str,
) -> Result<bool, NetError> {
    let hardware = || sandbox.hardware(link.index).map(Option::unwrap_or_default);
    let on_bus = |bus: &str, name: &String| {
        let found = hardware()?;
        Ok(found.bus.as_deref() == Some(bus) && found.device.as_ref() == Some(name))
    };
    match selector {
        Some(Selector::Name(name)) => Ok(name == device),
        Some(Selector::Mac(mac)) => {
            Ok(link.mac == Some(*mac) || hardware()?.permanent_mac == Some(*mac))
        }
        Some(Selector::Pci(address)) => on_bus("pci", address),
        Some(Selector::Auxiliary(name)) => on_bus("auxiliary", name),
        Some(Selector::Path(_)) | None => Ok(false),
    }
}

/// A device without a record that the kernel returned to the host when the container's namespace
/// ended, and the name that it gets.
///
/// The alias is that name. As an alias may be any text, it is used only if it equals the configured
/// name and no link has that name, or if the selected device has a name that the kernel gives to
/// returned devices.
pub(crate) fn unrecorded_on_host(
    host: &Host,
    ifname: &str,
    selector: Option<&Selector>,
) -> Result<Option<(Link, String)>, NetError> {
    match selector {
        None => Ok(None),
        Some(Selector::Name(device)) => {
            if host.link_by_name(device)?.is_some() {
                return Ok(None);
            }
            let mut links = host.links()?.into_iter();
            let found = links.find(|link| link.alias.as_ref() == Some(device));
            Ok(found.map(|link| (link, device.clone())))
        }
        Some(selector) => {
            let found = on_host(host, selector).ok();
            let given_back = found.filter(|link| is_kernels_name(&link.name, ifname));
            Ok(given_back.and_then(|link| host_name(&link).map(|device| (link, device))))
        }
    }
}

/// Whether the kernel gives this name to a returned device: that in the container or, if it exists on
/// the host, `dev` and a number.
fn is_kernels_name(name: &str, ifname: &str) -> bool {
    let digits = name.strip_prefix("dev").unwrap_or_default();
    name == ifname || (!digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit()))
}

/// Whether a container has the selected device, as far as can be determined.
pub(crate) fn is_in_use(selector: &Selector) -> Result<bool, Error> {
    let is_recorded = |record: &Record| match selector {
        Selector::Name(name) => record.device == *name,
        Selector::Mac(mac) => {
            record.mac.parse() == Ok(*mac) || record.hardware().permanent_mac == Some(*mac)
        }
        _ => false,
    };
    let exists = match selector {
        Selector::Path(path) => return Ok(path.exists()),
        Selector::Pci(address) => sysfs::device_on_bus("pci", address),
        Selector::Auxiliary(name) => sysfs::device_on_bus("auxiliary", name),
        Selector::Name(_) | Selector::Mac(_) => {
            let recorded = Record::all()?.iter().any(is_recorded);
            return Ok(recorded || is_in_named_namespace(selector));
        }
    };
    Ok(exists?.exists())
}

/// Searches the named namespaces for a device without a record, which the Go plugin has moved.
/// Namespaces that cannot be opened are skipped.
fn is_in_named_namespace(selector: &Selector) -> bool {
    let Ok(entries) = fs::read_dir(NAMED_NAMESPACES) else {
        return false;
    };
    let mut sandboxes = entries
        .flatten()
        .filter_map(|entry| Sandbox::open(&entry.path()).ok());
    sandboxes.any(|sandbox| {
        let links = sandbox.links().unwrap_or_default();
        links.iter().any(|link| match selector {
            Selector::Name(name) => link.alias.as_ref() == Some(name),
            Selector::Mac(mac) => link.mac == Some(*mac) && link.alias.is_some(),
            _ => false,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_kernel_gives_are_known() {
        for name in ["net1", "dev7", "dev12"] {
            assert!(is_kernels_name(name, "net1"), "{name}");
        }
        for name in ["eth0", "dev", "dev7a", "device0"] {
            assert!(!is_kernels_name(name, "net1"), "{name}");
        }
    }
}
