//! `vlan` gives a container a link of its own in a VLAN of a network interface, the master.
//!
//! ADD creates the link in the container while the address plugin runs. DEL removes the link and
//! releases the addresses. The keys are those of [`Config`]; see `docs/vlan.md`.

mod config;

use std::process::ExitCode;

use cni_types::Error;
use ferrule_kernel::{DriverSettings, Link, Vlan};
use ferrule_net::NetError;
use ferrule_net::link::{self, LinkFrame, LinkPlugin, Target};

pub use config::Config;

/// The plugin `vlan`, to be started in a [`LinkFrame`].
pub struct VlanPlugin;

/// The `main` of the executable `vlan`.
pub fn main() -> ExitCode {
    ferrule_local_ipam::main(&LinkFrame(VlanPlugin))
}

impl LinkPlugin for VlanPlugin {
    type Config = Config;

    const NAME: &'static str = "vlan";

    fn create(target: &Target<'_>, vlan: &Vlan) -> Result<Link, Error> {
        link::create(target, |new| vlan.create(new))
    }

    fn check(_: &Target<'_>, link: &Link, expected: &Vlan) -> Result<(), NetError> {
        match link.settings {
            Some(DriverSettings::Vlan(found)) if found.id != expected.id => {
                Err(NetError::Mismatch(format!(
                    "interface {:?} is in VLAN {}, expected vlanId {}",
                    link.name, found.id, expected.id
                )))
            }
            _ => Ok(()),
        }
    }

    /// A VLAN link cannot come up while its master is down.
    fn ensure_usable(master: &Link) -> Result<(), Error> {
        if master.up {
            return Ok(());
        }
        let name = &master.name;
        Err(Error::internal(format_args!(
            "master {name:?} is down, so no VLAN of it can be up"
        ))
        .details(format!("bring it up: ip link set {name} up")))
    }
}

#[test]
fn the_schema_is_current() {
    ferrule_schema::assert_current::<ferrule_net::link::LinkFrame<VlanPlugin>>(
        ferrule_schema::Role::Interface,
    );
}
