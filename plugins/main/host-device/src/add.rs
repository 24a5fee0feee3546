//! ADD: moves the device into the container and configures it there.

use cni_types::{CniResult, Code, Error, Interface, Request, SpecVersion};
use ferrule_file::lock::WAIT;
use ferrule_kernel::Link;
use ferrule_net::link::{self, ensure_name_is_free, set_up};
use ferrule_net::{AttachmentId, Host, NetError, Sandbox};
use ferrule_plugin::{Ipam, IpamAdd, Undo};

use crate::config::Device;
use crate::lock::AttachmentLock;
use crate::record::Record;
use crate::restore::{Reason, Return};
use crate::staging_netns::StagingNetns;
use crate::{search, sysfs};

/// Moves the device into the container and configures the addresses of the address plugin.
///
/// An address plugin that does not need the interface is called before the device is moved: the
/// move deletes the addresses and routes that the device has on the host, and a roll-back does not
/// restore them.
pub(crate) fn add(
    request: &Request,
    device: &Device,
    sandbox: &Sandbox,
    ipam: Option<Ipam>,
    undo: &mut Undo,
) -> Result<CniResult, Error> {
    let id = AttachmentId::of(request);
    let lock = AttachmentLock::take(&id, WAIT)?;
    // Held until the ADD has ended or been taken back.
    undo.push("unlock the attachment", move || {
        drop(lock);
        Ok(())
    });
    ensure_name_is_free(sandbox, &request.ifname)?;
    let host = Host::open()?;
    return_earlier(&host, &id, sandbox)?;
    let found = search::on_host(&host, &device.selector)?;
    let pci = device
        .pci
        .clone()
        .or_else(|| sysfs::pci_of_interface(&found.name));

    let ipam = IpamAdd::start(ipam, undo)?;
    let staging = prepare(&host, sandbox, &id, &found, undo)?;
    let (addresses, ipam) = if ipam.needs_link() {
        (None, Some(ipam))
    } else {
        (ipam.finish(undo)?, None)
    };
    let link = staging.move_in(&host, &found, sandbox, &request.ifname)?;
    staging.remove()?;
    let addresses = match ipam {
        Some(ipam) => {
            set_up(sandbox, &link)?;
            ipam.finish(undo)?
        }
        None => addresses,
    };

    let interface = interface(request, &link, pci.unwrap_or_default());
    Ok(link::configure(sandbox, &link, interface, addresses)?)
}

/// Moves back a device that a killed ADD of the same attachment left in the staging namespace.
fn return_earlier(host: &Host, id: &AttachmentId, sandbox: &Sandbox) -> Result<(), NetError> {
    let Some(record) = Record::read(id)? else {
        return Ok(());
    };
    if search::recorded(sandbox, &record)?.is_some() {
        return Err(Error::internal(format_args!(
            "device {:?} is in {} already, under another name than {:?}",
            record.device,
            sandbox.netns().path().display(),
            id.ifname
        ))
        .details("send DEL for this container and interface first")
        .into());
    }
    let device = Return {
        host,
        id: id.clone(),
        netns: sandbox.netns().path(),
        selector: None,
    };
    device.return_device(Reason::Gc)
}

/// Writes the record that DEL restores from, then creates the staging namespace.
fn prepare(
    host: &Host,
    sandbox: &Sandbox,
    id: &AttachmentId,
    link: &Link,
    undo: &mut Undo,
) -> Result<StagingNetns, NetError> {
    let hardware = host.hardware(link.index)?;
    let record = Record::leaving(id, link, &hardware.unwrap_or_default(), sandbox.netns())
        .map_err(|error| Error::new(Code::Io, format!("examine the namespace: {error}")))?;
    let (own_host, own_id) = (host.clone(), id.clone());
    let netns = record.netns.clone();
    let what = format!("move device {:?} back to the host", link.name);
    undo.push(what, move || {
        let device = Return {
            host: &own_host,
            id: own_id,
            netns: &netns,
            selector: None,
        };
        Ok(device.return_device(Reason::RollBack)?)
    });
    record.write()?;
    StagingNetns::create(id)
}

/// Gets addresses for a device with a user-space driver, which has no interface to configure.
pub(crate) fn add_in_user_space(
    request: &Request,
    device: &Device,
    ipam: Option<Ipam>,
    undo: &mut Undo,
) -> Result<CniResult, Error> {
    let addresses = IpamAdd::start(ipam, undo)?.finish(undo)?;
    let mut entry = Interface {
        name: request.ifname.clone(),
        sandbox: request.sandbox(),
        ..Interface::default()
    };
    if request.version >= SpecVersion::V1_1_0 {
        entry.pci_id = device.pci.clone().unwrap_or_default();
    }
    Ok(addresses
        .unwrap_or_default()
        .with_interfaces(vec![entry], 0))
}

/// The interface of the result. The PCI address, as the MTU, is reported from 1.1.0 on; the Go plugin
/// never reports them.
fn interface(request: &Request, link: &Link, pci: String) -> Interface {
    let mut interface = link::interface(link, request);
    if request.version >= SpecVersion::V1_1_0 {
        interface.pci_id = pci;
    }
    interface
}
