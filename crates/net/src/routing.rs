//! Routing tables and rules of a container, for plugins that give addresses or interfaces tables of
//! their own.

use ferrule_kernel::{Family, RouteCopy, RouteFilter, Rule};

use crate::{NetError, Sandbox};

/// The kernel's own tables: default, main, local.
const RESERVED: std::ops::RangeInclusive<u32> = 253..=255;

const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

/// The rules of both families.
pub fn rules(sandbox: &Sandbox) -> Result<Vec<Rule>, NetError> {
    let mut found = sandbox.rules(Family::V4)?;
    // A kernel without IPv6 has no rules for it.
    found.extend(sandbox.rules(Family::V6).unwrap_or_default());
    Ok(found)
}

/// The routes of both families in a table or in any, out of one link or of any.
///
/// Those that leave by another link as well are not the link's. Those without a gateway come first:
/// by them the kernel finds the gateways of the others.
pub fn routes(
    sandbox: &Sandbox,
    table: Option<u32>,
    oif: Option<u32>,
) -> Result<Vec<RouteCopy>, NetError> {
    let mut found = Vec::new();
    for family in FAMILIES {
        found.extend(sandbox.route_copies(&RouteFilter { family, table, oif })?);
    }
    if let Some(index) = oif {
        found.retain(|copy| copy.entry.nexthops.iter().all(|hop| hop.oif == index));
    }
    found.sort_by_key(RouteCopy::needs_others);
    Ok(found)
}

/// The lowest `count` tables, from `first` on, that are not among `taken`, that no rule looks up and
/// no route is in.
pub fn free_tables(
    sandbox: &Sandbox,
    first: u32,
    count: usize,
    taken: &[u32],
) -> Result<Vec<u32>, NetError> {
    let mut found = Vec::with_capacity(count);
    let rules = rules(sandbox)?;
    let is_looked_up = |table: u32| rules.iter().any(|rule| rule.table == Some(table));
    let is_out = |table: u32| RESERVED.contains(&table) || taken.contains(&table);
    for table in (first..).filter(|table| !is_out(*table) && !is_looked_up(*table)) {
        if found.len() == count {
            break;
        }
        if routes(sandbox, Some(table), None)?.is_empty() {
            found.push(table);
        }
    }
    Ok(found)
}
