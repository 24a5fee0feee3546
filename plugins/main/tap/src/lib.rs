//! `tap` makes a tap link in the container: an Ethernet interface whose far end is a process, as a
//! virtual machine is one.
//!
//! ADD makes it under its final name, for its owner, and if wanted as a port of a bridge that is in
//! the container; addresses are optional. It stays when no process is attached and goes with DEL or
//! with the container's namespace. The keys are those of [`Config`]; the page `docs/tap.md` explains
//! them.

mod config;
mod setup;

use cni_types::Error;
use ferrule_kernel::{Link, tap};
use ferrule_net::NetError;
use ferrule_net::link::{Addresses, LinkPlugin, LinkSpec, Target, unavailable};
use ferrule_plugin::Call;

pub use config::Config;
pub use config::Settings;

/// What only tap does.
pub struct TapPlugin;

impl LinkPlugin for TapPlugin {
    type Config = Config;
    type Settings = Settings;

    const NAME: &'static str = "tap";
    const KIND: &'static str = "tun";

    fn spec(call: &Call<Config>) -> Result<LinkSpec<'_, Settings>, Error> {
        Ok(LinkSpec {
            master: None,
            // Settings of its own: the Go plugin's links do not always have them.
            mtu: 0,
            mac: None,
            addresses: Addresses::Optional,
            settings: Settings::new(&call.config, &call.request)?,
        })
    }

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
