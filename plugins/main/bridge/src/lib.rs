//! `bridge` connects containers to a bridge device on the host, by one veth pair each.
//!
//! ADD makes the bridge if need be, makes the pair with the host's end as a port, asks the address
//! plugin meanwhile, puts addresses and routes on the container's end and, with `isGateway`, the
//! gateway's address on the bridge. DEL removes pair and addresses; the bridge stays. The keys are
//! those of [`config::Config`]; the page `docs/bridge.md` explains them.

mod check;
mod config;
mod device;
mod gateway;
mod port;
mod vlan;
mod vlan_device;

use cni_types::{Attachments, CniResult, Code, Error, Request};
use ferrule_kernel::Link;
use ferrule_net::addressing::{self, Options};
use ferrule_net::masquerade::{self, Masquerade};
use ferrule_net::spoofcheck::{self, SpoofCheck};
use ferrule_net::veth::{self, Pair, PairSettings};
use ferrule_net::{AttachmentId, Host, NetError, Sandbox, host_entry, link, sandbox_entry};
use ferrule_plugin::{Call, Ipam, IpamAdd, Plugin, Undo, collect, detach, join};

pub use config::Config;
use config::Plan;

/// Where the container's end stands in the result, after the bridge and the host's end.
const CONTAINER: i64 = 2;

/// The plugin.
pub struct BridgePlugin;

impl Plugin for BridgePlugin {
    type Config = Config;

    const NAME: &'static str = "bridge";

    fn add(&self, call: &Call<Config>, undo: &mut Undo) -> Result<CniResult, Error> {
        let request = &call.request;
        let plan = Plan::new(&call.config, request)?;
        let host = Host::open()?;
        let sandbox = Sandbox::open(&request.netns)?;
        let ipam = Ipam::of(request);
        if ipam.is_none() {
            // Old versions have no form of a result without addresses: told before any change.
            CniResult::default().to_json(request.version)?;
        }
        veth::ensure_name_is_free(&sandbox, &request.ifname)?;
        let ipam = IpamAdd::start(ipam, undo)?;

        let id = AttachmentId::from(request);
        let bridge = device::ensure(&host, &plan)?;
        let mut pair = make_pair(&host, &sandbox, &bridge, &plan, &id, undo)?;
        port::configure(&host, pair.host.index, &plan)?;
        if plan.spoof_check {
            check_source(&pair, &id, undo)?;
        }
        let options = Options {
            detect_duplicates: plan.detect_duplicates,
            link_local_too: true,
            ..Options::default()
        };
        if ipam.has_ipam() {
            addressing::bring_up(&sandbox, &mut pair.container, &options)?;
        } else if plan.container_up {
            link::set_up(&sandbox, &pair.container)?;
        }

        let mut result = CniResult {
            interfaces: vec![
                // The first port gives a bridge its hardware address, unless that has been set.
                host_entry(pair.master.as_ref().unwrap_or(&bridge)),
                host_entry(&pair.host),
                sandbox_entry(&pair.container, request.sandbox()),
            ],
            ..CniResult::default()
        };
        let container = if let Some(addresses) = ipam.finish(undo)? {
            take_addresses(&mut result, addresses, &plan);
            gateway::ensure(&host, &bridge, &plan, &mut result)?;
            let link = addressing::configure(&sandbox, &pair.container, &result, &options)?;
            if let Some(wish) = plan.masquerade {
                undo.push("remove the masquerading", Masquerade::of(&id).remover());
                wish.add(&id, &result)?;
            }
            link
        } else {
            pair.container.clone()
        };
        if plan.container_up {
            veth::wait_until_up(&host, &sandbox, &pair, &container)?;
            addressing::announce_addresses(&sandbox, &container);
        }
        result.override_dns(&call.request.dns);
        Ok(result)
    }

    fn del(&self, call: &Call<Config>) -> Result<(), Error> {
        detach(Ipam::of(&call.request), || remove(&call.request))
    }

    fn check(&self, call: &Call<Config>) -> Result<(), Error> {
        let plan = Plan::new(&call.config, &call.request)?;
        if let Some(ipam) = Ipam::of(&call.request) {
            ipam.check()?;
        }
        check::attachment(&call.request, &plan, &call.required_prev_result()?)
    }

    fn status(&self, call: &Call<Config>) -> Result<(), Error> {
        let plan = Plan::new(&call.config, &call.request)?;
        device::find(&Host::open()?, &plan.bridge).map_err(|error| Error {
            code: Code::NotAvailable as u32,
            ..Error::from(error)
        })?;
        if let Some(wish) = plan.masquerade {
            wish.status()?;
        }
        Ipam::of(&call.request).map_or(Ok(()), |ipam| ipam.status())
    }

    fn gc(&self, call: &Call<Config>, keep: &Attachments) -> Result<(), Error> {
        let network = &call.request.network;
        collect(Ipam::of(&call.request), || {
            join([
                masquerade::gc(network, keep).map_err(Error::from),
                spoofcheck::gc(network, keep).map_err(Error::from),
                link::collect_garbage(network, keep, veth::KIND).map_err(Error::from),
            ])
        })
    }
}

/// Removes all there may be of the attachment but its addresses, whatever the configuration says
/// now: it may have been another one when ADD ran.
fn remove(request: &Request) -> Result<(), Error> {
    let id = AttachmentId::from(request);
    join([
        Masquerade::of(&id).remove().map_err(Error::from),
        SpoofCheck::of(&id).remove().map_err(Error::from),
        veth::remove_for(request).map_err(Error::from),
    ])
}

/// Lets the container send frames from its own hardware address alone.
fn check_source(pair: &Pair, id: &AttachmentId, undo: &mut Undo) -> Result<(), NetError> {
    let Some(mac) = pair.container.mac else {
        return Ok(());
    };
    let check = SpoofCheck::of(id);
    let made = check.clone();
    undo.push("remove the MAC address check", move || Ok(made.remove()?));
    check.add(&pair.host.name, mac)
}

fn make_pair(
    host: &Host,
    sandbox: &Sandbox,
    bridge: &Link,
    plan: &Plan,
    id: &AttachmentId,
    undo: &mut Undo,
) -> Result<Pair, NetError> {
    let settings = PairSettings {
        mtu: plan.mtu,
        mac: plan.mac,
        master: Some(bridge.index),
    };
    let pair = veth::create(host, sandbox, id, settings)?;
    undo.push(
        format!("remove host interface {:?}", pair.host.name),
        pair.remover(host),
    );
    Ok(pair)
}

/// Takes over what the address plugin answered, all of it for the container's end.
fn take_addresses(result: &mut CniResult, addresses: CniResult, plan: &Plan) {
    result.ips = addresses.ips;
    result.routes = addresses.routes;
    result.dns = addresses.dns;
    result.assign_ips(CONTAINER);
    gateway::plan_routes(result, plan);
}
