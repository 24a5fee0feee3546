//! The way between host and container, by a namespace of its own.
//!
//! An interface is renamed there, so that neither side ever sees it under the other side's name:
//! programs that configure interfaces as they appear would act on it. The namespace is mounted, so
//! that a killed process leaves the device in it and not in nowhere: a namespace that ends takes
//! links without hardware with it.

use std::mem;
use std::path::PathBuf;

use ferrule_kernel::{Link, LinkChange, Mac, Netns, NetnsError, RtnlSocket};
use ferrule_net::{AttachmentId, Host, NetError, Sandbox};
use ferrule_plugin::log;

use crate::record::{Record, path_of};
use crate::search::host_name;

const SUFFIX: &str = ".netns";

/// The namespace an attachment's device passes through.
pub(crate) struct Transit {
    path: PathBuf,
    netns: Netns,
    route: RtnlSocket,
}

impl Transit {
    /// Makes it. The attachment's record is there already, hence the folder.
    pub(crate) fn create(id: &AttachmentId) -> Result<Self, NetError> {
        let path = path_of(id, SUFFIX);
        let netns = Netns::create_mounted(&path)?;
        Self::around(path, netns)
    }

    /// The one that a killed process left, if one did.
    pub(crate) fn left_behind(id: &AttachmentId) -> Result<Option<Self>, NetError> {
        let path = path_of(id, SUFFIX);
        match Netns::open(&path) {
            Ok(netns) => Self::around(path, netns).map(Some),
            Err(NetnsError::NotFound { .. }) => Ok(None),
            // Killed before the mount.
            Err(NetnsError::NotNamespace { .. }) => {
                Netns::unmount(&path)?;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn around(path: PathBuf, netns: Netns) -> Result<Self, NetError> {
        let route = RtnlSocket::open_in(&netns)?;
        Ok(Self { path, netns, route })
    }

    /// Takes it away. What is still in it ends with it.
    pub(crate) fn remove(self) -> Result<(), NetError> {
        let Self { path, netns, route } = self;
        Netns::unmount(&path)?;
        // Kept open until this process ends: the kernel takes a namespace apart under the lock that
        // every further request would wait for, 20 ms and more.
        mem::forget((netns, route));
        Ok(())
    }

    /// The device, if it is here. The kernel may have put links of its own beside it.
    pub(crate) fn occupant(&self, record: &Record) -> Result<Option<Link>, NetError> {
        let links = self.route.links()?;
        Ok(links.into_iter().find(|link| {
            let named = link.name == record.device || link.name == record.ifname;
            record.is_of_kind(link) && (named || link.alias.as_ref() == Some(&record.device))
        }))
    }

    /// A device that is here without a record, and the name on the host that its alias tells.
    pub(crate) fn stranger(&self) -> Result<Option<(Link, String)>, NetError> {
        let links = self.route.links()?.into_iter();
        let mut found = links.filter_map(|link| host_name(&link).map(|name| (link, name)));
        Ok(found.next())
    }

    /// Takes a device from the host into the container, where it is down and called `ifname`. Its
    /// alias says how it was called: the Go plugin finds it by that.
    pub(crate) fn carry_in(
        &self,
        host: &Host,
        device: &Link,
        sandbox: &Sandbox,
        ifname: &str,
    ) -> Result<Link, NetError> {
        host.execute(LinkChange::new(device.index).netns(&self.netns).message())?;
        let link = self.link(&device.name)?;
        let dress = LinkChange::new(link.index).name(ifname).alias(&device.name);
        self.route.execute(dress.message())?;
        self.put(&link, sandbox)?;
        sandbox.link(ifname)
    }

    /// Takes a device from the container. It may be called anything there.
    pub(crate) fn carry_out(&self, sandbox: &Sandbox, device: &Link) -> Result<Link, NetError> {
        sandbox.execute(LinkChange::new(device.index).netns(&self.netns).message())?;
        self.link(&device.name)
    }

    /// Puts a device that is here into the container again, as it was there.
    pub(crate) fn carry_back(
        &self,
        sandbox: &Sandbox,
        record: &Record,
        before: &Link,
    ) -> Result<(), NetError> {
        let Some(link) = self.occupant(record)? else {
            return Ok(());
        };
        let dress = LinkChange::new(link.index)
            .name(&before.name)
            .alias(&record.device);
        self.route.execute(dress.message())?;
        self.put(&link, sandbox)?;
        if before.up {
            let index = sandbox.link(&before.name)?.index;
            sandbox.execute(LinkChange::new(index).up().message())?;
        }
        Ok(())
    }

    /// Puts a device that is here back on the host as it was there, but down.
    pub(crate) fn carry_home(&self, link: &Link, record: &Record) -> Result<(), NetError> {
        let dress = LinkChange::new(link.index)
            .name(&record.device)
            .alias(&record.alias);
        self.route.execute(dress.message())?;
        restore_settings(&self.route, link, record);
        let host = Netns::current()?;
        let leave = LinkChange::new(link.index).netns(&host);
        Ok(self.route.execute(leave.message())?)
    }

    fn put(&self, link: &Link, sandbox: &Sandbox) -> Result<(), NetError> {
        let leave = LinkChange::new(link.index).netns(sandbox.netns());
        Ok(self.route.execute(leave.message())?)
    }

    fn link(&self, name: &str) -> Result<Link, NetError> {
        self.route
            .link_by_name(name)?
            .ok_or_else(|| NetError::LinkNotFound {
                name: name.to_owned(),
                place: self.path.display().to_string(),
            })
    }
}

/// Gives a device the hardware address, MTU and flags it had on the host. The driver may refuse,
/// which is no reason to keep the device.
pub(crate) fn restore_settings(route: &RtnlSocket, link: &Link, record: &Record) {
    if record.mtu == 0 {
        // Found without a record: nothing is known of it.
        return;
    }
    let change = || LinkChange::new(link.index);
    let mut changes = Vec::new();
    if let Ok(mac) = record.mac.parse::<Mac>()
        && link.mac != Some(mac)
    {
        changes.push(change().mac(mac));
    }
    if link.mtu != record.mtu {
        changes.push(change().mtu(record.mtu));
    }
    if link.promiscuity > 0 && !record.promiscuous {
        changes.push(change().promisc(false));
    }
    if link.all_multicast && !record.all_multicast {
        changes.push(change().all_multicast(false));
    }
    for change in changes {
        if let Err(error) = route.execute(change.message()) {
            let device = &record.device;
            log(format_args!(
                "host-device: device {device:?} comes back changed: {error}"
            ));
        }
    }
}
