//! `loopback` brings up `lo` in the container.
//!
//! It takes no keys of its own. ADD switches `lo` on and answers with its addresses, or passes on
//! the previous result when chained. DEL switches it off, CHECK fails if it is off. The interface is
//! `lo` whatever `CNI_IFNAME` says. Nothing is left on the host, so GC has nothing to collect.

use cni_types::{Attachments, CniResult, Error, Interface, IpConfig};
use ferrule_kernel::{Address, Family, Link, LinkChange};
use ferrule_net::{NetError, Sandbox, check};
use ferrule_plugin::{Call, Plugin, Undo};
use serde::Deserialize;

/// The name the kernel gives the loopback interface of every namespace.
const LOOPBACK: &str = "lo";

/// The plugin.
pub struct Loopback;

/// No keys beyond those every plugin has.
#[derive(Debug, Deserialize)]
pub struct Config {}

impl Plugin for Loopback {
    type Config = Config;

    const NAME: &'static str = "loopback";

    fn add(&self, call: &Call<Config>, undo: &mut Undo) -> Result<CniResult, Error> {
        let prev_result = call.request.prev_result()?;
        let sandbox = Sandbox::open(&call.request.netns)?;
        let link = sandbox.link(LOOPBACK)?;
        if !link.up {
            let (inside, index) = (sandbox.clone(), link.index);
            undo.push("switch lo off again", move || {
                Ok(switch(&inside, index, false)?)
            });
            switch(&sandbox, link.index, true)?;
        }
        let ips = addresses(&sandbox, &link)?;
        Ok(prev_result.unwrap_or_else(|| CniResult {
            interfaces: vec![Interface {
                name: LOOPBACK.to_owned(),
                mac: link.mac.map(|mac| mac.to_string()).unwrap_or_default(),
                sandbox: call.request.sandbox(),
                ..Interface::default()
            }],
            ips,
            ..CniResult::default()
        }))
    }

    fn del(&self, call: &Call<Config>) -> Result<(), Error> {
        let Some(sandbox) = Sandbox::open_if_there(&call.request.netns)? else {
            return Ok(());
        };
        let link = sandbox.link(LOOPBACK)?;
        Ok(switch(&sandbox, link.index, false)?)
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

fn switch(sandbox: &Sandbox, index: u32, on: bool) -> Result<(), NetError> {
    let change = LinkChange::new(index);
    let change = if on { change.up() } else { change.down() };
    Ok(sandbox.execute(change.message())?)
}

/// The first address of each family, as a result has them. An address that is no loopback address
/// does not belong on `lo`.
fn addresses(sandbox: &Sandbox, link: &Link) -> Result<Vec<IpConfig>, NetError> {
    let mut ips = Vec::new();
    for family in [Family::V4, Family::V6] {
        let found = sandbox.addresses(link.index, Some(family))?;
        if let Some(foreign) = found.iter().find(|found| !found.address.ip().is_loopback()) {
            return Err(NetError::Mismatch(format!(
                "interface \"lo\" has the address {}, which is no loopback address",
                foreign.address
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
