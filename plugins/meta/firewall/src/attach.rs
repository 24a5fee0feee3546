//! ADD and CHECK: making the rules of an attachment, and comparing them.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use cni_types::Error;
use ferrule_kernel::FileLock;
use ferrule_net::AttachmentId;

use crate::bus::PATIENCE;
use crate::config::{Backend, Plan, Policy};
use crate::detach;
use crate::error::{FirewallError, joined};
use crate::firewalld::{self, Firewalld};
use crate::layout::Isolation;
use crate::ledger::{Ledger, Record};
use crate::subject::Subject;
use crate::target::{Target, Whose};
use crate::{iptables, nftables};

/// How long STATUS waits for an answer of the bus.
const GLANCE: Duration = Duration::from_millis(300);

/// Whether bridged packets pass the packet filter, of each family.
const BRIDGED: [&str; 2] = [
    "/proc/sys/net/bridge/bridge-nf-call-iptables",
    "/proc/sys/net/bridge/bridge-nf-call-ip6tables",
];

/// The back end that does the work, connected to if need be.
pub(crate) enum Worker {
    Iptables,
    Firewalld(Firewalld),
    Nftables,
}

impl Worker {
    /// The one of the configuration, else firewalld if that runs, else iptables.
    /// Each answer of the bus is waited for that long.
    pub(crate) fn choose(
        backend: Option<Backend>,
        patience: Duration,
    ) -> Result<Self, FirewallError> {
        Ok(match backend {
            Some(Backend::Iptables) => Self::Iptables,
            Some(Backend::Nftables) => Self::Nftables,
            Some(Backend::Firewalld) => Self::Firewalld(Firewalld::connect(patience)?),
            None => {
                Firewalld::connect_if_running(patience)?.map_or(Self::Iptables, Self::Firewalld)
            }
        })
    }

    fn backend(&self) -> Backend {
        match self {
            Self::Iptables => Backend::Iptables,
            Self::Firewalld(_) => Backend::Firewalld,
            Self::Nftables => Backend::Nftables,
        }
    }
}

/// Makes the rules of an attachment in place of those an earlier ADD of it has made.
/// The lock of the namespace is held meanwhile.
pub(crate) fn add(
    plan: &Plan,
    subject: &Subject,
    mut worker: Worker,
    _lock: &FileLock,
) -> Result<(), Error> {
    let ledger = Ledger::at(&plan.folder);
    let record = record(plan, subject, worker.backend());
    remove_outdated(plan, &ledger, &record)?;
    let tag = subject.id.tag();
    ledger.enter(&tag, &record).map_err(FirewallError::from)?;
    let keep_isolated = match &subject.bridge {
        None => false,
        Some(bridge) => {
            let isolated = plan.policy == Policy::Isolated;
            if isolated {
                note_what_isolation_needs(bridge);
            }
            let network = &subject.id.network;
            ledger
                .isolate(network, bridge, isolated)
                .map_err(FirewallError::from)?
        }
    };
    let isolation = subject.isolation(plan.policy, keep_isolated);
    match &mut worker {
        Worker::Iptables => iptables::add(&tables(plan, subject, true, isolation))?,
        Worker::Nftables => nftables::add(&ruleset(plan, subject, isolation))?,
        Worker::Firewalld(zones) => {
            firewalld::add(zones, &plan.zone, &subject.addresses)?;
            if isolation.is_some() {
                iptables::add(&tables(plan, subject, false, isolation))?;
            }
        }
    }
    Ok(())
}

/// Compares the rules of an attachment with those ADD makes.
pub(crate) fn check(plan: &Plan, subject: &Subject) -> Result<(), FirewallError> {
    let ledger = Ledger::at(&plan.folder);
    let tag = subject.id.tag();
    let record = ledger.record(&tag);
    if record.is_some() {
        for address in &subject.addresses {
            held_by(&ledger, &tag, *address)?;
        }
    }
    // What runs on the node may have changed since ADD; what ADD did counts.
    let backend = record.map(|record| record.backend).or(plan.backend);
    let keep_isolated = subject
        .bridge
        .as_ref()
        .is_some_and(|bridge| ledger.is_isolated_elsewhere(&subject.id.network, bridge));
    let isolation = subject.isolation(plan.policy, keep_isolated);
    match Worker::choose(backend, PATIENCE)? {
        Worker::Iptables => iptables::check(&tables(plan, subject, true, isolation)),
        Worker::Nftables => nftables::check(&ruleset(plan, subject, isolation)),
        Worker::Firewalld(mut zones) => {
            firewalld::check(&mut zones, &plan.zone, &subject.addresses)?;
            match isolation {
                Some(_) => iptables::check(&tables(plan, subject, false, isolation)),
                None => Ok(()),
            }
        }
    }
}

/// Fails if another attachment has the address.
fn held_by(ledger: &Ledger, tag: &str, address: IpAddr) -> Result<(), FirewallError> {
    let Some(holder) = ledger.holder(address).filter(|holder| holder != tag) else {
        return Ok(());
    };
    let record = ledger.record(&holder);
    Err(FirewallError::Held {
        address: address.to_string(),
        holder: record.map_or(holder, |record| record.container_id),
    })
}

/// What the configuration asks iptables for; with firewalld that is isolation alone.
fn tables<'s>(
    plan: &'s Plan,
    subject: &'s Subject,
    accept: bool,
    isolation: Option<Isolation<'s>>,
) -> iptables::Rules<'s> {
    iptables::Rules {
        addresses: &subject.addresses,
        admin_chain: accept.then_some(plan.admin_chain.as_str()),
        isolation,
    }
}

fn ruleset<'s>(
    plan: &'s Plan,
    subject: &'s Subject,
    isolation: Option<Isolation<'s>>,
) -> nftables::Rules<'s> {
    nftables::Rules {
        id: &subject.id,
        addresses: &subject.addresses,
        admin_chain: &plan.admin_chain,
        isolation,
        forward_chains: plan.forward_chains.as_deref(),
    }
}

fn record(plan: &Plan, subject: &Subject, backend: Backend) -> Record {
    let chains = plan.forward_chains.iter().flatten();
    Record {
        network: subject.id.network.clone(),
        container_id: subject.id.container_id.clone(),
        ifname: subject.id.ifname.clone(),
        backend,
        zone: plan.zone.clone(),
        addresses: subject.addresses.clone(),
        forward_chains: chains.map(ToString::to_string).collect(),
    }
}

/// Takes away what an earlier ADD has made elsewhere or for other addresses.
fn remove_outdated(plan: &Plan, ledger: &Ledger, new: &Record) -> Result<(), Error> {
    let tag = new.id().tag();
    let Some(old) = ledger.record(&tag) else {
        return Ok(());
    };
    let moved = (old.backend, &old.zone, &old.forward_chains)
        != (new.backend, &new.zone, &new.forward_chains);
    let outdated = old.addresses.iter().copied();
    let outdated: Vec<Target> = outdated
        .filter(|address| moved || !new.addresses.contains(address))
        .filter(|address| ledger.holder(*address).is_none_or(|holder| holder == tag))
        .map(|address| Target {
            address,
            tag: tag.clone(),
            whose: Whose::Ours,
        })
        .collect();
    if outdated.is_empty() {
        return Ok(());
    }
    let mut cleaner = detach::Cleaner::new(plan)?;
    cleaner.know(Some(&old));
    joined(cleaner.clean(&outdated))?;
    for target in outdated {
        ledger
            .release(&tag, target.address)
            .map_err(FirewallError::from)?;
    }
    Ok(())
}

/// Packets between containers of a bridge are not forwarded but bridged, and pass the packet
/// filter only if the node is set up so.
fn note_what_isolation_needs(bridge: &str) {
    let passes =
        |path: &str| ferrule_file::read_text(Path::new(path)).is_ok_and(|text| text.trim() != "0");
    if !BRIDGED.iter().all(|path| passes(path)) {
        ferrule_plugin::log(format_args!(
            "firewall: ingressPolicy isolated does not keep containers of {bridge:?} from each other on this node: load br_netfilter and set net.bridge.bridge-nf-call-iptables and -ip6tables to 1"
        ));
    }
}

/// Fails if the back end could not do its work now.
pub(crate) fn probe(plan: &Plan) -> Result<(), FirewallError> {
    match Worker::choose(plan.backend, GLANCE)? {
        Worker::Iptables => iptables::probe(),
        Worker::Firewalld(firewalld) => {
            firewalld.probe(&plan.zone)?;
            if plan.policy == Policy::Open {
                return Ok(());
            }
            iptables::probe()
        }
        Worker::Nftables => {
            let nobody = Subject {
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
