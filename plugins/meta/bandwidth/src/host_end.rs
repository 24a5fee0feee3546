//! The host end of the container's veth pair.

use cni_types::{CniResult, Request};
use ferrule_kernel::Link;
use ferrule_net::veth::{self, KIND};
use ferrule_net::{AttachmentId, Host, NetError, Sandbox};

/// Finds the host end of the pair whose other end is the container's interface. It must be in the
/// previous result.
pub(crate) fn find(
    host: &Host,
    sandbox: &Sandbox,
    ifname: &str,
    result: &CniResult,
) -> Result<Link, NetError> {
    let fault = |text: String| Err(NetError::Mismatch(text));
    if result.interfaces.is_empty() {
        return fault("no interfaces provided: the previous result has none".to_owned());
    }
    let inside = sandbox.link(ifname)?;
    let Some(index) = inside.peer_index.filter(|_| inside.is_kind(KIND)) else {
        return fault(format!(
            "container interface {ifname:?} has no veth peer: it is of kind {}, and only a veth \
             pair can be limited",
            inside.kind.as_deref().unwrap_or("none")
        ));
    };
    let Some(peer) = veth::peer_on_host(host, &inside)? else {
        return fault(format!(
            "veth peer with index {index} of container interface {ifname:?} is not in host ns"
        ));
    };
    if !is_listed(result, &peer) {
        return fault(format!(
            "no veth peer of container interface found in host ns: the previous result does not \
             have {:?}",
            peer.name
        ));
    }
    Ok(peer)
}

/// Finds the host end for DEL; `None` if it is missing or belongs to another attachment, as the
/// namespace may be that of another container by now.
pub(crate) fn find_for_del(
    host: &Host,
    request: &Request,
    previous: Option<&CniResult>,
) -> Result<Option<Link>, NetError> {
    let Some(sandbox) = Sandbox::open_if_there(&request.netns)? else {
        return Ok(None);
    };
    let Some(inside) = sandbox.link_by_name(&request.ifname)? else {
        return Ok(None);
    };
    let id = AttachmentId::of(request);
    let is_ours = |peer: &Link| match peer.alias.as_deref() {
        Some(alias) if alias == id.alias() => true,
        alias => !id.is_foreign(alias) && previous.is_some_and(|result| is_listed(result, peer)),
    };
    Ok(veth::peer_on_host(host, &inside)?.filter(is_ours))
}

fn is_listed(result: &CniResult, link: &Link) -> bool {
    let mut entries = result.interfaces.iter();
    entries.any(|entry| entry.sandbox.is_empty() && entry.name == link.name)
}
