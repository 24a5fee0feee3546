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
    pub(super) parent: Option<(&'a MasterNetns, &'a Link)>,
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
    let (name, path) = (&request.ifname, request.sandbox());
    let entry = recorded::recorded_interface(result, name, &path)?;
    let found = sandbox.link_by_name(name)?;
    let link = recorded::link(found, entry, &path, expected.kind)?;
    let differs = |what: String| NetError::Mismatch(format!("interface {name:?} in {path} {what}"));
    recorded::up(&link, &path)?;
    // A later plugin of the chain may have changed the MTU and recorded that in the result.
    let mtu = Some(entry.mtu).filter(|mtu| *mtu > 0).or(expected.mtu);
    if let Some(mtu) = mtu.filter(|mtu| *mtu != link.mtu) {
        let found = link.mtu;
        return Err(differs(format!("has the MTU {found}, expected {mtu}")));
    }
    if let Some((side, parent)) = expected.parent
        && !side.carries(parent, &link, sandbox)?
    {
        return Err(differs(format!("is not on master {:?}", parent.name)));
    }
    settings(&link)?;
    recorded::addresses(sandbox, &link, result)?;
    recorded::routes(sandbox, result)
}
