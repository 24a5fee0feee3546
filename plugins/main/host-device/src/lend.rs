//! ADD: the device goes into the container, and gets what it is to have there.

use cni_types::{CniResult, Code, Error, Interface, Request, SpecVersion};
use ferrule_file::lock::WAIT;
use ferrule_kernel::Link;
use ferrule_net::addressing::{self, Options};
use ferrule_net::link::{ensure_name_is_free, set_up};
use ferrule_net::{AttachmentId, Host, NetError, Sandbox, sandbox_entry};
use ferrule_plugin::{Ipam, IpamAdd, Undo};

use crate::config::Device;
use crate::lock::AttachmentLock;
use crate::record::Record;
use crate::restore::{Loan, Reason};
use crate::transit::Transit;
use crate::{search, sysfs};

/// Moves the device into the container, and gives it what the address plugin answers.
///
/// An address plugin that only keeps books answers before the device is touched: on the host it has
/// addresses and routes that nobody would restore.
pub(crate) fn lend(
    request: &Request,
    device: &Device,
    sandbox: &Sandbox,
    ipam: Option<Ipam>,
    undo: &mut Undo,
) -> Result<CniResult, Error> {
    let id = AttachmentId::from(request);
    let lock = AttachmentLock::take(&id, WAIT)?;
    // Held until the ADD has ended or been taken back.
    undo.push("unlock the attachment", move || {
        drop(lock);
        Ok(())
    });
    ensure_name_is_free(sandbox, &request.ifname)?;
    let host = Host::open()?;
    give_back_earlier(&host, &id, sandbox)?;
    let found = search::on_host(&host, &device.selector)?;
    let pci = device
        .pci
        .clone()
        .or_else(|| sysfs::pci_of_interface(&found.name));

    let ipam = IpamAdd::start(ipam, undo)?;
    let transit = prepare(&host, sandbox, &id, &found, undo)?;
    let (addresses, ipam) = if ipam.needs_link() {
        (None, Some(ipam))
    } else {
        (ipam.finish(undo)?, None)
    };
    let link = transit.carry_in(&host, &found, sandbox, &request.ifname)?;
    transit.remove()?;
    let addresses = match ipam {
        Some(ipam) => {
            set_up(sandbox, &link)?;
            ipam.finish(undo)?
        }
        None => addresses,
    };

    let entry = entry(request, &link, pci.unwrap_or_default());
    finish(sandbox, &link, entry, addresses)
}

/// Brings home what a killed ADD for the same attachment left on the way.
fn give_back_earlier(host: &Host, id: &AttachmentId, sandbox: &Sandbox) -> Result<(), Error> {
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
        .details("send DEL for this container and interface first"));
    }
    let loan = Loan {
        host,
        id: id.clone(),
        netns: sandbox.netns().path(),
        selector: None,
    };
    loan.give_back(Reason::Garbage)
}

/// Writes down what there is to be restored, and makes the namespace to pass through.
fn prepare(
    host: &Host,
    sandbox: &Sandbox,
    id: &AttachmentId,
    link: &Link,
    undo: &mut Undo,
) -> Result<Transit, Error> {
    let hardware = host.hardware(link.index).map_err(NetError::from)?;
    let record = Record::leaving(id, link, &hardware.unwrap_or_default(), sandbox.netns())
        .map_err(|error| Error::new(Code::Io, format!("examine the namespace: {error}")))?;
    let (own_host, own_id) = (host.clone(), id.clone());
    let netns = record.netns.clone();
    let what = format!("give device {:?} back to the host", link.name);
    undo.push(what, move || {
        let loan = Loan {
            host: &own_host,
            id: own_id,
            netns: &netns,
            selector: None,
        };
        loan.give_back(Reason::RollBack)
    });
    record.write()?;
    Ok(Transit::create(id)?)
}

/// Gets addresses for a device that a process drives: there is no interface to put them on.
pub(crate) fn lend_to_process(
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
    Ok(result_of(entry, addresses))
}

/// The interface in the result. Its MTU and PCI address are told from 1.1.0 on: the Go plugin never
/// does.
fn entry(request: &Request, link: &Link, pci: String) -> Interface {
    let mut entry = sandbox_entry(link, request.sandbox());
    if request.version >= SpecVersion::V1_1_0 {
        entry.mtu = link.mtu;
        entry.pci_id = pci;
    }
    entry
}

/// The result: its only interface has all addresses.
fn result_of(entry: Interface, addresses: Option<CniResult>) -> CniResult {
    let mut result = addresses.unwrap_or_default();
    result.legacy = false;
    result.interfaces = vec![entry];
    result.assign_ips(0);
    result
}

/// Puts the addresses on the interface and switches it on.
fn finish(
    sandbox: &Sandbox,
    link: &Link,
    entry: Interface,
    addresses: Option<CniResult>,
) -> Result<CniResult, Error> {
    let has_addresses = addresses.is_some();
    let result = result_of(entry, addresses);
    if has_addresses {
        addressing::configure(sandbox, link, &result, &Options::default())?;
        addressing::announce_addresses(sandbox, link);
    } else {
        set_up(sandbox, link)?;
    }
    Ok(result)
}
