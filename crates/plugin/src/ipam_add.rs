//! The IPAM part of an ADD: one schedule for every plugin that creates a link.

use cni_types::{CniResult, Error};

use crate::{Ipam, PendingAdd, Undo};

/// ADD of the IPAM plugin, from before the link is created until its result is needed.
///
/// A local IPAM plugin (host-local, static) needs no link. As a process it is started at once and
/// runs while the link is created. In-process it runs when its result is needed, while the kernel
/// is busy with the link that has just been set up. Any other IPAM plugin is started when its result
/// is needed: DHCP needs the link up.
pub struct IpamAdd {
    ipam: Option<Ipam>,
    pending: Option<PendingAdd>,
}

impl IpamAdd {
    /// Starts a local IPAM plugin that is a process. Fails if the IPAM plugin is not found, before
    /// anything is created.
    pub fn start(ipam: Option<Ipam>, undo: &mut Undo) -> Result<Self, Error> {
        let pending = match &ipam {
            Some(ipam) if ipam.is_external()? && ipam.is_local() => Some(ipam.start_add(undo)?),
            _ => None,
        };
        Ok(Self { ipam, pending })
    }

    /// Whether there is an IPAM plugin.
    pub fn has_ipam(&self) -> bool {
        self.ipam.is_some()
    }

    /// Whether the link must be up before [`Self::finish`].
    pub fn needs_link(&self) -> bool {
        self.ipam.as_ref().is_some_and(|ipam| !ipam.is_local())
    }

    /// The result of the IPAM plugin, if there is one.
    pub fn finish(self, undo: &mut Undo) -> Result<Option<CniResult>, Error> {
        match (self.pending, self.ipam) {
            (Some(pending), _) => pending.finish().map(Some),
            (None, Some(ipam)) => ipam.start_add(undo)?.finish().map(Some),
            (None, None) => Ok(None),
        }
    }
}
