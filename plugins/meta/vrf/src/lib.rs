//! `vrf` puts the interface of a container into a VRF (virtual routing and forwarding): a device that
//! gives its ports a routing table of their own.
//!
//! ADD creates the VRF if it is missing and moves the interface into it, and its routes to the VRF's
//! table. DEL takes the interface out and removes a VRF without ports. The keys are those of
//! [`Config`]; the page `docs/vrf.md` explains them.

mod check;
mod config;
mod device;
mod port;

use std::process::ExitCode;

use cni_types::{CniResult, Error, SpecVersion};
use ferrule_kernel::{LinkChange, Vrf};
use ferrule_net::{NetError, Sandbox, link};
use ferrule_plugin::{Call, ChainedFrame, ChainedPlugin, Undo, log};

pub use config::Config;
use config::Plan;

/// The plugin `vrf`.
pub struct VrfPlugin;

/// The `main` of the executable `vrf`.
pub fn main() -> ExitCode {
    ferrule_plugin::main(&ChainedFrame(VrfPlugin))
}

impl ChainedPlugin for VrfPlugin {
    type Config = Config;
    type Plan = Plan;

    const NAME: &'static str = "vrf";
    const VERSIONS: &'static [SpecVersion] = &[
        SpecVersion::V0_3_1,
        SpecVersion::V0_4_0,
        SpecVersion::V1_0_0,
        SpecVersion::V1_1_0,
    ];

    fn plan(&self, call: &Call<Config>) -> Result<Option<Plan>, Error> {
        call.config.plan().map(Some)
    }

    fn add(
        &self,
        call: &Call<Config>,
        plan: Plan,
        result: &mut CniResult,
        undo: &mut Undo,
    ) -> Result<(), Error> {
        let ifname = &call.request.ifname;
        let sandbox = Sandbox::open(&call.request.netns)?;
        let _lock = sandbox.lock()?;
        let link = sandbox.link(ifname)?;
        if link.master.is_some() {
            // A repeated ADD succeeds if the first one was complete.
            return check::check(&sandbox, ifname, &plan, result).map_err(|error| {
                Error::internal(format_args!(
                    "interface {ifname:?} has already a master set"
                ))
                .details(format!(
                    "send DEL first if it is of an earlier ADD; {error}"
                ))
            });
        }
        let vrf = device::find_or_create(&sandbox, &plan, undo)?;
        Ok(port::enslave(&sandbox, &link, &vrf, undo)?)
    }

    fn del(&self, call: &Call<Config>, _: Option<&CniResult>) -> Result<(), Error> {
        let Ok(plan) = call.config.plan() else {
            log("vrf: DEL without a valid vrfname: there is nothing to do");
            return Ok(());
        };
        let request = &call.request;
        let Some(sandbox) = Sandbox::open_if_there(&request.netns)? else {
            return Ok(());
        };
        let _lock = sandbox.lock()?;
        Ok(release(&sandbox, &request.ifname, &plan)?)
    }

    fn check(&self, call: &Call<Config>, plan: Plan, result: &CniResult) -> Result<(), Error> {
        let sandbox = Sandbox::open(&call.request.netns)?;
        check::check(&sandbox, &call.request.ifname, &plan, result)
    }

    fn status(&self, call: &Call<Config>) -> Result<(), Error> {
        call.config.plan()?;
        Ok(link::ensure_driver(Vrf::KIND)?)
    }
}

/// Takes the interface out of the VRF and removes a VRF without ports. Either may be missing.
fn release(sandbox: &Sandbox, ifname: &str, plan: &Plan) -> Result<(), NetError> {
    let Some(vrf) = sandbox.link_by_name(&plan.name)? else {
        return Ok(());
    };
    if !vrf.is_kind(Vrf::KIND) {
        log(format_args!(
            "vrf: DEL leaves {:?} alone, which is no VRF",
            plan.name
        ));
        return Ok(());
    }
    let link = sandbox.link_by_name(ifname)?;
    if let Some(link) = link.filter(|link| link.master == Some(vrf.index)) {
        let change = LinkChange::new(link.index).no_master();
        sandbox.execute(change.message().unless_gone())?;
    }
    device::delete_if_empty(sandbox, vrf.index)
}

#[test]
fn the_schema_is_current() {
    ferrule_schema::assert_current::<ferrule_plugin::ChainedFrame<VrfPlugin>>(
        ferrule_schema::Role::Chained,
    );
}
