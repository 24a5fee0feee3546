//! The container's port on the bridge.

use ferrule_kernel::link::bridge_vlan;
use ferrule_kernel::{PortSettings, VlanFlags, set_port};
use ferrule_net::{Host, NetError};

use crate::config::Plan;
use crate::device::vlan_error;
use crate::vlan::{DEFAULT_VLAN, VlanPlan};

/// The flags of the VLAN that untagged frames belong to.
const UNTAGGED: VlanFlags = VlanFlags {
    pvid: true,
    untagged: true,
};
/// The flags of a VLAN whose frames are tagged.
const TAGGED: VlanFlags = VlanFlags {
    pvid: false,
    untagged: false,
};

/// Sets what a new port does not have by itself.
pub(crate) fn configure(host: &Host, index: u32, plan: &Plan) -> Result<(), NetError> {
    if plan.hairpin || plan.isolated {
        let settings = PortSettings {
            master: None,
            hairpin: Some(plan.hairpin),
            isolated: Some(plan.isolated),
        };
        host.execute(set_port(index, settings))?;
    }
    if plan.vlan.changes_port() {
        set_vlans(host, index, &plan.vlan).map_err(vlan_error)?;
    }
    Ok(())
}

/// Gives the port its VLANs instead of, or beside, those it was born with.
pub(crate) fn set_vlans(host: &Host, index: u32, vlan: &VlanPlan) -> Result<(), NetError> {
    let mut batch = host.batch();
    if !vlan.preserve_default {
        let present = host.port_vlans(index)?.into_iter().map(|vlan| vlan.vid);
        // Those that stay get their flags below, without a moment in which packets are lost.
        let unwanted: Vec<u16> = present.filter(|vid| !vlan.carries(*vid)).collect();
        if !unwanted.is_empty() {
            batch.add(bridge_vlan::delete_vlans(index, &unwanted));
        }
    }
    if let Some(access) = vlan.access {
        batch.add(bridge_vlan::add_vlan(index, access, UNTAGGED));
    }
    if !vlan.trunk.is_empty() {
        batch.add(bridge_vlan::add_vlans(index, &vlan.trunk, TAGGED));
    }
    if vlan.access.is_none() {
        batch.add(bridge_vlan::add_vlan(index, DEFAULT_VLAN, UNTAGGED));
    }
    Ok(batch.run()?)
}
