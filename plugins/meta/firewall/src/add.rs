//! ADD, CHECK and STATUS: writes the rules of an attachment, compares them, tries the back end.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use ferrule_kernel::FileLock;
use ferrule_net::{AttachmentId, NetError};

use crate::chains::Isolation;
use crate::config::{FirewallBackend, Plan, Policy};
use crate::dbus::TIMEOUT;
use crate::del;
use crate::endpoint::Endpoint;
use crate::firewalld::{self, Firewalld};
use crate::removal::{Owner, Removal};
use crate::state::{Record, State};
use crate::{iptables, nftables};

/// How long STATUS waits for each answer of the bus.
const STATUS_TIMEOUT: Duration = Duration::from_millis(300);

/// The settings that pass bridged packets to the packet filter, for each family.
const BRIDGED: [&str; 2] = [
    "/proc/sys/net/bridge/bridge-nf-call-iptables",
    "/proc/sys/net/bridge/bridge-nf-call-ip6tables",
];

/// The back end in use, with its connection.
pub(crate) enum ActiveBackend {
    Iptables,
    Firewalld(Firewalld),
    Nftables,
}

impl ActiveBackend {
    /// The configured back end, else firewalld if that runs, else iptables. `timeout` limits each
    /// answer of the bus; a late answer is an error and decides nothing.
    pub(crate) fn choose(
        backend: Option<FirewallBackend>,
        timeout: Duration,
    ) -> Result<Self, NetError> {
        Ok(match backend {
            Some(FirewallBackend::Iptables) => Self::Iptables,
            Some(FirewallBackend::Nftables) => Self::Nftables,
            Some(FirewallBackend::Firewalld) => Self::Firewalld(Firewalld::connect(timeout)?),
            None => Firewalld::connect_if_running(timeout)?.map_or(Self::Iptables, Self::Firewalld),
        })
    }

    fn backend(&self) -> FirewallBackend {
        match self {
            Self::Iptables => FirewallBackend::Iptables,
            Self::Firewalld(_) => FirewallBackend::Firewalld,
            Self::Nftables => FirewallBackend::Nftables,
        }
    }
}

/// Writes the rules of an attachment in place of those of an earlier ADD. The caller holds the lock
/// of the network namespace.
pub(crate) fn add(
    plan: &Plan,
    endpoint: &Endpoint,
    mut active: ActiveBackend,
    _lock: &FileLock,
) -> Result<(), NetError> {
    let state = State::at(&plan.folder);
    let record = record(plan, endpoint, active.backend());
    remove_outdated(plan, &state, &record)?;
    let tag = endpoint.id.tag();
    state.add(&tag, &record)?;
    let keep_isolated = match &endpoint.bridge {
        None => false,
        Some(bridge) => {
            let isolated = plan.policy == Policy::Isolated;
            if isolated {
                warn_if_bridged_packets_bypass(bridge);
            }
            let network = &endpoint.id.network;
            state.isolate(network, bridge, isolated)?
        }
    };
    let isolation = endpoint.isolation(plan.policy, keep_isolated);
    match &mut active {
        ActiveBackend::Iptables => iptables::add(&tables(plan, endpoint, true, isolation))?,
        ActiveBackend::Nftables => nftables::add(&ruleset(plan, endpoint, isolation))?,
        ActiveBackend::Firewalld(zones) => {
            firewalld::add(zones, &plan.zone, &endpoint.addresses)?;
            if isolation.is_some() {
                iptables::add(&tables(plan, endpoint, false, isolation))?;
            }
        }
    }
    Ok(())
}

/// Compares the rules of an attachment with those that ADD writes.
pub(crate) fn check(plan: &Plan, endpoint: &Endpoint) -> Result<(), NetError> {
    let state = State::at(&plan.folder);
    let tag = endpoint.id.tag();
    let record = state.record(&tag);
    if record.is_some() {
        for address in &endpoint.addresses {
            held_by(&state, &tag, *address)?;
        }
    }
    // The default may have changed since ADD; the back end of ADD counts.
    let backend = record.map(|record| record.backend).or(plan.backend);
    let keep_isolated = endpoint
        .bridge
        .as_ref()
        .is_some_and(|bridge| state.is_isolated_elsewhere(&endpoint.id.network, bridge));
    let isolation = endpoint.isolation(plan.policy, keep_isolated);
    match ActiveBackend::choose(backend, TIMEOUT)? {
        ActiveBackend::Iptables => iptables::check(&tables(plan, endpoint, true, isolation)),
        ActiveBackend::Nftables => nftables::check(&ruleset(plan, endpoint, isolation)),
        ActiveBackend::Firewalld(mut zones) => {
            firewalld::check(&mut zones, &plan.zone, &endpoint.addresses)?;
            match isolation {
                Some(_) => iptables::check(&tables(plan, endpoint, false, isolation)),
                None => Ok(()),
            }
        }
    }
}

/// Fails if another attachment has the address.
fn held_by(state: &State, tag: &str, address: IpAddr) -> Result<(), NetError> {
    let Some(holder) = state.holder(address).filter(|holder| holder != tag) else {
        return Ok(());
    };
    let record = state.record(&holder);
    let holder = record.map_or(holder, |record| record.container_id);
    Err(NetError::Mismatch(format!(
        "address {address} belongs to container {holder:?} now"
    )))
}

/// The rules for iptables; with firewalld as the back end only those of the policy.
fn tables<'s>(
    plan: &'s Plan,
    endpoint: &'s Endpoint,
    accept: bool,
    isolation: Option<Isolation<'s>>,
) -> iptables::Rules<'s> {
    iptables::Rules {
        addresses: &endpoint.addresses,
        admin_chain: accept.then_some(plan.admin_chain.as_str()),
        isolation,
    }
}

fn ruleset<'s>(
    plan: &'s Plan,
    endpoint: &'s Endpoint,
    isolation: Option<Isolation<'s>>,
) -> nftables::Rules<'s> {
    nftables::Rules {
        id: &endpoint.id,
        addresses: &endpoint.addresses,
        admin_chain: &plan.admin_chain,
        isolation,
        forward_chains: plan.forward_chains.as_deref(),
    }
}

fn record(plan: &Plan, endpoint: &Endpoint, backend: FirewallBackend) -> Record {
    let chains = plan.forward_chains.iter().flatten();
    Record {
        network: endpoint.id.network.clone(),
        container_id: endpoint.id.container_id.clone(),
        ifname: endpoint.id.ifname.clone(),
        backend,
        zone: plan.zone.clone(),
        addresses: endpoint.addresses.clone(),
        forward_chains: chains.map(ToString::to_string).collect(),
    }
}

/// Removes the rules that an earlier ADD wrote to another back end or for other addresses.
fn remove_outdated(plan: &Plan, state: &State, new: &Record) -> Result<(), NetError> {
    let tag = new.id().tag();
    let Some(old) = state.record(&tag) else {
        return Ok(());
    };
    let moved = (old.backend, &old.zone, &old.forward_chains)
        != (new.backend, &new.zone, &new.forward_chains);
    let outdated = old.addresses.iter().copied();
    let outdated: Vec<Removal> = outdated
        .filter(|address| moved || !new.addresses.contains(address))
        .filter(|address| state.holder(*address).is_none_or(|holder| holder == tag))
        .map(|address| Removal {
            address,
            tag: tag.clone(),
            owner: Owner::Ours,
        })
        .collect();
    if outdated.is_empty() {
        return Ok(());
    }
    let mut cleaner = del::Cleaner::new(plan)?;
    cleaner.include(Some(&old));
    cleaner.clean(&outdated)?;
    for removal in outdated {
        state.release(&tag, removal.address)?;
    }
    Ok(())
}

/// Warns if bridged packets bypass the packet filter: packets between containers of one bridge are
/// bridged, not forwarded.
fn warn_if_bridged_packets_bypass(bridge: &str) {
    let passes =
        |path: &str| ferrule_file::read_text(Path::new(path)).is_ok_and(|text| text.trim() != "0");
    if !BRIDGED.iter().all(|path| passes(path)) {
        ferrule_plugin::log(format_args!(
            "firewall: ingressPolicy isolated does not keep containers of {bridge:?} from each other on this node: load br_netfilter and set net.bridge.bridge-nf-call-iptables and -ip6tables to 1"
        ));
    }
}

/// Fails if the back end cannot work now.
pub(crate) fn probe(plan: &Plan) -> Result<(), NetError> {
    match ActiveBackend::choose(plan.backend, STATUS_TIMEOUT)? {
        ActiveBackend::Iptables => Ok(ferrule_netfilter::Backend::Iptables.probe()?),
        ActiveBackend::Firewalld(firewalld) => {
            firewalld.probe(&plan.zone)?;
            if plan.policy == Policy::Open {
                return Ok(());
            }
            Ok(ferrule_netfilter::Backend::Iptables.probe()?)
        }
        ActiveBackend::Nftables => {
            let nobody = Endpoint {
                id: AttachmentId {
                    network: String::new(),
                    container_id: String::new(),
                    ifname: String::new(),
                },
                addresses: Vec::new(),
                bridge: None,
            };
            nftables::probe(&ruleset(plan, &nobody, None))
        }
    }
}
