//! `tap` makes a tap link in the container: an Ethernet interface whose far end is a process, as a
//! virtual machine is one.
//!
//! ADD makes it under its final name, for its owner, and if wanted as a port of a bridge that is in
//! the container; addresses are optional. It stays when no process is attached and goes with DEL or
//! with the container's namespace. The keys are those of [`Config`]; the page `docs/tap.md` explains
//! them.

mod config;
mod setup;

use cni_types::{Attachments, CniResult, Error};
use ferrule_kernel::tap;
use ferrule_net::link::{self, Expected, unavailable};
use ferrule_net::{AttachmentId, Sandbox};
use ferrule_plugin::{Call, Ipam, Plugin, Undo, attach, collect, detach};

pub use config::Config;
use config::Plan;

/// The kernel's name of the kind.
const KIND: &str = "tun";

/// The plugin.
pub struct TapPlugin;

impl Plugin for TapPlugin {
    type Config = Config;

    const NAME: &'static str = "tap";

    fn add(&self, call: &Call<Config>, undo: &mut Undo) -> Result<CniResult, Error> {
        let request = &call.request;
        let plan = Plan::new(&call.config, request)?;
        let sandbox = Sandbox::open(&request.netns)?;
        link::ensure_name_is_free(&sandbox, &request.ifname)?;
        let (link, addresses) = attach(
            Ipam::of(request).as_ref(),
            undo,
            |undo| setup::create(&sandbox, request, &plan, undo),
            |link| Ok(link::switch_on(&sandbox, link)?),
        )?;
        let mut result = link::finish(&sandbox, &link, request, addresses)?;
        if call.config.dns.is_set() {
            result.dns = call.config.dns.clone();
        }
        Ok(result)
    }

    fn del(&self, call: &Call<Config>) -> Result<(), Error> {
        let request = &call.request;
        detach(Ipam::of(request), || link::remove_for(request, KIND))
    }

    fn check(&self, call: &Call<Config>) -> Result<(), Error> {
        let request = &call.request;
        let plan = Plan::new(&call.config, request)?;
        if let Some(ipam) = Ipam::of(request) {
            ipam.check()?;
        }
        let recorded = call.required_prev_result()?;
        let sandbox = Sandbox::open(&request.netns)?;
        let expected = Expected {
            kind: KIND,
            mtu: None,
            parent: None,
        };
        let id = AttachmentId::from(request);
        Ok(link::check(
            &sandbox,
            request,
            &recorded,
            &expected,
            |link| setup::check(&sandbox, link, &id, &plan),
        )?)
    }

    fn status(&self, call: &Call<Config>) -> Result<(), Error> {
        Plan::new(&call.config, &call.request)?;
        tap::is_available().map_err(|error| unavailable(setup::refused(error)))?;
        Ipam::of(&call.request).map_or(Ok(()), |ipam| ipam.status())
    }

    fn gc(&self, call: &Call<Config>, keep: &Attachments) -> Result<(), Error> {
        let request = &call.request;
        collect(Ipam::of(request), || {
            link::collect_garbage(&request.network, keep, KIND)
        })
    }
}
