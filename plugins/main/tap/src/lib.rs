//! `tap` creates a tap link in the container: an Ethernet interface whose peer is a process, usually a
//! virtual machine.
//!
//! ADD creates it for its owner and, if configured, as a port of a bridge in the container; addresses
//! are optional. It stays when no process is attached, until DEL or the end of the namespace. The keys
//! are those of [`Config`]; see `docs/tap.md`.

mod config;
mod setup;

use std::process::ExitCode;

use cni_types::Error;
use ferrule_kernel::{Link, tap};
use ferrule_net::NetError;
use ferrule_net::link::{LinkFrame, LinkPlugin, Target, unavailable};

pub use config::{Config, Settings};

/// The plugin `tap`, to be started in a [`LinkFrame`].
pub struct TapPlugin;

/// The `main` of the executable `tap`.
pub fn main() -> ExitCode {
    ferrule_local_ipam::main(&LinkFrame(TapPlugin))
}

impl LinkPlugin for TapPlugin {
    type Config = Config;

    const NAME: &'static str = "tap";
    const KIND: &'static str = "tun";

    fn create(target: &Target<'_>, settings: &Settings) -> Result<Link, Error> {
        setup::create(target, settings)
    }

    fn check(target: &Target<'_>, link: &Link, settings: &Settings) -> Result<(), NetError> {
        setup::check(target, link, settings)
    }

    fn ensure_available() -> Result<(), Error> {
        tap::is_available().map_err(|error| unavailable(setup::refused(error)))
    }
}

#[test]
fn the_schema_is_current() {
    ferrule_schema::assert_current::<ferrule_net::link::LinkFrame<TapPlugin>>(
        ferrule_schema::Role::Interface,
    );
}
