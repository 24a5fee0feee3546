//! `ipvlan` gives a container a link of its own on a network interface, the master: the same wire and
//! MAC address, but its own IP addresses.
//!
//! ADD creates the link in the container while the address plugin runs; chained without one it takes
//! over the addresses of the previous result. DEL removes the link and releases the addresses. The keys
//! are those of [`Config`]; see `docs/ipvlan.md`.

mod config;

use std::process::ExitCode;

use cni_types::Error;
use ferrule_kernel::{DriverSettings, IpVlanMode, Ipvlan, Link};
use ferrule_net::NetError;
use ferrule_net::link::{self, LinkFrame, LinkPlugin, Target};

pub use config::Config;
use config::MODES;

/// The plugin `ipvlan`, to be started in a [`LinkFrame`].
pub struct IpvlanPlugin;

/// The `main` of the executable `ipvlan`.
pub fn main() -> ExitCode {
    ferrule_local_ipam::main(&LinkFrame(IpvlanPlugin))
}

impl LinkPlugin for IpvlanPlugin {
    type Config = Config;

    const NAME: &'static str = "ipvlan";

    fn create(target: &Target<'_>, ipvlan: &Ipvlan) -> Result<Link, Error> {
        link::create(target, |new| ipvlan.create(new))
    }

    /// In the modes l3 and l3s the driver switches ARP off when the link comes up, after which the kernel
    /// configures its IPv6 addresses again, up to a second later.
    fn comes_up_first(ipvlan: &Ipvlan) -> bool {
        ipvlan.mode != IpVlanMode::L2
    }

    fn check(_: &Target<'_>, link: &Link, expected: &Ipvlan) -> Result<(), NetError> {
        match link.settings {
            Some(DriverSettings::Ipvlan(found)) if found.mode != expected.mode => {
                Err(NetError::Mismatch(format!(
                    "interface {:?} has the mode {}, expected {}",
                    link.name,
                    MODES.name(found.mode),
                    MODES.name(expected.mode)
                )))
            }
            _ => Ok(()),
        }
    }
}

#[test]
fn the_schema_is_current() {
    ferrule_schema::assert_current::<ferrule_net::link::LinkFrame<IpvlanPlugin>>(
        ferrule_schema::Role::Interface,
    );
}
