//! The VRF device.

use cni_types::Error;
use ferrule_kernel::{DriverSettings, Link, LinkChange, NewLink, Vrf};
use ferrule_net::{NetError, Sandbox, routing};
use ferrule_plugin::Undo;

use crate::config::Plan;

/// An existing VRF.
pub(crate) struct Device {
    pub(crate) index: u32,
    pub(crate) table: u32,
}

/// Returns the VRF of this name, if it has the right table, or creates it.
pub(crate) fn find_or_create(
    sandbox: &Sandbox,
    plan: &Plan,
    undo: &mut Undo,
) -> Result<Device, Error> {
    if let Some(link) = sandbox.link_by_name(&plan.name).map_err(NetError::from)? {
        let device = expect(&link, plan)?;
        if !link.up {
            set_up(sandbox, device.index)?;
        }
        return Ok(device);
    }
    let table = match plan.table {
        Some(table) => table,
        None => free_table(sandbox)?,
    };
    let (inside, name) = (sandbox.clone(), plan.name.clone());
    undo.push("remove the VRF", move || {
        match inside.link_by_name(&name).map_err(NetError::from)? {
            Some(link) if link.is_kind(Vrf::KIND) => Ok(delete_if_empty(&inside, link.index)?),
            _ => Ok(()),
        }
    });
    let new = NewLink {
        up: true,
        ..NewLink::named(&plan.name)
    };
    sandbox
        .execute(Vrf { table }.create(&new))
        .map_err(NetError::from)?;
    let index = sandbox.link(&plan.name)?.index;
    Ok(Device { index, table })
}

/// Reads `link` as a VRF; fails if it is none, or has another table than the configured one.
pub(crate) fn expect(link: &Link, plan: &Plan) -> Result<Device, NetError> {
    let name = &plan.name;
    let Some(DriverSettings::Vrf(Vrf { table })) = link.settings else {
        let kind = link.kind.as_deref().unwrap_or("none");
        return Err(NetError::Mismatch(format!(
            "interface {name:?} is of kind {kind}, not a VRF"
        )));
    };
    match plan.table {
        Some(expected) if expected != table => Err(NetError::Mismatch(format!(
            "VRF {name:?} already exist with different routing table {table}, not {expected}"
        ))),
        _ => Ok(Device {
            index: link.index,
            table,
        }),
    }
}

/// Removes a VRF without ports.
pub(crate) fn delete_if_empty(sandbox: &Sandbox, index: u32) -> Result<(), NetError> {
    if sandbox.ports(index)?.is_empty() {
        sandbox.delete_link(index)?;
    }
    Ok(())
}

fn set_up(sandbox: &Sandbox, index: u32) -> Result<(), NetError> {
    Ok(sandbox.execute(LinkChange::new(index).up().message())?)
}

/// The lowest table without a VRF, a rule that looks it up, or a route.
fn free_table(sandbox: &Sandbox) -> Result<u32, NetError> {
    let links = sandbox.links()?;
    let of_vrfs = links.iter().filter_map(|link| match link.settings {
        Some(DriverSettings::Vrf(vrf)) => Some(vrf.table),
        _ => None,
    });
    let taken: Vec<u32> = of_vrfs.collect();
    let found = routing::free_tables(sandbox, 1, 1, &taken)?;
    let none = || NetError::Unusable("no routing table is free".to_owned());
    found.first().copied().ok_or_else(none)
}
