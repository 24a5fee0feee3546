//! `loopback` brings up `lo` in the container.
//!
//! It has no keys of its own. ADD brings `lo` up and returns its addresses, or the previous result
//! when chained. DEL brings it down, CHECK fails if it is down. The interface is always `lo`, also if
//! `CNI_IFNAME` has another name. Nothing is created on the host, so GC has nothing to remove.

use std::process::ExitCode;

use cni_types::{Attachments, CniResult, Error, IpConfig};
use ferrule_kernel::{Address, Family, Link, LinkChange};
use ferrule_net::{NetError, Sandbox, check, link, sandbox_entry};
use ferrule_plugin::{Call, Plugin, Undo};
use serde::Deserialize;

/// The name the kernel gives the loopback interface of every namespace.
const LOOPBACK: &str = "lo";

/// The plugin `loopback`.
pub struct LoopbackPlugin;

/// The `main` of the executable `loopback`.
pub fn main() -> ExitCode {
    ferrule_plugin::main(&LoopbackPlugin)
}

/// No keys beyond those every plugin has.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Config {}

impl Plugin for LoopbackPlugin {
    type Config = Config;

    const NAME: &'static str = "loopback";

    fn add(&self, call: &Call<Config>, undo: &mut Undo) -> Result<CniResult, Error> {
        let prev_result = call.request.prev_result()?;
        let sandbox = Sandbox::open(&call.request.netns)?;
        let link = sandbox.link(LOOPBACK)?;
        if !link.up {
            let (netns, index) = (sandbox.clone(), link.index);
            undo.push("bring lo down again", move || Ok(set_down(&netns, index)?));
            link::set_up(&sandbox, &link)?;
        }
        let ips = addresses(&sandbox, &link)?;
        Ok(prev_result.unwrap_or_else(|| CniResult {
            interfaces: vec![sandbox_entry(&link, call.request.sandbox())],
            ips,
            ..CniResult::default()
        }))
    }

    fn del(&self, call: &Call<Config>) -> Result<(), Error> {
        let Some(sandbox) = Sandbox::open_if_there(&call.request.netns)? else {
            return Ok(());
        };
        let link = sandbox.link(LOOPBACK)?;
        Ok(set_down(&sandbox, link.index)?)
    }

    fn check(&self, call: &Call<Config>) -> Result<(), Error> {
        let link = Sandbox::open(&call.request.netns)?.link(LOOPBACK)?;
        Ok(check::up(&link, &call.request.sandbox())?)
    }

    fn status(&self, _: &Call<Config>) -> Result<(), Error> {
        Ok(())
    }

    fn gc(&self, _: &Call<Config>, _: &Attachments) -> Result<(), Error> {
        Ok(())
    }
}

fn set_down(sandbox: &Sandbox, index: u32) -> Result<(), NetError> {
    Ok(sandbox.execute(LinkChange::new(index).down().message())?)
}

/// The first address of each family, for the result. An address that is not a loopback address is an
/// error.
fn addresses(sandbox: &Sandbox, link: &Link) -> Result<Vec<IpConfig>, NetError> {
    let mut ips = Vec::new();
    for family in [Family::V4, Family::V6] {
        let found = sandbox.addresses(link.index, Some(family))?;
        if let Some(other) = found.iter().find(|found| !found.address.ip().is_loopback()) {
            return Err(NetError::Mismatch(format!(
                "interface \"lo\" has the address {}, which is no loopback address",
                other.address
            )));
        }
        let ip = |found: &Address| IpConfig {
            interface: Some(0),
            address: found.address.into(),
            gateway: None,
        };
        ips.extend(found.first().map(ip));
    }
    Ok(ips)
}

#[test]
fn the_schema_is_current() {
    ferrule_schema::assert_current::<LoopbackPlugin>(ferrule_schema::Role::Loopback);
}
