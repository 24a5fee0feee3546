//! `macvlan` gives a container a link of its own on a network interface: same wire, own hardware
//! address.
//!
//! ADD makes the link on the master, directly in the container, and asks the address plugin
//! meanwhile; without one the link is layer 2 alone. DEL removes link and addresses. The keys are
//! those of [`Config`]; the page `docs/macvlan.md` explains them.

mod config;

use cni_types::{Attachments, CniResult, Error};
use ferrule_kernel::{DriverSettings, Link, Macvlan};
use ferrule_net::link::{self, Expected, Settings};
use ferrule_net::parent::{ParentSide, checked_mtu};
use ferrule_net::{NetError, Sandbox};
use ferrule_plugin::{Call, Ipam, Plugin, Undo, attach, collect, detach};

pub use config::Config;
use config::{Plan, mode_name};

/// The plugin.
pub struct MacvlanPlugin;

impl Plugin for MacvlanPlugin {
    type Config = Config;

    const NAME: &'static str = "macvlan";

    fn add(&self, call: &Call<Config>, undo: &mut Undo) -> Result<CniResult, Error> {
        let request = &call.request;
        let plan = Plan::new(&call.config, request)?;
        let sandbox = Sandbox::open(&request.netns)?;
        link::ensure_name_is_free(&sandbox, &request.ifname)?;
        let side = ParentSide::open(plan.in_container, &sandbox)?;
        let parent = side.find(plan.master)?;
        let settings = Settings {
            parent: Some(parent.index),
            mtu: checked_mtu(plan.mtu, &parent)?,
            mac: plan.mac,
        };

        let create = |undo: &mut Undo| {
            let link = link::create(&side, &sandbox, &request.into(), settings, |new| {
                plan.macvlan.create(new)
            })?;
            undo.push("remove the interface", link::remover(&link, &sandbox));
            Ok(link)
        };
        let (link, addresses) = attach(Ipam::of(request).as_ref(), undo, create, |link| {
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
        detach(Ipam::of(request), || {
            link::remove_for(request, Macvlan::KIND)
        })
    }

    fn check(&self, call: &Call<Config>) -> Result<(), Error> {
        let request = &call.request;
        let plan = Plan::new(&call.config, request)?;
        if let Some(ipam) = Ipam::of(request) {
            ipam.check()?;
        }
        let recorded = call.required_prev_result()?;
        let sandbox = Sandbox::open(&request.netns)?;
        let side = ParentSide::open(plan.in_container, &sandbox)?;
        // The default route may have moved since ADD: only a configured master must be the one.
        let parent = plan.master.map(|name| side.find(Some(name))).transpose()?;
        let expected = Expected {
            kind: Macvlan::KIND,
            mtu: u32::try_from(plan.mtu).ok().filter(|mtu| *mtu > 0),
            parent: parent.as_ref().map(|parent| (&side, parent)),
        };
        Ok(link::check(
            &sandbox,
            request,
            &recorded,
            &expected,
            |link| check_settings(link, plan.macvlan),
        )?)
    }

    fn status(&self, call: &Call<Config>) -> Result<(), Error> {
        let request = &call.request;
        let plan = Plan::new(&call.config, request)?;
        link::ensure_driver(Macvlan::KIND)?;
        link::ensure_master(plan.in_container, plan.master, plan.mtu)?;
        Ipam::of(request).map_or(Ok(()), |ipam| ipam.status())
    }

    fn gc(&self, call: &Call<Config>, keep: &Attachments) -> Result<(), Error> {
        let request = &call.request;
        collect(Ipam::of(request), || {
            link::collect_garbage(&request.network, keep, Macvlan::KIND)
        })
    }
}

/// Whether mode and queue are as configured.
fn check_settings(link: &Link, expected: Macvlan) -> Result<(), NetError> {
    let Some(DriverSettings::Macvlan(found)) = link.settings else {
        return Ok(());
    };
    if found.mode != expected.mode {
        return Err(NetError::Differs(format!(
            "interface {:?} has the mode {}, expected {}",
            link.name,
            mode_name(found.mode),
            mode_name(expected.mode)
        )));
    }
    let queues = found.broadcast_queue.zip(expected.broadcast_queue);
    if let Some((found, expected)) = queues.filter(|(found, expected)| found != expected) {
        return Err(NetError::Differs(format!(
            "interface {:?} has the broadcast queue length {found}, expected bcqueuelen {expected}",
            link.name
        )));
    }
    Ok(())
}
