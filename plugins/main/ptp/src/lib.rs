//! `ptp` connects a container to the host by a veth pair of its own.
//!
//! ADD creates the pair, calls the address plugin and makes each end the only neighbour of the other:
//! there is no bridge and no broadcast domain. DEL removes the pair and releases the addresses. The
//! keys are those of [`Config`]; see `docs/ptp.md`.

mod config;
mod setup;

use std::process::ExitCode;

use cni_types::{Attachments, CniResult, Error, Request};
use ferrule_net::veth::{self, PairSettings};
use ferrule_net::{
    AttachmentId, Host, NetError, Sandbox, addressing, check, forwarding, host_entry, sandbox_entry,
};
use ferrule_plugin::{Call, Ipam, IpamAdd, Plugin, Undo, collect, detach};

pub use config::Config;

/// Position of the container end in the interfaces of the result, after the host end.
const CONTAINER: i64 = 1;

/// The plugin `ptp`.
pub struct PtpPlugin;

/// The `main` of the executable `ptp`.
pub fn main() -> ExitCode {
    ferrule_local_ipam::main(&PtpPlugin)
}

impl Plugin for PtpPlugin {
    type Config = Config;

    const NAME: &'static str = "ptp";

    fn add(&self, call: &Call<Config>, undo: &mut Undo) -> Result<CniResult, Error> {
        let request = &call.request;
        let masquerade = call.config.masquerade()?;
        let ipam = Ipam::required(request)?;
        let (host, sandbox) = (Host::open()?, Sandbox::open(&request.netns)?);
        veth::ensure_name_is_free(&sandbox, &request.ifname)?;

        let ipam = IpamAdd::start(Some(ipam), undo)?;
        let settings = PairSettings {
            mtu: call.config.mtu(),
            ..PairSettings::default()
        };
        let id = AttachmentId::of(request);
        let mut pair = veth::create(&host, &sandbox, &id, settings, undo)?;
        let interfaces = vec![
            host_entry(&pair.host),
            sandbox_entry(&pair.container, request.sandbox()),
        ];
        if ipam.needs_link() {
            let options = addressing::Options::default();
            addressing::bring_up(&sandbox, &mut pair.container, &options)?;
        }
        let addresses = ipam.finish(undo)?.unwrap_or_default();
        let mut result = addresses.with_interfaces(interfaces, CONTAINER);
        let hops = setup::hops(&result)?;
        forwarding::enable(hops.iter().map(|hop| hop.address.address()))?;
        setup::host_end(&host, &pair.host, &hops)?;
        pair.container = setup::container_end(&sandbox, &pair.container, &result, &hops)?;
        if let Some(masquerade) = masquerade {
            masquerade.add(&id, &result, undo)?;
        }
        veth::wait_until_up(&host, &sandbox, &pair)?;
        addressing::wait_until_local(&host, result.ips.iter().filter_map(|ip| ip.gateway))?;
        result.override_dns(&call.request.dns);
        Ok(result)
    }

    fn del(&self, call: &Call<Config>) -> Result<(), Error> {
        let request = &call.request;
        detach(Ipam::of(request), || veth::remove_for(request))
    }

    fn check(&self, call: &Call<Config>) -> Result<(), Error> {
        let masquerade = call.config.masquerade()?;
        Ipam::required(&call.request)?.check()?;
        let recorded = call.required_prev_result()?;
        check_attachment(&call.request, &recorded)?;
        match masquerade {
            Some(masquerade) => Ok(masquerade.check(&AttachmentId::of(&call.request), &recorded)?),
            None => Ok(()),
        }
    }

    fn status(&self, call: &Call<Config>) -> Result<(), Error> {
        if let Some(masquerade) = call.config.masquerade()? {
            masquerade.status()?;
        }
        Ipam::required(&call.request)?.status()
    }

    fn gc(&self, call: &Call<Config>, keep: &Attachments) -> Result<(), Error> {
        let request = &call.request;
        collect(Ipam::of(request), || {
            veth::collect_garbage(&request.network, keep)
        })
    }
}

/// Compares the pair, its addresses and routes with the previous result.
fn check_attachment(request: &Request, recorded: &CniResult) -> Result<(), NetError> {
    let (host, sandbox) = (Host::open()?, Sandbox::open(&request.netns)?);
    let (container, _) = check::container_link(&sandbox, request, recorded, veth::KIND)?;
    check::up(&container, &request.sandbox())?;
    check::addresses(&sandbox, &container, recorded)?;
    check::routes(&sandbox, recorded)?;
    let host_end = check::recorded_peer(&host, &container, recorded)?;
    setup::check_host_end(&host, &host_end, &setup::hops(recorded)?)
}

#[test]
fn the_schema_is_current() {
    ferrule_schema::assert_current::<PtpPlugin>(ferrule_schema::Role::Interface);
}
