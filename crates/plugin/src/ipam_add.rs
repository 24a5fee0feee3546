//! The address plugin's part of an ADD: one schedule for every plugin that makes a link.

use cni_types::{CniResult, Error};

use crate::{Ipam, PendingAdd, Undo};

/// An ADD of the address plugin, from before the link is made until its result is needed.
///
/// A local address plugin (host-local, static) needs no link. Where it is a process of its own it
/// is started at once and runs while the link is being made; where it is part of this executable it
/// runs when its result is asked for, while the kernel is busy with a link that has just come up.
/// Any other one is started when its result is asked for: DHCP needs the link up.
pub struct IpamAdd {
    ipam: Option<Ipam>,
    pending: Option<PendingAdd>,
}

impl IpamAdd {
    /// Starts what can run beside the making of the link. Without an address plugin the result is
    /// none; one that cannot be found fails here, before anything is made.
    pub fn start(ipam: Option<Ipam>, undo: &mut Undo) -> Result<Self, Error> {
        let pending = match &ipam {
            Some(ipam) if ipam.is_external()? && ipam.is_local() => Some(ipam.start_add(undo)?),
            _ => None,
        };
        Ok(Self { ipam, pending })
    }

    /// Whether there is an address plugin.
    pub fn has_ipam(&self) -> bool {
        self.ipam.is_some()
    }

    /// Whether the link has to be up before the result is asked for.
    pub fn needs_link(&self) -> bool {
        self.ipam.as_ref().is_some_and(|ipam| !ipam.is_local())
    }

    /// The result of the address plugin, if there is one.
    pub fn finish(self, undo: &mut Undo) -> Result<Option<CniResult>, Error> {
        match (self.pending, self.ipam) {
            (Some(pending), _) => pending.finish().map(Some),
            (None, Some(ipam)) => ipam.start_add(undo)?.finish().map(Some),
            (None, None) => Ok(None),
        }
    }
}
