//! `macvlan` gives a container a link of its own on a network interface, the master: the same wire, but
//! its own MAC address.
//!
//! ADD creates the link in the container while the address plugin runs; without one the link has no
//! addresses. DEL removes the link and releases the addresses. The keys are those of [`Config`]; see
//! `docs/macvlan.md`.

mod config;

use std::process::ExitCode;

use cni_types::Error;
use ferrule_kernel::{DriverSettings, Link, Macvlan};
use ferrule_net::NetError;
use ferrule_net::link::{self, LinkFrame, LinkPlugin, Target};

pub use config::Config;
use config::MODES;

/// The plugin `macvlan`, to be started in a [`LinkFrame`].
pub struct MacvlanPlugin;

/// The `main` of the executable `macvlan`.
pub fn main() -> ExitCode {
    ferrule_local_ipam::main(&LinkFrame(MacvlanPlugin))
}

impl LinkPlugin for MacvlanPlugin {
    type Config = Config;

    const NAME: &'static str = "macvlan";

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
            let (found, expected) = (MODES.name(found.mode), MODES.name(expected.mode));
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

#[test]
fn the_schema_is_current() {
    ferrule_schema::assert_current::<ferrule_net::link::LinkFrame<MacvlanPlugin>>(
        ferrule_schema::Role::Interface,
    );
}
