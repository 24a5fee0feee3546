//! `sbr` routes packets from the addresses of an interface through that interface (source-based
//! routing).
//!
//! ADD adds a routing rule and a routing table for each address and moves the interface's routes to
//! these tables. DEL removes the rules; the tables disappear with the interface. The keys are those of
//! [`Config`]; the page `docs/sbr.md` explains them.

mod automatic;
mod check;
mod config;
mod lock;
mod rules;
mod table;

use std::process::ExitCode;

use cni_types::{CniResult, Code, Error};
use ferrule_kernel::Family;
use ferrule_net::{Host, NetError, Sandbox, link};
use ferrule_plugin::{Call, ChainedFrame, ChainedPlugin, Undo, attached_ips, log};

pub use config::Config;
use config::Plan;

/// The plugin `sbr`.
pub struct Sbr;

/// The `main` of the executable `sbr`.
pub fn main() -> ExitCode {
    ferrule_plugin::main(&ChainedFrame(Sbr))
}

impl ChainedPlugin for Sbr {
    type Config = Config;
    type Plan = Plan;

    const NAME: &'static str = "sbr";

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
        let request = &call.request;
        if result.ips.is_empty() {
            return Err(Error::new(
                Code::InvalidConfig,
                "prevResult has no IP addresses, so there is no source to route by",
            ));
        }
        let ips = attached_ips(result, &request.ifname);
        if ips.is_empty() {
            log(format_args!(
                "sbr: no address of the previous result is on {:?}: nothing is changed",
                request.ifname
            ));
            return Ok(());
        }
        let sandbox = Sandbox::open(&request.netns)?;
        match plan {
            Plan::Table(table) => rules::add(&sandbox, &ips, table, undo),
            Plan::Automatic(settings) => {
                automatic::add(&sandbox, &request.ifname, &ips, &settings, undo)
            }
        }
    }

    fn del(&self, call: &Call<Config>, previous: Option<&CniResult>) -> Result<(), Error> {
        let request = &call.request;
        let Some(sandbox) = Sandbox::open_if_there(&request.netns)? else {
            return Ok(());
        };
        let recorded = previous.map(|result| attached_ips(result, &request.ifname));
        let recorded = recorded.into_iter().flatten();
        let recorded = recorded.map(|ip| ip.address.address()).collect();
        Ok(rules::delete(
            &sandbox,
            &request.ifname,
            recorded,
            call.config.table(),
        )?)
    }

    fn check(&self, call: &Call<Config>, plan: Plan, result: &CniResult) -> Result<(), Error> {
        let request = &call.request;
        let ips = attached_ips(result, &request.ifname);
        if ips.is_empty() {
            return Ok(());
        }
        let sandbox = Sandbox::open(&request.netns)?;
        Ok(check::check(
            &sandbox,
            &request.ifname,
            &ips,
            &plan,
            result,
        )?)
    }

    fn status(&self, call: &Call<Config>) -> Result<(), Error> {
        Plan::new(&call.config)?;
        let host = Host::open()?;
        // A kernel without routing rules refuses the dump.
        let rules = host.rules(Family::V4).map_err(NetError::from);
        rules.map(drop).map_err(link::unavailable)
    }
}

#[test]
fn the_schema_is_current() {
    ferrule_schema::assert_current::<ferrule_plugin::ChainedFrame<Sbr>>(
        ferrule_schema::Role::Chained,
    );
}
