//! Egress: the IFB link to which packets from the container are redirected.

use cni_types::Error;
use ferrule_kernel::{Ifb, Link, LinkChange, LinkSelector, NetlinkError, RequestError, tc};
use ferrule_net::{AttachmentId, Host, NetError};
use ferrule_plugin::Undo;

use crate::limit::Limit;
use crate::{already_limited, remove};

/// Creates the IFB link, limits its egress, and redirects packets from the container to it.
pub(crate) fn add(
    host: &Host,
    id: &AttachmentId,
    host_end: &Link,
    limit: Limit,
    undo: &mut Undo,
) -> Result<Link, Error> {
    let ifb = create(host, id, host_end.mtu)?;
    let (route, index) = (host.clone(), ifb.index);
    undo.push("remove the IFB link", move || {
        let removed = route.delete_link(index);
        removed.map(drop).map_err(|e| NetError::from(e).into())
    });
    let mut batch = host.batch();
    // The limit is set before the link is up, so that there is no queue to be emptied.
    batch.add(
        LinkChange::new(ifb.index)
            .alias(&id.alias())
            .group(0)
            .message(),
    );
    batch.add(limit.tbf().create(ifb.index));
    batch.add(LinkChange::new(ifb.index).up().message());
    batch.run().map_err(NetError::from)?;

    host.execute(tc::add_ingress(host_end.index))
        .map_err(already_limited)?;
    let (route, index) = (host.clone(), host_end.index);
    undo.push("remove the redirection from the host's end", move || {
        Ok(remove::gone(route.execute(tc::delete_ingress(index)))?)
    });
    host.execute(tc::redirect(host_end.index, ifb.index))
        .map_err(NetError::from)?;
    Ok(ifb)
}

/// Creates the IFB link, down. Until it has its alias it is identified by its group and name.
fn create(host: &Host, id: &AttachmentId, mtu: u32) -> Result<Link, Error> {
    let [name, second] = id.ifb_names();
    match create_as(host, id, &name, mtu) {
        Err(error) if error.is_exists() && is_foreign(host, id, &name)? => {
            create_as(host, id, &second, mtu).map_err(already_limited)
        }
        made => made.map_err(already_limited),
    }
}

fn create_as(host: &Host, id: &AttachmentId, name: &str, mtu: u32) -> Result<Link, NetlinkError> {
    let ifb = Ifb {
        name,
        mtu,
        group: id.group(),
    };
    let mut batch = host.batch();
    batch.add(ifb.create());
    match batch.run_and_look_up([LinkSelector::Name(name)]) {
        Ok([Some(link)]) => Ok(link),
        Ok([None]) => Err(RequestError::Malformed.during(format!("look up link {name:?}"))),
        Err(error) => {
            if error.message.is_none() {
                // The link was created, but cannot be looked up.
                let _ = host.delete_link_by_name(name);
            }
            Err(error)
        }
    }
}

/// Whether a link belongs to another attachment, such as another interface of the container.
fn is_foreign(host: &Host, id: &AttachmentId, name: &str) -> Result<bool, NetError> {
    let link = host.link_by_name(name)?;
    Ok(link.is_some_and(|link| id.is_foreign(link.alias.as_deref())))
}

/// The attachment's IFB links: normally one. Those of the Go plugin have no alias.
pub(crate) fn find(host: &Host, id: &AttachmentId) -> Result<Vec<Link>, NetError> {
    let [name, second] = &id.ifb_names();
    let names = [LinkSelector::Name(name), LinkSelector::Name(second)];
    let found = host.batch().run_and_look_up(names)?;
    let is_ours = |link: &Link| link.is_kind(Ifb::KIND) && !id.is_foreign(link.alias.as_deref());
    Ok(found.into_iter().flatten().filter(is_ours).collect())
}
