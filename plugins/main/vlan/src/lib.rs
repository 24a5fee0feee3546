//! `vlan` gives a container a link of its own in a VLAN of a network interface.
//!
//! ADD makes the link on the master, directly in the container, and asks the address plugin
//! meanwhile. DEL removes link and addresses. The keys are those of [`Config`]; the page
//! `docs/vlan.md` explains them.

mod config;

use cni_types::{Attachments, CniResult, Error};
use ferrule_kernel::{DriverSettings, Link, Vlan};
use ferrule_net::link::{self, Expected, Settings};
use ferrule_net::parent::{ParentSide, checked_mtu};
use ferrule_net::{NetError, Sandbox};
use ferrule_plugin::{Call, Ipam, Plugin, Undo, attach, collect, detach};

pub use config::Config;
use config::Plan;

/// The plugin.
pub struct VlanPlugin;

impl Plugin for VlanPlugin {
    type Config = Config;

    const NAME: &'static str = "vlan";

    fn add(&self, call: &Call<Config>, undo: &mut Undo) -> Result<CniResult, Error> {
        let request = &call.request;
        let plan = Plan::new(&call.config)?;
        let ipam = Ipam::required(request)?;
        let sandbox = Sandbox::open(&request.netns)?;
        link::ensure_name_is_free(&sandbox, &request.ifname)?;
        let side = ParentSide::open(plan.in_container, &sandbox)?;
        let parent = side.find(Some(plan.master))?;
        ensure_up(&parent)?;
        let settings = Settings {
            parent: Some(parent.index),
            mtu: checked_mtu(plan.mtu, &parent)?,
            mac: None,
        };

        let create = |undo: &mut Undo| {
            let link = link::create(&side, &sandbox, &request.into(), settings, |new| {
                plan.vlan.create(new)
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
        detach(Ipam::of(request), || link::remove_for(request, Vlan::KIND))
    }

    fn check(&self, call: &Call<Config>) -> Result<(), Error> {
        let request = &call.request;
        let plan = Plan::new(&call.config)?;
        Ipam::required(request)?.check()?;
        let recorded = call.required_prev_result()?;
        let sandbox = Sandbox::open(&request.netns)?;
        let side = ParentSide::open(plan.in_container, &sandbox)?;
        let parent = side.find(Some(plan.master))?;
        let expected = Expected {
            kind: Vlan::KIND,
            mtu: u32::try_from(plan.mtu).ok().filter(|mtu| *mtu > 0),
            parent: Some((&side, &parent)),
        };
        Ok(link::check(
            &sandbox,
            request,
            &recorded,
            &expected,
            |link| check_id(link, plan.vlan.id),
        )?)
    }

    fn status(&self, call: &Call<Config>) -> Result<(), Error> {
        let plan = Plan::new(&call.config)?;
        let ipam = Ipam::required(&call.request)?;
        link::ensure_driver(Vlan::KIND)?;
        if let Some(parent) = link::ensure_master(plan.in_container, Some(plan.master), plan.mtu)? {
            ensure_up(&parent).map_err(link::unavailable)?;
        }
        ipam.status()
    }

    fn gc(&self, call: &Call<Config>, keep: &Attachments) -> Result<(), Error> {
        let request = &call.request;
        collect(Ipam::of(request), || {
            link::collect_garbage(&request.network, keep, Vlan::KIND)
        })
    }
}

/// A VLAN link cannot be switched on while its master is off.
fn ensure_up(parent: &Link) -> Result<(), Error> {
    if parent.up {
        return Ok(());
    }
    let name = &parent.name;
    Err(Error::internal(format_args!(
        "master {name:?} is down, so no VLAN of it can be up"
    ))
    .details(format!("switch it on: ip link set {name} up")))
}

/// Whether the VLAN is the configured one.
fn check_id(link: &Link, expected: u16) -> Result<(), NetError> {
    match link.settings {
        Some(DriverSettings::Vlan(found)) if found.id != expected => {
            Err(NetError::Differs(format!(
                "interface {:?} is in VLAN {}, expected vlanId {expected}",
                link.name, found.id
            )))
        }
        _ => Ok(()),
    }
}
