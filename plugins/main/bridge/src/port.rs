//! The veth pair of a container, whose host end is a port of the bridge.

use ferrule_kernel::link::bridge_vlan;
use ferrule_kernel::{Link, PortSettings, VlanFlags, set_port};
use ferrule_net::spoofcheck::SpoofCheck;
use ferrule_net::veth::{self, Pair, PairSettings};
use ferrule_net::{AttachmentId, Host, NetError, Sandbox};
use ferrule_plugin::Undo;

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

/// Creates the pair and configures the port: its settings, its VLANs, and the check of source MAC
/// addresses.
pub(crate) fn create(
    host: &Host,
    sandbox: &Sandbox,
    id: &AttachmentId,
    bridge: &Link,
    plan: &Plan,
    undo: &mut Undo,
) -> Result<Pair, NetError> {
    let settings = PairSettings {
        mtu: plan.mtu,
        mac: plan.mac,
        master: Some(bridge.index),
    };
    let pair = veth::create(host, sandbox, id, settings, undo)?;
    let index = pair.host.index;
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
    if let Some(mac) = pair.container.mac.filter(|_| plan.spoof_check) {
        let check = SpoofCheck::of(id);
        let added = check.clone();
        undo.push("remove the MAC address check", move || Ok(added.remove()?));
        check.add(&pair.host.name, mac)?;
    }
    Ok(pair)
}

/// Sets the VLANs of a new port, instead of or, with `preserveDefaultVlan`, beside the kernel's default.
pub(crate) fn set_vlans(host: &Host, index: u32, vlan: &VlanPlan) -> Result<(), NetError> {
    let mut batch = host.batch();
    if !vlan.preserve_default {
        let present = host.port_vlans(index)?.into_iter().map(|vlan| vlan.vid);
        // The others get their flags below without being removed, so that no packet is lost.
        let unwanted: Vec<u16> = present.filter(|vid| !vlan.carries(*vid)).collect();
        if !unwanted.is_empty() {
            batch.add(bridge_vlan::delete_vlans(index, &unwanted));
        }
    }
    if let Some(access) = vlan.access {
        batch.add(bridge_vlan::add_vlans(index, &[access], UNTAGGED));
    }
    if !vlan.trunk.is_empty() {
        batch.add(bridge_vlan::add_vlans(index, &vlan.trunk, TAGGED));
    }
    if vlan.access.is_none() {
        batch.add(bridge_vlan::add_vlans(index, &[DEFAULT_VLAN], UNTAGGED));
    }
    Ok(batch.run()?)
}
