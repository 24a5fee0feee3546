//! `dummy` gives a container a link that leads nowhere, to hold addresses.
//!
//! ADD makes the link in the container and asks the address plugin meanwhile. DEL removes link and
//! addresses. Only the key `dns` is its own; the page `docs/dummy.md` explains it.

use cni_types::{Attachments, CniResult, Code, Dns, Error, Request};
use ferrule_kernel::Dummy;
use ferrule_net::Sandbox;
use ferrule_net::link::{self, Expected, Settings};
use ferrule_net::parent::ParentSide;
use ferrule_plugin::{Call, Ipam, Plugin, Undo, attach, collect, detach};
use serde::Deserialize;

/// The plugin.
pub struct DummyPlugin;

/// The configuration as written.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Name resolution; replaces what the address plugin answers.
    dns: Dns,
}

impl Plugin for DummyPlugin {
    type Config = Config;

    const NAME: &'static str = "dummy";

    fn add(&self, call: &Call<Config>, undo: &mut Undo) -> Result<CniResult, Error> {
        let request = &call.request;
        let ipam = required_ipam(request)?;
        let sandbox = Sandbox::open(&request.netns)?;
        link::ensure_name_is_free(&sandbox, &request.ifname)?;

        let create = |undo: &mut Undo| {
            let inside = ParentSide::Container(sandbox.clone());
            let alone = Settings::default();
            let link = link::create(&inside, &sandbox, &request.into(), alone, |new| {
                Dummy.create(new)
            })?;
            undo.push("remove the interface", link::remover(&link, &sandbox));
            Ok(link)
        };
        let (link, addresses) = attach(Some(&ipam), undo, create, |link| {
            Ok(link::switch_on(&sandbox, link)?)
        })?;
        let mut result = link::finish(&sandbox, &link, request, addresses)?;
        if call.config.dns.is_set() {
            result.dns = call.config.dns.clone();
        }
        Ok(result)
    }

    fn del(&self, call: &Call<Config>) -> Result<(), Error> {
        let request = &call.request;
        detach(Ipam::of(request), || link::remove_for(request, Dummy::KIND))
    }

    fn check(&self, call: &Call<Config>) -> Result<(), Error> {
        let request = &call.request;
        required_ipam(request)?.check()?;
        let recorded = call.required_prev_result()?;
        let sandbox = Sandbox::open(&request.netns)?;
        let expected = Expected {
            kind: Dummy::KIND,
            mtu: None,
            parent: None,
        };
        Ok(link::check(
            &sandbox,
            request,
            &recorded,
            &expected,
            |_| Ok(()),
        )?)
    }

    fn status(&self, call: &Call<Config>) -> Result<(), Error> {
        let ipam = required_ipam(&call.request)?;
        link::ensure_driver(Dummy::KIND)?;
        ipam.status()
    }

    fn gc(&self, call: &Call<Config>, keep: &Attachments) -> Result<(), Error> {
        let request = &call.request;
        collect(Ipam::of(request), || {
            link::collect_garbage(&request.network, keep, Dummy::KIND)
        })
    }
}

/// The address plugin, without which the link would be of no use.
fn required_ipam(request: &Request) -> Result<Ipam, Error> {
    Ipam::of(request).ok_or_else(|| {
        Error::new(
            Code::InvalidConfig,
            "dummy interface requires an IPAM configuration",
        )
        .details("name an address plugin in the key ipam.type, for example host-local or static")
    })
}
