//! Giving a device back to the host, wherever it has got to.

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
use crate::sysfs;
use crate::transit::{Transit, restore_settings};

/// How long the kernel may take to give hardware back after a namespace has ended.
const RETURN_LIMIT: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(20);

/// Links that stand on another one of their namespace.
const STACKED: [&str; 6] = ["vlan", "macvlan", "macvtap", "ipvlan", "ipvtap", "macsec"];

/// What a device is given back for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// DEL.
    Detach,
    /// GC: nobody waits for what cannot be reached.
    Garbage,
    /// A failed ADD: it is to be as before.
    RollBack,
}

/// An attachment whose device is to be given back.
pub(crate) struct Loan<'a> {
    pub(crate) host: &'a Host,
    pub(crate) id: AttachmentId,
    /// Where the container's namespace is, or was.
    pub(crate) netns: &'a Path,
    /// What the configuration says of the device.
    pub(crate) selector: Option<Selector>,
}

impl Loan<'_> {
    /// Gives the device back; succeeds if there is none, or none any more.
    pub(crate) fn give_back(&self, reason: Reason) -> Result<(), Error> {
        if let Some(record) = Record::read(&self.id)? {
            self.give_back_recorded(&record, reason)?;
        } else {
            self.clear_transit()?;
            if reason == Reason::Detach {
                self.give_back_unrecorded()?;
            }
        }
        Ok(Record::remove(&self.id)?)
    }

    /// Removes a namespace to pass through that has no record, or one that was cut short: it is
    /// half made and empty unless somebody has taken the record away.
    fn clear_transit(&self) -> Result<(), Error> {
        let Some(transit) = Transit::left_behind(&self.id)? else {
            return Ok(());
        };
        if let Some((link, device)) = transit.stranger()? {
            self.ensure_name_is_free(&device)?;
            let record = Record::found(&self.id, &device, &link, &Hardware::default());
            transit.carry_home(&link, &record)?;
        }
        Ok(transit.remove()?)
    }

    fn give_back_recorded(&self, record: &Record, reason: Reason) -> Result<(), Error> {
        if self.has_not_left(record)? {
            Transit::left_behind(&self.id)?.map_or(Ok(()), Transit::remove)?;
            self.await_on_host(record, reason)?;
        } else if !self.is_home_from_transit(record)? && !self.is_home_from_container(record)? {
            self.await_on_host(record, reason)?;
        }
        if reason == Reason::RollBack
            && record.up
            && let Some(link) = self
                .host
                .link_by_name(&record.device)
                .map_err(NetError::from)?
        {
            let up = LinkChange::new(link.index).up().message();
            self.host.execute(up).map_err(NetError::from)?;
        }
        Ok(())
    }

    /// Whether the device was between the sides, from where it has now been brought home.
    fn is_home_from_transit(&self, record: &Record) -> Result<bool, Error> {
        let Some(transit) = Transit::left_behind(&self.id)? else {
            return Ok(false);
        };
        let occupant = transit.occupant(record)?;
        if let Some(link) = &occupant {
            self.ensure_name_is_free(&record.device)?;
            transit.carry_home(link, record)?;
        }
        transit.remove()?;
        Ok(occupant.is_some())
    }

    /// Whether the device is on the host as it was before ADD. What has its names elsewhere is then
    /// something else: the kernel puts links of its own into every namespace.
    fn has_not_left(&self, record: &Record) -> Result<bool, NetError> {
        let there = self.host.link_by_name(&record.device)?;
        let mac = |link: &Link| link.mac.map(|mac| mac.to_string()).unwrap_or_default();
        Ok(there.is_some_and(|link| record.is_of_kind(&link) && mac(&link) == record.mac))
    }

    /// Whether the device was in the container, from where it has now been brought home.
    fn is_home_from_container(&self, record: &Record) -> Result<bool, Error> {
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

    /// Takes the device out of the container and home. If that fails, it is in the container again
    /// and as it was there, but for its addresses and routes.
    fn take_out(&self, sandbox: &Sandbox, link: &Link, record: &Record) -> Result<(), Error> {
        self.ensure_name_is_free(&record.device)?;
        let stacked = stacked_on(sandbox, link)?;
        let transit = Transit::create(&self.id)?;
        let moved = transit
            .carry_out(sandbox, link)
            .and_then(|inside| transit.carry_home(&inside, record));
        if let Err(error) = moved {
            let mut error = Error::from(error);
            match transit
                .carry_back(sandbox, record, link)
                .and_then(|()| transit.remove())
            {
                Ok(()) => error.push_details("the device is in the container as before"),
                Err(left) => error.push_details(format_args!(
                    "could not put it into the container again: {left}"
                )),
            }
            return Err(error);
        }
        transit.remove()?;
        for index in stacked {
            sandbox.delete_link(index).map_err(NetError::from)?;
        }
        Ok(())
    }

    fn ensure_name_is_free(&self, name: &str) -> Result<(), Error> {
        if self
            .host
            .link_by_name(name)
            .map_err(NetError::from)?
            .is_none()
        {
            return Ok(());
        }
        Err(Error::internal(format_args!(
            "interface {name:?} already exists on the host: the device cannot get its name back"
        ))
        .details(
            "rename or remove that interface, then send DEL again; until then the device stays \
             where it is",
        ))
    }

    /// Gives the device its name back if it is on the host, where the kernel puts hardware when the
    /// namespace it is in ends: in the background, after a while.
    fn await_on_host(&self, record: &Record, reason: Reason) -> Result<(), Error> {
        let start = Instant::now();
        loop {
            if let Some(link) = search::recorded_on_host(self.host, record)? {
                return self.rename(&link, record);
            }
            let may_come = record.outlives_namespace() && is_plugged_in(record);
            match reason {
                Reason::Detach if may_come && start.elapsed() < RETURN_LIMIT => {
                    thread::sleep(PAUSE);
                }
                Reason::Detach | Reason::Garbage if may_come => return Err(out_of_reach(record)),
                _ => return Ok(()),
            }
        }
    }

    /// Gives a device on the host its name and alias back. The kernel refuses other names for
    /// interfaces that are up (up to 6.2).
    fn rename(&self, link: &Link, record: &Record) -> Result<(), Error> {
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
            let dress = change().name(&record.device).alias(&record.alias);
            batch.add(dress.message());
            if link.up {
                batch.add(change().up().message());
            }
        }
        Ok(batch.run().map_err(NetError::from)?)
    }

    /// As the Go plugin's attachments need it, which have no record.
    fn give_back_unrecorded(&self) -> Result<(), Error> {
        let (ifname, selector) = (&self.id.ifname, self.selector.as_ref());
        if let Some(sandbox) = Sandbox::open_if_there(self.netns)?
            && let Some((link, device)) = search::unrecorded(&sandbox, ifname, selector)?
        {
            let here = sandbox.netns().identity().ok();
            let mut others = Record::others(&self.id, &device)?;
            others.retain(|other| other.netns_identity == here);
            if !others.is_empty() {
                return self.give_back_renamed(&others);
            }
            let hardware = sandbox.hardware(link.index).map_err(NetError::from)?;
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
            return self.give_back_renamed(&others);
        }
        let record = Record::found(&self.id, &device, &link, &Hardware::default());
        self.rename(&link, &record)
    }

    /// Gives the device back by the record that tells of the same interface of the same container: the
    /// network has got another name since ADD. A device that is another container's stays.
    fn give_back_renamed(&self, records: &[Record]) -> Result<(), Error> {
        let Some(record) = records.iter().find(|one| one.is_of_interface(&self.id)) else {
            return Ok(());
        };
        let loan = Loan {
            host: self.host,
            id: record.id(),
            netns: self.netns,
            selector: None,
        };
        loan.give_back(Reason::Detach)
    }
}

/// Indices of the links in the container that stand on the device: they would go on using it.
fn stacked_on(sandbox: &Sandbox, device: &Link) -> Result<Vec<u32>, NetError> {
    let is_stacked = |link: &Link| {
        link.peer_index == Some(device.index)
            && link.link_netnsid.is_none()
            && STACKED.iter().any(|kind| link.is_kind(kind))
    };
    let links = sandbox.links()?;
    Ok(links
        .iter()
        .filter(|link| is_stacked(link))
        .map(|link| link.index)
        .collect())
}

/// Whether the device is still a part of this machine.
fn is_plugged_in(record: &Record) -> bool {
    let hardware = record.hardware();
    let (Some(bus), Some(device)) = (&hardware.bus, &hardware.device) else {
        // Older kernels do not tell.
        return true;
    };
    sysfs::device_on_bus(bus, device).is_ok_and(|path| path.exists())
}

fn out_of_reach(record: &Record) -> Error {
    let msg = format!("device {:?} is not back on the host", record.device);
    Error::new(Code::TryAgain, msg)
        .details("the namespace it is in is out of reach and still in use; end what uses it")
}

/// GC: gives back the devices of a network whose attachments are not in `keep`.
///
/// One failure does not keep the others from being given back; the first is reported. A device
/// that is out of reach keeps its record, and is tried again the next time.
pub(crate) fn collect_garbage(
    host: &Host,
    network: &str,
    is_valid: impl Fn(&AttachmentId) -> bool,
) -> Result<(), Error> {
    let mut errors = Vec::new();
    for record in Record::all()? {
        let id = record.id();
        if id.network != network || is_valid(&id) {
            continue;
        }
        // A verb that is at work on it brings it to an end.
        let lock = AttachmentLock::take(&id, Duration::ZERO);
        let loan = Loan {
            host,
            id,
            netns: &record.netns,
            selector: None,
        };
        match lock.and_then(|_lock| loan.give_back(Reason::Garbage)) {
            Err(error) if error.code == Code::TryAgain as u32 => {
                log(format_args!("host-device: {error}"));
            }
            outcome => errors.extend(outcome.err()),
        }
    }
    Error::join(errors).map_or(Ok(()), Err)
}
