//! CHECK: compares the link with the result of ADD.

use cni_types::{CniResult, Request};
use ferrule_kernel::Link;

use crate::master::MasterNetns;
use crate::{NetError, Sandbox, check as recorded};

/// Settings that every kind of link has, as configured.
pub(super) struct Expected<'a> {
    /// Its kind.
    pub(super) kind: &'static str,
    /// Its MTU in bytes, if one is configured.
    pub(super) mtu: Option<u32>,
    /// Its master and the namespace of that, if one is configured.
    pub(super) master: Option<(&'a MasterNetns, &'a Link)>,
}

/// Compares the link, its addresses and routes with the configuration and the previous result.
/// `settings` compares the settings of its kind.
pub(super) fn check(
    sandbox: &Sandbox,
    request: &Request,
    result: &CniResult,
    expected: &Expected<'_>,
    settings: impl FnOnce(&Link) -> Result<(), NetError>,
) -> Result<(), NetError> {
    let path = request.sandbox();
    let (link, entry) = recorded::container_link(sandbox, request, result, expected.kind)?;
    recorded::up(&link, &path)?;
    recorded::mtu(&link, entry, expected.mtu, &path)?;
    if let Some((netns, master)) = expected.master
        && !netns.carries(master, &link, sandbox)?
    {
        return Err(NetError::Mismatch(format!(
            "interface {:?} in {path} is not on master {:?}",
            request.ifname, master.name
        )));
    }
    settings(&link)?;
    recorded::addresses(sandbox, &link, result)?;
    recorded::routes(sandbox, result)
}
