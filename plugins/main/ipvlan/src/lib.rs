//! `ipvlan` gives a container a link of its own on a network interface: same wire and hardware
//! address, own IP addresses.
//!
//! ADD makes the link on the master, directly in the container, and asks the address plugin
//! meanwhile; chained without one it takes over the previous plugin's addresses. DEL removes link
//! and addresses. The keys are those of [`Config`]; the page `docs/ipvlan.md` explains them.

mod config;

use cni_types::{Attachments, CniResult, Error};
use ferrule_kernel::{DriverSettings, Ipvlan, IpvlanMode, Link};
use ferrule_net::link::{self, Expected, Settings};
use ferrule_net::parent::{ParentSide, checked_mtu};
use ferrule_net::{NetError, Sandbox};
use ferrule_plugin::{Call, Ipam, Plugin, Undo, attach, collect, detach};

pub use config::Config;
use config::{Plan, mode_name};

/// The plugin.
pub struct IpvlanPlugin;

impl Plugin for IpvlanPlugin {
    type Config = Config;

    const NAME: &'static str = "ipvlan";

    fn add(&self, call: &Call<Config>, undo: &mut Undo) -> Result<CniResult, Error> {
        let request = &call.request;
        let plan = Plan::new(&call.config)?;
        let previous = request.prev_result()?;
        let has_addresses = previous
            .as_ref()
            .is_some_and(|result| !result.ips.is_empty());
        let ipam = match Ipam::of(request) {
            None if has_addresses => None,
            _ => Some(Ipam::required(request)?),
        };
        let sandbox = Sandbox::open(&request.netns)?;
        link::ensure_name_is_free(&sandbox, &request.ifname)?;
        let side = ParentSide::open(plan.in_container, &sandbox)?;
        let parent = side.find(plan.master_name(request, previous.as_ref())?)?;
        let settings = Settings {
            parent: Some(parent.index),
            mtu: checked_mtu(plan.mtu, &parent)?,
            mac: None,
        };

        let create = |undo: &mut Undo| {
            let link = link::create(&side, &sandbox, &request.into(), settings, |new| {
                plan.ipvlan.create(new)
            })?;
            undo.push("remove the interface", link::remover(&link, &sandbox));
            Ok(link)
        };
        let (link, addresses) = attach(ipam.as_ref(), undo, create, |link| {
            Ok(link::switch_on(&sandbox, link)?)
        })?;
        if plan.ipvlan.mode != IpvlanMode::L2 {
            // Such a link gives up ARP when it is switched on, and then the kernel sets up its IPv6
            // addresses anew, at some time within a second.
            link::switch_on(&sandbox, &link)?;
        }
        let mut result = link::finish(&sandbox, &link, request, addresses.or(previous))?;
        if call.config.dns.is_set() {
            result.dns = call.config.dns.clone();
        }
        Ok(result)
    }

    fn del(&self, call: &Call<Config>) -> Result<(), Error> {
        let request = &call.request;
        detach(Ipam::of(request), || {
            link::remove_for(request, Ipvlan::KIND)
        })
    }

    fn check(&self, call: &Call<Config>) -> Result<(), Error> {
        let request = &call.request;
        let plan = Plan::new(&call.config)?;
        if let Some(ipam) = Ipam::of(request) {
            ipam.check()?;
        }
        let recorded = call.required_prev_result()?;
        let sandbox = Sandbox::open(&request.netns)?;
        let side = ParentSide::open(plan.in_container, &sandbox)?;
        // The previous result is now this plugin's own, and the default route may have moved since
        // ADD: only a configured master must be the one.
        let parent = plan.master.map(|name| side.find(Some(name))).transpose()?;
        let expected = Expected {
            kind: Ipvlan::KIND,
            mtu: u32::try_from(plan.mtu).ok().filter(|mtu| *mtu > 0),
            parent: parent.as_ref().map(|parent| (&side, parent)),
        };
        Ok(link::check(
            &sandbox,
            request,
            &recorded,
            &expected,
            |link| check_mode(link, plan.ipvlan.mode),
        )?)
    }

    fn status(&self, call: &Call<Config>) -> Result<(), Error> {
        let request = &call.request;
        let plan = Plan::new(&call.config)?;
        link::ensure_driver(Ipvlan::KIND)?;
        // Without the key, a plugin before this one may name the master.
        if plan.master.is_some() {
            link::ensure_master(plan.in_container, plan.master, plan.mtu)?;
        }
        Ipam::of(request).map_or(Ok(()), |ipam| ipam.status())
    }

    fn gc(&self, call: &Call<Config>, keep: &Attachments) -> Result<(), Error> {
        let request = &call.request;
        collect(Ipam::of(request), || {
            link::collect_garbage(&request.network, keep, Ipvlan::KIND)
        })
    }
}

/// Whether the mode is as configured.
fn check_mode(link: &Link, expected: IpvlanMode) -> Result<(), NetError> {
    match link.settings {
        Some(DriverSettings::Ipvlan(found)) if found.mode != expected => {
            Err(NetError::Differs(format!(
                "interface {:?} has the mode {}, expected {}",
                link.name,
                mode_name(found.mode),
                mode_name(expected)
            )))
        }
        _ => Ok(()),
    }
}
