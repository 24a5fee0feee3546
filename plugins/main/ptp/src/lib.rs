//! `ptp` connects a container to the host alone, by a veth pair of its own.
//!
//! ADD makes the pair, asks the address plugin meanwhile, and makes each end the other's only
//! neighbour: no bridge, no broadcast domain. DEL removes pair and addresses. The keys are those of
//! [`Config`]; the page `docs/ptp.md` explains them.

mod config;
mod setup;

use cni_types::{Attachments, CniResult, Error};
use ferrule_net::addressing;
use ferrule_net::masquerade::{self, Masquerade};
use ferrule_net::veth::{self, PairSettings};
use ferrule_net::{
    AttachmentId, Host, NetError, Sandbox, check, forwarding, host_entry, link, sandbox_entry,
};
use ferrule_plugin::{Call, Ipam, IpamAdd, Plugin, Undo, collect, detach, join};

pub use config::Config;

/// Where the container's end stands in the result, after the host's end.
const CONTAINER: i64 = 1;

/// The plugin.
pub struct Ptp;

impl Plugin for Ptp {
    type Config = Config;

    const NAME: &'static str = "ptp";

    fn add(&self, call: &Call<Config>, undo: &mut Undo) -> Result<CniResult, Error> {
        let request = &call.request;
        let wish = call.config.masquerade()?;
        let ipam = Ipam::required(request)?;
        let host = Host::open()?;
        let sandbox = Sandbox::open(&request.netns)?;
        veth::ensure_name_is_free(&sandbox, &request.ifname)?;

        let ipam = IpamAdd::start(Some(ipam), undo)?;
        let settings = PairSettings {
            mtu: call.config.mtu(),
            ..PairSettings::default()
        };
        let id = AttachmentId::from(request);
        let pair = veth::create(&host, &sandbox, &id, settings)?;
        undo.push(
            format!("remove host interface {:?}", pair.host.name),
            pair.remover(&host),
        );
        let mut result = ipam.finish(undo)?.unwrap_or_default();
        result.legacy = false;
        result.interfaces = vec![
            host_entry(&pair.host),
            sandbox_entry(&pair.container, request.sandbox()),
        ];
        result.assign_ips(CONTAINER);
        let hops = setup::hops(&result)?;
        forwarding::enable(hops.iter().map(|hop| hop.address.address()))?;
        setup::host_end(&host, &pair.host, &hops)?;
        let container = setup::container_end(&sandbox, &pair.container, &result, &hops)?;
        if let Some(wish) = wish {
            undo.push("remove the masquerading", Masquerade::of(&id).remover());
            wish.add(&id, &result)?;
        }
        veth::wait_until_up(&host, &sandbox, &pair, &container)?;
        addressing::wait_until_local(&host, result.ips.iter().filter_map(|ip| ip.gateway))?;
        result.override_dns(&call.request.dns);
        Ok(result)
    }

    fn del(&self, call: &Call<Config>) -> Result<(), Error> {
        detach(Ipam::of(&call.request), || {
            let id = AttachmentId::from(&call.request);
            join([
                Masquerade::of(&id).remove().map_err(Error::from),
                veth::remove_for(&call.request).map_err(Error::from),
            ])
        })
    }

    fn check(&self, call: &Call<Config>) -> Result<(), Error> {
        let wish = call.config.masquerade()?;
        Ipam::required(&call.request)?.check()?;
        let recorded = call.required_prev_result()?;
        check_attachment(call, &recorded)?;
        match wish {
            Some(wish) => Ok(wish.check(&AttachmentId::from(&call.request), &recorded)?),
            None => Ok(()),
        }
    }

    fn status(&self, call: &Call<Config>) -> Result<(), Error> {
        if let Some(wish) = call.config.masquerade()? {
            wish.status()?;
        }
        Ipam::required(&call.request)?.status()
    }

    fn gc(&self, call: &Call<Config>, keep: &Attachments) -> Result<(), Error> {
        collect(Ipam::of(&call.request), || {
            join([
                masquerade::gc(&call.request.network, keep).map_err(Error::from),
                link::collect_garbage(&call.request.network, keep, veth::KIND).map_err(Error::from),
            ])
        })
    }
}

/// Compares the pair, addresses and routes with the previous result.
fn check_attachment(call: &Call<Config>, recorded: &CniResult) -> Result<(), NetError> {
    let request = &call.request;
    let (host, sandbox) = (Host::open()?, Sandbox::open(&request.netns)?);
    let path = request.sandbox();
    let entry = check::recorded_interface(recorded, &request.ifname, &path)?;
    let inside = check::link(sandbox.link_by_name(&request.ifname)?, entry, &path, "veth")?;
    check::up(&inside, &path)?;
    check::addresses(&sandbox, &inside, recorded)?;
    check::routes(&sandbox, recorded)?;
    let outside = check::recorded_peer(&host, &inside, recorded)?;
    setup::check_host_end(&host, &outside, &setup::hops(recorded)?)
}
