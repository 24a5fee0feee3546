//! DEL and GC: removes pairs, and the masquerading of their attachments.

use cni_types::{Attachments, CniResult, Error, Interface, Request};

use super::{KIND, PREFIX, peer_on_host};
use crate::masquerade::{self, Masquerade};
use crate::{AttachmentId, Host, NetError, Sandbox, link};

/// Removes the pair and the masquerading of the attachment of a DEL; succeeds if there is neither.
///
/// The namespace may be gone, the previous result missing or unreadable, and the configuration
/// another one than at ADD.
pub fn remove_for(request: &Request) -> Result<(), Error> {
    let id = AttachmentId::of(request);
    Error::join([
        Masquerade::of(&id).remove().map_err(Error::from),
        remove_pair(request, &id).map_err(Error::from),
    ])
}

/// Removes the pairs and the masquerading of the network that belong to no attachment in `keep`.
pub fn collect_garbage(network: &str, keep: &Attachments) -> Result<(), Error> {
    Error::join([
        masquerade::gc(network, keep).map_err(Error::from),
        link::collect_garbage(network, keep, KIND).map_err(Error::from),
    ])
}

fn remove_pair(request: &Request, id: &AttachmentId) -> Result<(), NetError> {
    let host = Host::open()?;
    let sandbox = Sandbox::open_if_there(&request.netns)?;
    let prev_result = request.prev_result().unwrap_or_default();
    remove(&host, sandbox.as_ref(), id, prev_result.as_ref())
}

/// Removes the attachment's pair; succeeds if there is none.
///
/// The host end is found by its name and alias, whether or not the container exists. A pair created
/// by a Go plugin is found by the interface's name in the container, or else by the previous result.
/// Pairs of another container in a recycled namespace are not touched.
fn remove(
    host: &Host,
    sandbox: Option<&Sandbox>,
    id: &AttachmentId,
    prev_result: Option<&CniResult>,
) -> Result<(), NetError> {
    for name in id.host_names(PREFIX) {
        if let Some(link) = host.link_by_name(&name)?
            && link.is_kind(KIND)
            && !id.is_foreign(link.alias.as_deref())
            && host.delete_link(link.index)?
        {
            return Ok(());
        }
    }
    if let Some(sandbox) = sandbox
        && remove_inside(host, sandbox, id, prev_result)?
    {
        return Ok(());
    }
    remove_recorded(host, prev_result)
}

/// Removes the pair by its container end, unless that belongs to another attachment or is no veth.
/// Returns whether it was removed.
fn remove_inside(
    host: &Host,
    sandbox: &Sandbox,
    id: &AttachmentId,
    prev_result: Option<&CniResult>,
) -> Result<bool, NetError> {
    let Some(link) = sandbox.link_by_name(&id.ifname)? else {
        return Ok(false);
    };
    if !link.is_kind(KIND) {
        return Ok(false);
    }
    if let Some(peer) = peer_on_host(host, &link)? {
        let mut names = host_ends(prev_result).map(|entry| &entry.name).peekable();
        let is_unknown = names.peek().is_some() && !names.any(|name| *name == peer.name);
        let is_ours = match peer.alias.as_deref() {
            Some(alias) if alias == id.alias() => true,
            alias => !id.is_foreign(alias) && !is_unknown,
        };
        if !is_ours {
            return Ok(false);
        }
    }
    Ok(sandbox.delete_link(link.index)?)
}

/// The interfaces of a result that may be host ends.
fn host_ends(result: Option<&CniResult>) -> impl Iterator<Item = &Interface> {
    let entries = result.into_iter().flat_map(|result| &result.interfaces);
    entries.filter(|entry| entry.sandbox.is_empty() && entry.name.starts_with(PREFIX))
}

/// Removes a host end that only the previous result names, if it is still the same link.
fn remove_recorded(host: &Host, prev_result: Option<&CniResult>) -> Result<(), NetError> {
    for interface in host_ends(prev_result) {
        if let Some(link) = host.link_by_name(&interface.name)?
            && link.is_kind(KIND)
            && link.alias.is_none()
            && link
                .mac
                .is_some_and(|mac| mac.to_string().eq_ignore_ascii_case(&interface.mac))
        {
            host.delete_link(link.index)?;
        }
    }
    Ok(())
}
