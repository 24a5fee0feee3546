//! `firewall` lets the packets of containers through on nodes that forward nothing by default.
//!
//! It comes behind the plugin that attaches the container, in a list, and answers what that one
//! answered. ADD lets through what the container sends, and answers to it; an ingress policy keeps
//! the containers of other bridges out. DEL takes that away, from whichever packet filter it is in.
//! The keys are those of [`Config`]; the page `docs/firewall.md` explains them.

mod arrange;
mod attach;
mod bus;
mod config;
mod detach;
mod error;
mod firewalld;
mod form;
mod iptables;
mod layout;
mod ledger;
mod nftables;
mod subject;
mod target;
mod written;

use cni_types::{Attachments, CniResult, Error, SpecVersion};
use ferrule_kernel::FileLock;
use ferrule_net::AttachmentId;
use ferrule_plugin::{Call, Plugin, Undo};

use attach::Worker;
use bus::PATIENCE;
pub use config::Config;
use config::Plan;
use error::FirewallError;
use subject::{Subject, addresses};

/// The plugin.
pub struct Firewall;

impl Plugin for Firewall {
    type Config = Config;

    const NAME: &'static str = "firewall";
    const VERSIONS: &'static [SpecVersion] = &[
        SpecVersion::V0_4_0,
        SpecVersion::V1_0_0,
        SpecVersion::V1_1_0,
    ];

    fn add(&self, call: &Call<Config>, undo: &mut Undo) -> Result<CniResult, Error> {
        let plan = Plan::new(&call.config)?;
        let result = call.chained_result()?;
        let subject = Subject::new(AttachmentId::from(&call.request), &plan, &result)?;
        if subject.addresses.is_empty() {
            return Ok(result);
        }
        let worker = Worker::choose(plan.backend, PATIENCE)?;
        // Waited for before there is anything to undo, which would wait for it again.
        let lock = FileLock::of_namespace().map_err(FirewallError::from)?;
        let (cleaning, id, addresses) =
            (plan.clone(), subject.id.clone(), subject.addresses.clone());
        undo.push("take back what lets the container through", move || {
            detach::remove(&cleaning, &id, &addresses)
        });
        attach::add(&plan, &subject, worker, &lock)?;
        Ok(result)
    }

    fn del(&self, call: &Call<Config>) -> Result<(), Error> {
        let plan = Plan::for_cleaning(&call.config);
        let named = match call.request.prev_result() {
            Ok(result) => result.map(|result| addresses(&result)).unwrap_or_default(),
            Err(error) => {
                ferrule_plugin::log(format_args!(
                    "firewall: DEL goes by its notes alone: {error}"
                ));
                Vec::new()
            }
        };
        detach::remove(&plan, &AttachmentId::from(&call.request), &named)
    }

    fn check(&self, call: &Call<Config>) -> Result<(), Error> {
        let plan = Plan::new(&call.config)?;
        let result = call.required_prev_result()?;
        let subject = Subject::new(AttachmentId::from(&call.request), &plan, &result)?;
        if subject.addresses.is_empty() {
            return Ok(());
        }
        Ok(attach::check(&plan, &subject)?)
    }

    fn status(&self, call: &Call<Config>) -> Result<(), Error> {
        let plan = Plan::new(&call.config)?;
        attach::probe(&plan).map_err(ferrule_net::link::unavailable)
    }

    fn gc(&self, call: &Call<Config>, keep: &Attachments) -> Result<(), Error> {
        let plan = Plan::for_cleaning(&call.config);
        detach::collect(&plan, &call.request.network, keep)
    }
}
