//! The bridge. All containers of the network share it, and it is never removed.

use std::hash::{BuildHasher, Hasher, RandomState};

use ferrule_kernel::{Bridge, Link, LinkChange, Mac};
use ferrule_net::{Host, NetError, veth};

use crate::config::Plan;

/// Creates the bridge if it is missing, brings it up, and returns it as it was before this container's
/// port, which may change its MAC address.
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
        // Also for a bridge that another ADD has just created.
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
        // Another ADD has just created it.
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
/// A bridge whose address was not set by hand takes the lowest one of its ports, and changes it when
/// ports are added or removed (`br_stp_recalculate_bridge_id` of `net/bridge/br_stp_if.c`): containers
/// lose their gateway until they resolve its address again, and the result of ADD becomes wrong.
pub(crate) fn random_mac() -> Mac {
    // The standard library seeds its hash tables with random numbers of the kernel.
    let [mut mac @ .., _, _] = RandomState::new().build_hasher().finish().to_ne_bytes();
    let [first, ..] = &mut mac;
    *first = *first & 0xfc | 0x02;
    Mac::from(mac)
}

/// Names the missing kernel option where "operation not supported" is the answer to a VLAN request.
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
