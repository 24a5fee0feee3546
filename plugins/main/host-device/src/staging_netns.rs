//! The staging namespace: the device is renamed in it on its way between host and container.
//!
//! Neither side ever sees the interface under the other side's name: programs that configure
//! interfaces as they appear (udev, NetworkManager) would act on it. The namespace is mounted, so
//! that it outlives a killed process: the kernel deletes links without hardware together with their
//! namespace.

use std::mem;
use std::path::PathBuf;

use ferrule_kernel::{Link, LinkChange, Mac, Netns, NetnsError, RtnlSocket};
use ferrule_net::{AttachmentId, Host, NetError, Sandbox};
use ferrule_plugin::log;

use crate::record::{Record, store};
use crate::search::host_name;

/// Where the namespace of an attachment is mounted, beside its record.
fn path_of(id: &AttachmentId) -> PathBuf {
    store().folder().join(id.key() + ".netns")
}

/// The staging namespace of one attachment.
pub(crate) struct StagingNetns {
    path: PathBuf,
    netns: Netns,
    route: RtnlSocket,
}

impl StagingNetns {
    /// Creates it. Its folder exists, as the attachment's record has been written to it.
    pub(crate) fn create(id: &AttachmentId) -> Result<Self, NetError> {
        let path = path_of(id);
        let netns = Netns::create_mounted(&path)?;
        Self::around(path, netns)
    }

    /// Opens the namespace that a killed process left, if there is one.
    pub(crate) fn left_behind(id: &AttachmentId) -> Result<Option<Self>, NetError> {
        let path = path_of(id);
        match Netns::open(&path) {
            Ok(netns) => Self::around(path, netns).map(Some),
            Err(NetnsError::NotFound { .. }) => Ok(None),
            // The process was killed before it mounted the namespace.
            Err(NetnsError::NotNamespace { .. }) => {
                Netns::unmount(&path)?;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn around(path: PathBuf, netns: Netns) -> Result<Self, NetError> {
        let route = netns.run(RtnlSocket::open)??;
        Ok(Self { path, netns, route })
    }

    /// Removes it, with the links that are still in it.
    pub(crate) fn remove(self) -> Result<(), NetError> {
        let Self { path, netns, route } = self;
        Netns::unmount(&path)?;
        // Kept open until this process ends: the kernel dismantles a namespace under the RTNL lock
        // (`cleanup_net`), and every further request would wait for that lock, 20 ms and more.
        mem::forget((netns, route));
        Ok(())
    }

    /// Finds the recorded device. The kernel creates links of its own in each namespace, such as
    /// `sit0`.
    pub(crate) fn device(&self, record: &Record) -> Result<Option<Link>, NetError> {
        let links = self.route.links()?;
        Ok(links.into_iter().find(|link| {
            let named = link.name == record.device || link.name == record.ifname;
            record.is_of_kind(link) && (named || link.alias.as_ref() == Some(&record.device))
        }))
    }

    /// Finds a device that has no record, and its name on the host, which is its alias.
    pub(crate) fn unrecorded_device(&self) -> Result<Option<(Link, String)>, NetError> {
        let links = self.route.links()?.into_iter();
        let mut found = links.filter_map(|link| host_name(&link).map(|name| (link, name)));
        Ok(found.next())
    }

    /// Moves a device from the host into the container, where it is down and named `ifname`. Its
    /// alias becomes its name on the host, by which the Go plugin finds it.
    pub(crate) fn move_in(
        &self,
        host: &Host,
        device: &Link,
        sandbox: &Sandbox,
        ifname: &str,
    ) -> Result<Link, NetError> {
        host.execute(LinkChange::new(device.index).netns(&self.netns).message())?;
        let link = self.link(&device.name)?;
        let rename = LinkChange::new(link.index).name(ifname).alias(&device.name);
        self.route.execute(rename.message())?;
        self.put(&link, sandbox)?;
        sandbox.link(ifname)
    }

    /// Moves a device from the container into this namespace, whatever its name is there.
    pub(crate) fn fetch(&self, sandbox: &Sandbox, device: &Link) -> Result<Link, NetError> {
        sandbox.execute(LinkChange::new(device.index).netns(&self.netns).message())?;
        self.link(&device.name)
    }

    /// Moves a device from this namespace to the container again and restores its state there.
    pub(crate) fn put_back(
        &self,
        sandbox: &Sandbox,
        record: &Record,
        before: &Link,
    ) -> Result<(), NetError> {
        let Some(link) = self.device(record)? else {
            return Ok(());
        };
        let rename = LinkChange::new(link.index)
            .name(&before.name)
            .alias(&record.device);
        self.route.execute(rename.message())?;
        self.put(&link, sandbox)?;
        if before.up {
            let index = sandbox.link(&before.name)?.index;
            sandbox.execute(LinkChange::new(index).up().message())?;
        }
        Ok(())
    }

    /// Moves a device from this namespace to the host and restores its settings there; it is down.
    pub(crate) fn move_out(&self, link: &Link, record: &Record) -> Result<(), NetError> {
        let rename = LinkChange::new(link.index)
            .name(&record.device)
            .alias(&record.alias);
        self.route.execute(rename.message())?;
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

/// Restores the hardware address, MTU and flags that a device had on the host. A driver may refuse
/// some of them; the device is moved back all the same.
pub(crate) fn restore_settings(route: &RtnlSocket, link: &Link, record: &Record) {
    if record.mtu == 0 {
        // Without a record its former settings are unknown.
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
