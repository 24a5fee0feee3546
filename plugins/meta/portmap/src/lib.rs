//! `portmap` publishes host ports for a container that an earlier plugin of the list attached (DNAT).
//!
//! ADD writes the translation of each mapped port to the container's addresses, to iptables or
//! nftables. DEL removes it from wherever it is, by the names of network, container and interface
//! alone. The keys are those of [`Config`]; the page `docs/portmap.md` explains them.

mod config;
mod conflicts;
mod conntrack;
mod forwarding;
mod iptables;
mod liveness;
mod mapping;
mod nft_chains;
mod nft_maps;
mod nft_rules;
mod owner;
mod port_rules;
mod route_localnet;
mod target;

use std::process::ExitCode;

use cni_types::{Attachments, CniResult, Error};
use ferrule_kernel::FileLock;
use ferrule_net::NetError;
use ferrule_netfilter::Backend;
use ferrule_plugin::{Call, ChainedFrame, ChainedPlugin, Undo, log};

pub use config::Config;
use config::Plan;
use owner::Owner;
use port_rules::{PortBackend, PortRules};

/// `portmap` for the frame of chained plugins.
pub struct Portmap;

/// The `main` of the executable `portmap`.
pub fn main() -> ExitCode {
    ferrule_plugin::main(&ChainedFrame(Portmap))
}

impl ChainedPlugin for Portmap {
    type Config = Config;
    type Plan = Plan;

    const NAME: &'static str = "portmap";

    fn plan(&self, call: &Call<Config>) -> Result<Option<Plan>, Error> {
        let plan = Plan::new(&call.config)?;
        Ok(Some(plan).filter(|plan| !plan.mappings.is_empty()))
    }

    fn add(
        &self,
        call: &Call<Config>,
        plan: Plan,
        result: &mut CniResult,
        undo: &mut Undo,
    ) -> Result<(), Error> {
        let targets = target::targets(result, &call.request.ifname);
        if targets.is_empty() {
            log("portmap: the container has no address, so no port is mapped");
            return Ok(());
        }
        target::validate(&plan.mappings, &targets)?;
        let owner = Owner::of_living(&call.request, result);
        let rules = PortRules::new(port_backend(call, &plan)?, &owner, &plan, &targets)?;
        let (owner, mappings) = (owner.clone(), plan.mappings.clone());
        // Taken before there is anything to undo: undoing would wait for it again.
        let lock = FileLock::of_namespace().map_err(NetError::from)?;
        undo.push("remove the port mappings", move || {
            port_rules::remove(&owner, &mappings).1
        });
        rules.add(&lock)?;
        drop(lock);
        warn(conntrack::delete_earlier_flows(&rules.forwardings()));
        if let Some(address) = rules.localhost_leads_to() {
            route_localnet::enable(address)?;
        }
        Ok(())
    }

    fn del(&self, call: &Call<Config>, previous: Option<&CniResult>) -> Result<(), Error> {
        let owner = Owner::of(&call.request);
        let mappings = call.config.readable_mappings();
        let (mut gone, removed) = port_rules::remove(&owner, &mappings);
        if let Some(result) = previous {
            let targets = target::targets(result, &call.request.ifname);
            gone.extend(port_rules::forwardings(&targets, &mappings));
        }
        warn(if gone.is_empty() {
            conntrack::delete_unknown_flows(&mappings)
        } else {
            conntrack::delete_translated_flows(&gone)
        });
        removed
    }

    fn check(&self, call: &Call<Config>, plan: Plan, result: &CniResult) -> Result<(), Error> {
        let targets = target::targets(result, &call.request.ifname);
        if targets.is_empty() {
            return Ok(());
        }
        let owner = Owner::of(&call.request);
        let backend = port_backend(call, &plan)?.found(&owner, &plan.mappings)?;
        let rules = PortRules::new(backend, &owner, &plan, &targets)?;
        rules.check()?;
        if let Some(address) = rules.localhost_leads_to() {
            route_localnet::check(address)?;
        }
        Ok(())
    }

    fn status(&self, call: &Call<Config>) -> Result<(), Error> {
        let plan = Plan::new(&call.config)?;
        let backend = plan.backend.unwrap_or_else(Backend::of_node);
        call.config.check_options(backend)?;
        ferrule_net::ensure_usable("port mappings", backend)
    }

    fn gc(&self, call: &Call<Config>, keep: &Attachments) -> Result<(), Error> {
        let (gone, collected) = port_rules::collect(&call.request.network, keep);
        warn(conntrack::delete_translated_flows(&gone));
        collected
    }
}

/// The back end of the configuration, or the node's.
fn port_backend(call: &Call<Config>, plan: &Plan) -> Result<PortBackend, Error> {
    let backend = plan.backend.unwrap_or_else(Backend::of_node);
    call.config.check_options(backend)?;
    Ok(PortBackend::new(backend, plan.maps))
}

/// Logs that flows could not be deleted. They expire once their clients pause, so no verb fails.
fn warn(deleted: Result<(), NetError>) {
    if let Err(error) = deleted {
        log(format_args!("portmap: could not delete UDP flows: {error}"));
    }
}

#[test]
fn the_schema_is_current() {
    ferrule_schema::assert_current::<ferrule_plugin::ChainedFrame<Portmap>>(
        ferrule_schema::Role::Chained,
    );
}
