//! DEL and GC: removes links.

use std::ops::Deref;

use cni_types::{Attachments, Request};
use ferrule_kernel::{Link, RtnlSocket};
use ferrule_plugin::Undo;

use crate::attachment::LiveLinks;
use crate::{AttachmentId, Host, NetError, Sandbox};

/// Records how to remove a link that has just been created, over a socket of its namespace.
pub fn undo_create(
    undo: &mut Undo,
    socket: impl Deref<Target = RtnlSocket> + 'static,
    link: &Link,
) {
    let index = link.index;
    undo.push(format!("remove interface {:?}", link.name), move || {
        let removed = socket.delete_link(index);
        removed.map(drop).map_err(|e| NetError::from(e).into())
    });
}

/// Removes the link of the attachment of a DEL; succeeds if there is none. The link is removed with
/// its namespace.
pub(super) fn remove_for(request: &Request, kind: &str) -> Result<(), NetError> {
    match Sandbox::open_if_there(&request.netns)? {
        Some(sandbox) => remove(&sandbox, &AttachmentId::of(request), kind),
        None => Ok(()),
    }
}

/// Removes the attachment's link, also under another name.
///
/// The attachment's alias identifies it. Links of the Go plugins, and links of an ADD that was
/// killed, have no alias and are identified by name and kind. Links of another kind or another
/// attachment are not touched.
fn remove(sandbox: &Sandbox, id: &AttachmentId, kind: &str) -> Result<(), NetError> {
    let alias = id.alias();
    let is_marked = |link: &Link| link.is_kind(kind) && link.alias.as_deref() == Some(&alias);
    let named = sandbox.link_by_name(&id.ifname)?;
    if let Some(link) = named.as_ref().filter(|link| is_marked(link)) {
        sandbox.delete_link(link.index)?;
        return Ok(());
    }
    let temp_name = id.temp_name();
    let is_unmarked = |link: &Link| {
        link.is_kind(kind)
            && (link.name == id.ifname || link.name == temp_name)
            && !id.is_foreign(link.alias.as_deref())
    };
    let links = sandbox.links()?;
    let mut leftovers: Vec<&Link> = links.iter().filter(|link| is_marked(link)).collect();
    if leftovers.is_empty() {
        leftovers = links.iter().filter(|link| is_unmarked(link)).collect();
    }
    for link in leftovers {
        sandbox.delete_link(link.index)?;
    }
    Ok(())
}

/// Removes the links of this kind and network on the host that belong to no attachment in `keep`.
/// Host ends of veth pairs normally live here; links of other kinds only if someone moved them.
///
/// All are removed in one request.
pub fn collect_garbage(network: &str, keep: &Attachments, kind: &str) -> Result<(), NetError> {
    let host = Host::open()?;
    let live = LiveLinks::new(network, keep);
    let links = host.links()?;
    let is_stale = |link: &&Link| link.is_kind(kind) && live.is_stale(link);
    let stale: Vec<u32> = links
        .iter()
        .filter(is_stale)
        .map(|link| link.index)
        .collect();
    let is_used = |group: &u32| links.iter().any(|link| link.group == *group);
    match (1..=u32::MAX / 2).rev().find(|group| !is_used(group)) {
        Some(unused) => Ok(host.delete_links(&stale, unused)?),
        None => Ok(()),
    }
}
