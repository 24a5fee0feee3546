//! `macvlan` gives a container a link of its own on a network interface: same wire, own hardware
//! address.
//!
//! ADD makes the link on the master, directly in the container, and asks the address plugin
//! meanwhile; without one the link is layer 2 alone. DEL removes link and addresses. The keys are
//! those of [`Config`]; the page `docs/macvlan.md` explains them.

mod config;

use cni_types::Error;
use ferrule_kernel::{DriverSettings, Link, Macvlan};
use ferrule_net::NetError;
use ferrule_net::link::{self, LinkPlugin, LinkSpec, Target};
use ferrule_plugin::Call;

pub use config::Config;
use config::mode_name;

/// What only macvlan does.
pub struct MacvlanPlugin;

impl LinkPlugin for MacvlanPlugin {
    type Config = Config;
    type Settings = Macvlan;

    const NAME: &'static str = "macvlan";
    const KIND: &'static str = Macvlan::KIND;

    fn spec(call: &Call<Config>) -> Result<LinkSpec<'_, Macvlan>, Error> {
        call.config.spec(&call.request)
    }

    fn create(target: &Target<'_>, macvlan: &Macvlan) -> Result<Link, Error> {
        link::create(target, |new| macvlan.create(new))
    }

    fn check(_: &Target<'_>, link: &Link, expected: &Macvlan) -> Result<(), NetError> {
        let Some(DriverSettings::Macvlan(found)) = link.settings else {
            return Ok(());
        };
        let differs = |what| {
            Err(NetError::Mismatch(format!(
                "interface {:?} has {what}",
                link.name
            )))
        };
        if found.mode != expected.mode {
            let (found, expected) = (mode_name(found.mode), mode_name(expected.mode));
            return differs(format!("the mode {found}, expected {expected}"));
        }
        let queues = found.broadcast_queue.zip(expected.broadcast_queue);
        match queues.filter(|(found, expected)| found != expected) {
            Some((found, expected)) => differs(format!(
                "the broadcast queue length {found}, expected bcqueuelen {expected}"
            )),
            None => Ok(()),
        }
    }
}
