//! Creates the link, and compares it with the configuration.

use cni_types::{Code, Error};
use ferrule_kernel::{DriverSettings, Errno, Link, LinkChange, Tap, TapError, TapSettings};
use ferrule_net::link::Target;
use ferrule_net::{NetError, Sandbox};

use crate::config::Settings;

/// Creates the link in the container, down, with everything but its addresses. On failure nothing is
/// left.
pub(crate) fn create(target: &Target<'_>, settings: &Settings) -> Result<Link, Error> {
    let Target { sandbox, id, .. } = target;
    let bridge = settings.bridge.as_deref();
    let bridge = bridge.map(|name| bridge_of(sandbox, name)).transpose()?;
    let tap = Tap {
        name: &id.ifname,
        owner: settings.owner,
        group: settings.group,
        multi_queue: settings.multi_queue,
    };
    let made = sandbox.run(|| match &settings.selinux_context {
        Some(label) => tap.create_labelled(label),
        None => tap.create(),
    })?;
    made.map_err(refused)?;
    let link = adopt(target, settings, bridge.as_ref());
    if link.is_err() {
        // The first error is reported; DEL removes the link if this fails.
        let _ = sandbox.delete_link_by_name(&id.ifname);
    }
    link
}

/// Sets the alias and the settings of a new link.
fn adopt(target: &Target<'_>, settings: &Settings, bridge: Option<&Link>) -> Result<Link, Error> {
    let Target { sandbox, id, .. } = target;
    let index = sandbox.link(&id.ifname)?.index;
    let mut change = LinkChange::new(index).alias(&id.alias());
    if let Some(mac) = settings.mac {
        change = change.mac(mac);
    }
    if let Some(mtu) = settings.mtu {
        change = change.mtu(mtu);
    }
    sandbox.execute(change.message()).map_err(NetError::from)?;
    if let Some(bridge) = bridge {
        join(sandbox, index, bridge)?;
    }
    Ok(sandbox.link(&id.ifname)?)
}

fn bridge_of(sandbox: &Sandbox, name: &str) -> Result<Link, Error> {
    let found = sandbox.link_by_name(name).map_err(NetError::from)?;
    found.ok_or_else(|| {
        let place = sandbox.netns().path().display();
        Error::internal(format_args!(
            "key bridge: interface {name:?} not found in {place}"
        ))
        .details("an earlier plugin has to make the bridge inside the container")
    })
}

fn join(sandbox: &Sandbox, index: u32, bridge: &Link) -> Result<(), Error> {
    let change = LinkChange::new(index).master(bridge.index).message();
    let refused = |error: NetError| {
        let kind = bridge.kind.as_deref().unwrap_or("none");
        Error::from(error)
            .context(format_args!("key bridge: {:?} of kind {kind}", bridge.name))
            .details("name a bridge inside the container")
    };
    sandbox.execute(change).map_err(|e| refused(e.into()))
}

/// Adds a hint where the error has one known cause.
pub(crate) fn refused(error: TapError) -> Error {
    let (code, hint) = match &error {
        TapError::Label { .. } => (
            Code::InvalidConfig,
            "drop the key selinuxContext, or use a context that this node's SELinux policy knows",
        ),
        TapError::Device(_) => (
            Code::Internal,
            "load the kernel module tun; the device file is made with it",
        ),
        TapError::Start { .. } => (
            Code::Internal,
            "the key selinuxContext needs the command ip (iproute2) on the search path",
        ),
        TapError::Refused {
            errno: Errno::EBUSY,
            ..
        } => (
            Code::Internal,
            "an interface of that name is there; send DEL for this container and interface first",
        ),
        TapError::Refused {
            errno: Errno::EPERM,
            ..
        } => (Code::Internal, "run as root, with CAP_NET_ADMIN"),
        _ => return Error::internal(error),
    };
    Error::new(code, error.to_string()).details(hint)
}

/// Compares the settings of a tap with the configuration.
pub(crate) fn check(target: &Target<'_>, link: &Link, settings: &Settings) -> Result<(), NetError> {
    let Target { sandbox, id, .. } = target;
    let differs = |what: String| Err(NetError::Mismatch(format!("tap {:?} {what}", link.name)));
    let Some(DriverSettings::Tap(found)) = link.settings else {
        return differs("does not tell its settings".to_owned());
    };
    let wanted = TapSettings {
        owner: settings.owner,
        group: settings.group,
        multi_queue: settings.multi_queue,
    };
    if found != wanted {
        return differs(format!("has {}, expected {}", told(found), told(wanted)));
    }
    // The Go plugin ignores the key mtu where owner and group are set: its links are not compared.
    let ours = link.alias.as_deref() == Some(&id.alias());
    if let Some(mtu) = settings.mtu.filter(|mtu| ours && *mtu != link.mtu) {
        return differs(format!("has the MTU {}, expected {mtu}", link.mtu));
    }
    match &settings.bridge {
        Some(name) if link.master != Some(sandbox.link(name)?.index) => {
            differs(format!("is not a port of bridge {name:?}"))
        }
        _ => Ok(()),
    }
}

fn told(settings: TapSettings) -> String {
    let id = |id: Option<u32>| id.map_or("none".to_owned(), |id| id.to_string());
    let queues = if settings.multi_queue {
        "several queues"
    } else {
        "one queue"
    };
    format!(
        "owner {}, group {} and {queues}",
        id(settings.owner),
        id(settings.group)
    )
}
