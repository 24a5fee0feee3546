//! `bridge` connects containers to a bridge on the host, each by a veth pair.
//!
//! ADD creates the bridge if it is missing, creates the pair with the host end as a port of the
//! bridge, calls the address plugin, adds addresses and routes to the container end and, with
//! `isGateway`, the gateway's address to the bridge. DEL removes the pair and releases the addresses;
//! the bridge stays. The keys are those of [`Config`]; see `docs/bridge.md`.

mod check;
mod config;
mod device;
mod gateway;
mod port;
mod status;
mod vlan;
mod vlan_device;

use std::process::ExitCode;

use cni_types::{Attachments, CniResult, Error, Interface};
use ferrule_kernel::Link;
use ferrule_net::addressing::{self, Options};
use ferrule_net::link::{self, unavailable};
use ferrule_net::spoofcheck::{self, SpoofCheck};
use ferrule_net::veth::{self, Pair};
use ferrule_net::{AttachmentId, Host, Sandbox, host_entry, sandbox_entry};
use ferrule_plugin::{Call, Ipam, IpamAdd, Plugin, Undo, collect, detach};

pub use config::Config;
use config::Plan;

/// Position of the container end in the interfaces of the result, after the bridge and the host end.
const CONTAINER: i64 = 2;

/// The plugin `bridge`.
pub struct BridgePlugin;

/// The `main` of the executable `bridge`.
pub fn main() -> ExitCode {
    ferrule_local_ipam::main(&BridgePlugin)
}

impl Plugin for BridgePlugin {
    type Config = Config;

    const NAME: &'static str = "bridge";

    fn add(&self, call: &Call<Config>, undo: &mut Undo) -> Result<CniResult, Error> {
        let request = &call.request;
        let plan = Plan::new(&call.config, request)?;
        let ipam = Ipam::of(request);
        if ipam.is_none() {
            // Old versions have no form of a result without addresses: fail before any change.
            CniResult::default().to_json(request.version)?;
        }
        let (host, sandbox) = (Host::open()?, Sandbox::open(&request.netns)?);
        veth::ensure_name_is_free(&sandbox, &request.ifname)?;

        let ipam = IpamAdd::start(ipam, undo)?;
        let id = AttachmentId::of(request);
        let bridge = device::ensure(&host, &plan)?;
        let mut pair = port::create(&host, &sandbox, &id, &bridge, &plan, undo)?;
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

        let addresses = ipam.finish(undo)?;
        let has_addresses = addresses.is_some();
        let interfaces = interfaces(&pair, &bridge, request.sandbox());
        let mut result = addresses
            .unwrap_or_default()
            .with_interfaces(interfaces, CONTAINER);
        if has_addresses {
            gateway::plan_routes(&mut result, &plan);
            gateway::ensure(&host, &bridge, &plan, &mut result)?;
            pair.container = addressing::configure(&sandbox, &pair.container, &result, &options)?;
            if let Some(masquerade) = plan.masquerade {
                masquerade.add(&id, &result, undo)?;
            }
        }
        if plan.container_up {
            veth::wait_until_up(&host, &sandbox, &pair)?;
            addressing::announce_addresses(&sandbox, &pair.container);
        }
        result.override_dns(&call.request.dns);
        Ok(result)
    }

    fn del(&self, call: &Call<Config>) -> Result<(), Error> {
        let request = &call.request;
        detach(Ipam::of(request), || {
            let spoof_check = SpoofCheck::of(&AttachmentId::of(request));
            Error::join([
                spoof_check.remove().map_err(Error::from),
                veth::remove_for(request),
            ])
        })
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
        let host = Host::open()?;
        device::find(&host, &plan.bridge).map_err(unavailable)?;
        status::ensure_gateway_fits(&host, &plan, &call.request)?;
        if let Some(masquerade) = plan.masquerade {
            masquerade.status()?;
        }
        Ipam::of(&call.request).map_or(Ok(()), |ipam| ipam.status())
    }

    fn gc(&self, call: &Call<Config>, keep: &Attachments) -> Result<(), Error> {
        let network = &call.request.network;
        collect(Ipam::of(&call.request), || {
            Error::join([
                spoofcheck::gc(network, keep).map_err(Error::from),
                veth::collect_garbage(network, keep),
            ])
        })
    }
}

/// The interfaces of the result. The MAC address of a bridge may have changed with its new port,
/// unless it is set by hand.
fn interfaces(pair: &Pair, bridge: &Link, sandbox: String) -> Vec<Interface> {
    vec![
        host_entry(pair.master.as_ref().unwrap_or(bridge)),
        host_entry(&pair.host),
        sandbox_entry(&pair.container, sandbox),
    ]
}

#[test]
fn the_schema_is_current() {
    ferrule_schema::assert_current::<BridgePlugin>(ferrule_schema::Role::Interface);
}
