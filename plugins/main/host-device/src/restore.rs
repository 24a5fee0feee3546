//! Moving a device back to the host, wherever it is.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use cni_types::{Code, Error};
use ferrule_kernel::{Hardware, Link, LinkChange};
use ferrule_net::{AttachmentId, Host, NetError, Sandbox};
use ferrule_plugin::log;

use crate::config::Selector;
use crate::lock::AttachmentLock;
use crate::record::Record;
use crate::search;
use crate::staging_netns::{StagingNetns, restore_settings};
use crate::sysfs;

/// How long the kernel may take to give hardware back after a namespace has ended.
const RETURN_LIMIT: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(20);

/// Kinds of link that use another link of their namespace as their lower device.
const UPPER_KINDS: [&str; 6] = ["vlan", "macvlan", "macvtap", "ipvlan", "ipvtap", "macsec"];

/// Why a device is moved back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// DEL.
    Del,
    /// GC, which does not wait for a device that is out of reach.
    Gc,
    /// A failed ADD: the device is set up again if it was up.
    RollBack,
}

/// The return of an attachment's device.
pub(crate) struct Return<'a> {
    pub(crate) host: &'a Host,
    pub(crate) id: AttachmentId,
    /// The path of the container's namespace, which may be gone.
    pub(crate) netns: &'a Path,
    /// The device that the configuration names.
    pub(crate) selector: Option<Selector>,
}

impl Return<'_> {
    /// Moves the device back; succeeds if there is none, or none any more.
    pub(crate) fn return_device(&self, reason: Reason) -> Result<(), NetError> {
        if let Some(record) = Record::read(&self.id)? {
            self.return_recorded(&record, reason)?;
        } else {
            self.clear_staging()?;
            if reason == Reason::Del {
                self.return_unrecorded()?;
            }
        }
        Ok(Record::remove(&self.id)?)
    }

    /// Removes a staging namespace without a valid record. It is empty, unless somebody has removed
    /// the record.
    fn clear_staging(&self) -> Result<(), NetError> {
        let Some(staging) = StagingNetns::left_behind(&self.id)? else {
            return Ok(());
        };
        if let Some((link, device)) = staging.unrecorded_device()? {
            self.ensure_name_is_free(&device)?;
            let record = Record::found(&self.id, &device, &link, &Hardware::default());
            staging.move_out(&link, &record)?;
        }
        staging.remove()
    }

    fn return_recorded(&self, record: &Record, reason: Reason) -> Result<(), NetError> {
        if self.is_still_on_host(record)? {
            StagingNetns::left_behind(&self.id)?.map_or(Ok(()), StagingNetns::remove)?;
            self.wait_on_host(record, reason)?;
        } else if !self.is_returned_from_staging(record)?
            && !self.is_returned_from_container(record)?
        {
            self.wait_on_host(record, reason)?;
        }
        if reason == Reason::RollBack
            && record.up
            && let Some(link) = self.host.link_by_name(&record.device)?
        {
            let up = LinkChange::new(link.index).up().message();
            self.host.execute(up)?;
        }
        Ok(())
    }

    /// Moves the device back if it is in the staging namespace; whether it was there.
    fn is_returned_from_staging(&self, record: &Record) -> Result<bool, NetError> {
        let Some(staging) = StagingNetns::left_behind(&self.id)? else {
            return Ok(false);
        };
        let device = staging.device(record)?;
        if let Some(link) = &device {
            self.ensure_name_is_free(&record.device)?;
            staging.move_out(link, record)?;
        }
        staging.remove()?;
        Ok(device.is_some())
    }

    /// Whether the device is on the host as it was before ADD. Links of its name in other namespaces
    /// are then other links: the kernel creates some in every namespace.
    fn is_still_on_host(&self, record: &Record) -> Result<bool, NetError> {
        let there = self.host.link_by_name(&record.device)?;
        let mac = |link: &Link| link.mac.map(|mac| mac.to_string()).unwrap_or_default();
        Ok(there.is_some_and(|link| record.is_of_kind(&link) && mac(&link) == record.mac))
    }

    /// Moves the device back if it is in the container; whether it was there.
    fn is_returned_from_container(&self, record: &Record) -> Result<bool, NetError> {
        let Some(sandbox) = search::namespace_of(record, self.netns)? else {
            return Ok(false);
        };
        match search::recorded(&sandbox, record)? {
            Some(link) if !record.is_superseded()? => {
                self.take_out(&sandbox, &link, record)?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Moves the device from the container to the host. If that fails, it is moved to the container
    /// again, where it has lost its addresses and routes.
    fn take_out(&self, sandbox: &Sandbox, link: &Link, record: &Record) -> Result<(), NetError> {
        self.ensure_name_is_free(&record.device)?;
        let upper = upper_links(sandbox, link)?;
        let staging = StagingNetns::create(&self.id)?;
        let moved = staging
            .fetch(sandbox, link)
            .and_then(|inside| staging.move_out(&inside, record));
        if let Err(error) = moved {
            let mut error = Error::from(error);
            match staging
                .put_back(sandbox, record, link)
                .and_then(|()| staging.remove())
            {
                Ok(()) => error.push_details("the device is in the container as before"),
                Err(left) => error.push_details(format_args!(
                    "could not put it into the container again: {left}"
                )),
            }
            return Err(error.into());
        }
        staging.remove()?;
        for index in upper {
            sandbox.delete_link(index)?;
        }
        Ok(())
    }

    fn ensure_name_is_free(&self, name: &str) -> Result<(), NetError> {
        if self.host.link_by_name(name)?.is_none() {
            return Ok(());
        }
        Err(Error::internal(format_args!(
            "interface {name:?} already exists on the host: the device cannot get its name back"
        ))
        .details(
            "rename or remove that interface, then send DEL again; until then the device stays \
             where it is",
        )
        .into())
    }

    /// Restores the device's name once it is on the host. When a namespace ends, the kernel moves
    /// hardware in it to the host later, by a work queue (`default_device_exit_batch`).
    fn wait_on_host(&self, record: &Record, reason: Reason) -> Result<(), NetError> {
        let start = Instant::now();
        loop {
            if let Some(link) = search::recorded_on_host(self.host, record)? {
                return self.rename(&link, record);
            }
            let may_come = record.outlives_namespace() && is_plugged_in(record);
            match reason {
                Reason::Del if may_come && start.elapsed() < RETURN_LIMIT => {
                    thread::sleep(PAUSE);
                }
                Reason::Del | Reason::Gc if may_come => return Err(out_of_reach(record)),
                _ => return Ok(()),
            }
        }
    }

    /// Restores name and alias of a device on the host. Kernels up to 6.2 refuse to rename interfaces
    /// that are up.
    fn rename(&self, link: &Link, record: &Record) -> Result<(), NetError> {
        let is_ours = link.alias.as_ref() == Some(&record.device);
        if link.name == record.device && !is_ours {
            return Ok(());
        }
        let change = || LinkChange::new(link.index);
        let mut batch = self.host.batch();
        if link.name == record.device {
            batch.add(change().alias(&record.alias).message());
        } else {
            self.ensure_name_is_free(&record.device)?;
            restore_settings(self.host, link, record);
            if link.up {
                batch.add(change().down().message());
            }
            let rename = change().name(&record.device).alias(&record.alias);
            batch.add(rename.message());
            if link.up {
                batch.add(change().up().message());
            }
        }
        Ok(batch.run()?)
    }

    /// Moves back the device of an attachment of the Go plugin, which writes no record.
    fn return_unrecorded(&self) -> Result<(), NetError> {
        let (ifname, selector) = (&self.id.ifname, self.selector.as_ref());
        if let Some(sandbox) = Sandbox::open_if_there(self.netns)?
            && let Some((link, device)) = search::unrecorded(&sandbox, ifname, selector)?
        {
            let here = sandbox.netns().identity().ok();
            let mut others = Record::others(&self.id, &device)?;
            others.retain(|other| other.netns_identity == here);
            if !others.is_empty() {
                return self.return_renamed(&others);
            }
            let hardware = sandbox.hardware(link.index)?;
            let record = Record::found(&self.id, &device, &link, &hardware.unwrap_or_default());
            record.write()?;
            return self.take_out(&sandbox, &link, &record);
        }
        let found = search::unrecorded_on_host(self.host, ifname, selector)?;
        let Some((link, device)) = found else {
            return Ok(());
        };
        let others = Record::others(&self.id, &device)?;
        if !others.is_empty() {
            return self.return_renamed(&others);
        }
        let record = Record::found(&self.id, &device, &link, &Hardware::default());
        self.rename(&link, &record)
    }

    /// Moves the device back by a record of the same interface of the same container: the network has
    /// been renamed since ADD. The device of another container stays.
    fn return_renamed(&self, records: &[Record]) -> Result<(), NetError> {
        let Some(record) = records.iter().find(|one| one.is_of_interface(&self.id)) else {
            return Ok(());
        };
        let device = Return {
            host: self.host,
            id: record.id(),
            netns: self.netns,
            selector: None,
        };
        device.return_device(Reason::Del)
    }
}

/// The indices of the links in the container whose lower device this is: they would go on using
/// it.
fn upper_links(sandbox: &Sandbox, device: &Link) -> Result<Vec<u32>, NetError> {
    let is_upper = |link: &Link| {
        link.peer_index == Some(device.index)
            && link.link_netnsid.is_none()
            && UPPER_KINDS.iter().any(|kind| link.is_kind(kind))
    };
    let links = sandbox.links()?;
    Ok(links
        .iter()
        .filter(|link| is_upper(link))
        .map(|link| link.index)
        .collect())
}

/// Whether the device is still a part of this machine.
fn is_plugged_in(record: &Record) -> bool {
    let hardware = record.hardware();
    let (Some(bus), Some(device)) = (&hardware.bus, &hardware.device) else {
        // Older kernels do not report it.
        return true;
    };
    sysfs::device_on_bus(bus, device).is_ok_and(|path| path.exists())
}

fn out_of_reach(record: &Record) -> NetError {
    let msg = format!("device {:?} is not back on the host", record.device);
    Error::new(Code::TryAgain, msg)
        .details("the namespace it is in is out of reach and still in use; end what uses it")
        .into()
}

/// GC: moves back the devices of a network whose attachments are not valid.
///
/// Goes on after a failure. A device that is out of reach keeps its record, and the next GC tries
/// it again.
pub(crate) fn collect_garbage(
    host: &Host,
    network: &str,
    is_valid: impl Fn(&AttachmentId) -> bool,
) -> Result<(), Error> {
    let mut outcomes = Vec::new();
    for record in Record::all()? {
        let id = record.id();
        if id.network != network || is_valid(&id) {
            continue;
        }
        // If the lock is held, another verb works on the device and will finish.
        let lock = AttachmentLock::take(&id, Duration::ZERO);
        let device = Return {
            host,
            id,
            netns: &record.netns,
            selector: None,
        };
        match lock.and_then(|_lock| Ok(device.return_device(Reason::Gc)?)) {
            Err(error) if error.code == Code::TryAgain as u32 => {
                log(format_args!("host-device: {error}"));
            }
            outcome => outcomes.push(outcome),
        }
    }
    Error::join(outcomes)
}
