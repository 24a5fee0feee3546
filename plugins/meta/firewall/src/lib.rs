//! `firewall` accepts forwarded packets of containers on nodes that drop them by default.
//!
//! It is chained behind the plugin that attaches the container and returns that plugin's result. ADD
//! accepts what the container sends and the replies to it; an ingress policy keeps the containers of
//! other bridges out. DEL removes that, from whichever packet filter has it. The keys are those of
//! [`Config`]; the page `docs/firewall.md` explains them.

mod add;
mod chains;
mod config;
mod dbus;
mod del;
mod endpoint;
mod error;
mod firewalld;
mod iptables;
mod nftables;
mod reconcile;
mod removal;
mod rule;
mod state;

use std::process::ExitCode;

use cni_types::{Attachments, CniResult, Error, SpecVersion};
use ferrule_kernel::FileLock;
use ferrule_net::{AttachmentId, NetError};
use ferrule_plugin::{Call, ChainedFrame, ChainedPlugin, Undo};

use add::ActiveBackend;
pub use config::Config;
use config::Plan;
use dbus::TIMEOUT;
use endpoint::{Endpoint, addresses};

/// `firewall` for the frame of chained plugins.
pub struct Firewall;

/// The `main` of the executable `firewall`.
pub fn main() -> ExitCode {
    ferrule_plugin::main(&ChainedFrame(Firewall))
}

impl ChainedPlugin for Firewall {
    type Config = Config;
    type Plan = Plan;

    const NAME: &'static str = "firewall";
    const VERSIONS: &'static [SpecVersion] = &[
        SpecVersion::V0_4_0,
        SpecVersion::V1_0_0,
        SpecVersion::V1_1_0,
    ];

    fn plan(&self, call: &Call<Config>) -> Result<Option<Plan>, Error> {
        Plan::new(&call.config).map(Some)
    }

    fn add(
        &self,
        call: &Call<Config>,
        plan: Plan,
        result: &mut CniResult,
        undo: &mut Undo,
    ) -> Result<(), Error> {
        let endpoint = Endpoint::new(AttachmentId::of(&call.request), &plan, result)?;
        if endpoint.addresses.is_empty() {
            return Ok(());
        }
        let active = ActiveBackend::choose(plan.backend, TIMEOUT)?;
        // Taken before there is anything to undo: undoing would wait for it again.
        let lock = FileLock::of_namespace().map_err(NetError::from)?;
        let (cleaning, id, addresses) = (
            plan.clone(),
            endpoint.id.clone(),
            endpoint.addresses.clone(),
        );
        undo.push("remove the rules of the container", move || {
            Ok(del::remove(&cleaning, &id, &addresses)?)
        });
        Ok(add::add(&plan, &endpoint, active, &lock)?)
    }

    fn del(&self, call: &Call<Config>, previous: Option<&CniResult>) -> Result<(), Error> {
        let plan = Plan::for_cleaning(&call.config);
        let named = previous.map(addresses).unwrap_or_default();
        Ok(del::remove(
            &plan,
            &AttachmentId::of(&call.request),
            &named,
        )?)
    }

    fn check(&self, call: &Call<Config>, plan: Plan, result: &CniResult) -> Result<(), Error> {
        let endpoint = Endpoint::new(AttachmentId::of(&call.request), &plan, result)?;
        if endpoint.addresses.is_empty() {
            return Ok(());
        }
        Ok(add::check(&plan, &endpoint)?)
    }

    fn status(&self, call: &Call<Config>) -> Result<(), Error> {
        let plan = Plan::new(&call.config)?;
        add::probe(&plan).map_err(ferrule_net::link::unavailable)
    }

    fn gc(&self, call: &Call<Config>, keep: &Attachments) -> Result<(), Error> {
        let plan = Plan::for_cleaning(&call.config);
        Ok(del::collect(&plan, &call.request.network, keep)?)
    }
}

#[test]
fn the_schema_is_current() {
    ferrule_schema::assert_current::<ferrule_plugin::ChainedFrame<Firewall>>(
        ferrule_schema::Role::Chained,
    );
}
