//! `portmap` leads ports of the host to a container that an earlier plugin of the list attached.
//!
//! ADD writes, for each of the container's addresses, what translates connections to the mapped
//! ports, into iptables or nftables; DEL removes it from wherever it is, knowing nothing but the
//! names of network, container and interface. The keys are those of [`Config`]; the page
//! `docs/portmap.md` explains them.

mod backends;
mod claims;
mod config;
mod error;
mod flows;
mod forwarding;
mod iptables;
mod liveness;
mod localnet;
mod mapping;
mod maps;
mod nft;
mod owner;
mod plan;

use cni_types::{Attachments, CniResult, Code, Error};
use ferrule_kernel::FileLock;
use ferrule_net::masquerade::{self, Backend};
use ferrule_plugin::{Call, Plugin, Undo, log};

use backends::{Content, Form};
pub use config::Config;
use config::Settings;
use error::PortmapError;
use owner::Owner;

/// The plugin.
pub struct Portmap;

impl Plugin for Portmap {
    type Config = Config;

    const NAME: &'static str = "portmap";

    fn add(&self, call: &Call<Config>, undo: &mut Undo) -> Result<CniResult, Error> {
        let settings = Settings::new(&call.config)?;
        let result = call.chained_result()?;
        if settings.mappings.is_empty() {
            return Ok(result);
        }
        let targets = plan::targets(&result, &call.request.ifname);
        if targets.is_empty() {
            log("portmap: the container has no address, so no port is mapped");
            return Ok(result);
        }
        plan::validate(&settings.mappings, &targets)?;
        let owner = Owner::of_living(&call.request, &result);
        let form = form(call, &settings)?;
        let content = Content::new(form, &owner, &settings, &targets)?;
        let (owner, mappings) = (owner.clone(), settings.mappings.clone());
        // Waited for before there is anything to undo, which would wait for it again.
        let lock = FileLock::of_namespace().map_err(PortmapError::from)?;
        undo.push("remove the port mappings", move || {
            Ok(backends::remove(&owner, &mappings).1?)
        });
        content.add(&lock)?;
        drop(lock);
        tell(flows::forget_earlier(&content.forwardings()));
        if let Some(address) = content.localhost_leads_to() {
            localnet::enable(address)?;
        }
        Ok(result)
    }

    fn del(&self, call: &Call<Config>) -> Result<(), Error> {
        let owner = Owner::of(&call.request);
        let mappings = call.config.readable_mappings();
        let (mut gone, removed) = backends::remove(&owner, &mappings);
        if let Ok(Some(result)) = call.request.prev_result() {
            let targets = plan::targets(&result, &call.request.ifname);
            gone.extend(backends::forwardings(&targets, &mappings));
        }
        tell(if gone.is_empty() {
            flows::forget_unknown(&mappings)
        } else {
            flows::forget_translated(&gone)
        });
        Ok(removed?)
    }

    fn check(&self, call: &Call<Config>) -> Result<(), Error> {
        let settings = Settings::new(&call.config)?;
        let result = call.required_prev_result()?;
        let targets = plan::targets(&result, &call.request.ifname);
        if settings.mappings.is_empty() || targets.is_empty() {
            return Ok(());
        }
        let owner = Owner::of(&call.request);
        let form = form(call, &settings)?.found(&owner, &settings.mappings)?;
        let content = Content::new(form, &owner, &settings, &targets)?;
        content.check()?;
        if let Some(address) = content.localhost_leads_to() {
            localnet::check(address)?;
        }
        Ok(())
    }

    fn status(&self, call: &Call<Config>) -> Result<(), Error> {
        let settings = Settings::new(&call.config)?;
        let chosen = settings.backend.unwrap_or_else(Backend::of_node);
        call.config.check_options(chosen)?;
        masquerade::status(Some(chosen))
            .map_err(|error| Error::new(Code::NotAvailable, error.to_string()))
    }

    fn gc(&self, call: &Call<Config>, keep: &Attachments) -> Result<(), Error> {
        let (gone, collected) = backends::collect(&call.request.network, keep);
        tell(flows::forget_translated(&gone));
        Ok(collected?)
    }
}

/// The form in which mappings are to be kept.
fn form(call: &Call<Config>, settings: &Settings) -> Result<Form, Error> {
    let backend = settings.backend.unwrap_or_else(Backend::of_node);
    call.config.check_options(backend)?;
    Ok(Form::new(backend, settings.maps))
}

/// Flows that could not be forgotten end by themselves when their clients pause: no reason to fail.
fn tell(forgotten: Result<(), ferrule_net::NetError>) {
    if let Err(error) = forgotten {
        log(format_args!("portmap: could not forget UDP flows: {error}"));
    }
}
