//! The bridge device, shared by all containers of the network and never removed.

use std::hash::{BuildHasher, Hasher, RandomState};

use ferrule_kernel::{Bridge, Link, LinkChange, Mac};
use ferrule_net::{Host, NetError, veth};

use crate::config::Plan;

/// Makes sure the bridge is there and up, and returns it as it is before this container's port
/// changes its hardware address.
pub(crate) fn ensure(host: &Host, plan: &Plan) -> Result<Link, NetError> {
    let link = match find(host, &plan.bridge)? {
        Some(link) => link,
        None => create(host, plan)?,
    };
    if plan.vlan.filtering && link.vlan_filtering == Some(false) {
        ferrule_plugin::log(format_args!(
            "bridge {:?} does not filter VLANs, so vlan and vlanTrunk have no effect: turn on its vlan_filtering",
            plan.bridge
        ));
    }
    veth::refuse_router_advertisements(&link.name)?;
    if !link.up {
        // Also if another ADD has only just made it.
        veth::skip_duplicate_detection(&link.name)?;
    }
    if link.up && !plan.promiscuous {
        return Ok(link);
    }
    let mut change = LinkChange::new(link.index).up();
    if plan.promiscuous {
        change = change.promisc(true);
    }
    host.execute(change.message())?;
    Ok(link)
}

/// The link of that name, which must be a bridge if it exists.
pub(crate) fn find(host: &Host, name: &str) -> Result<Option<Link>, NetError> {
    match host.link_by_name(name)? {
        Some(link) if !link.is_kind("bridge") => Err(NetError::Unusable(format!(
            "interface {name:?} on the host is of kind {}, not a bridge: choose another name in the key bridge",
            link.kind.as_deref().unwrap_or("none")
        ))),
        found => Ok(found),
    }
}

fn create(host: &Host, plan: &Plan) -> Result<Link, NetError> {
    let bridge = Bridge {
        name: &plan.bridge,
        mtu: plan.mtu,
        mac: Some(random_mac()),
        vlan_filtering: plan.vlan.filtering,
    };
    match host.execute(bridge.create()) {
        Ok(()) => {}
        // Another ADD was faster.
        Err(error) if error.is_exists() => {}
        Err(error) if plan.vlan.filtering => return Err(vlan_error(error.into())),
        Err(error) => return Err(error.into()),
    }
    find(host, &plan.bridge)?.ok_or_else(|| NetError::LinkNotFound {
        name: plan.bridge.clone(),
        place: "the host".to_owned(),
    })
}

/// A unicast, locally administered address (IEEE 802, section 8.4).
///
/// A bridge without an address of its own takes one from its ports, another one with each port that
/// comes or goes: containers lose their gateway until they ask for it again, and what ADD answered
/// is no longer true.
pub(crate) fn random_mac() -> Mac {
    // The standard library takes the keys of its hash tables from the kernel's random numbers.
    let [mut mac @ .., _, _] = RandomState::new().build_hasher().finish().to_ne_bytes();
    let [first, ..] = &mut mac;
    *first = *first & 0xfc | 0x02;
    Mac::from(mac)
}

/// Says what an "operation not supported" means where VLANs were asked for.
pub(crate) fn vlan_error(error: NetError) -> NetError {
    match &error {
        NetError::Netlink(cause) if cause.errno() == Some(ferrule_kernel::Errno::EOPNOTSUPP) => {
            NetError::Unusable(format!(
                "keys vlan and vlanTrunk need VLAN filtering of bridges, which this kernel lacks (CONFIG_BRIDGE_VLAN_FILTERING): {cause}"
            ))
        }
        _ => error,
    }
}
