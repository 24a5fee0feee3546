//! `ipvlan` gives a container a link of its own on a network interface: same wire and hardware
//! address, own IP addresses.
//!
//! ADD makes the link on the master, directly in the container, and asks the address plugin
//! meanwhile; chained without one it takes over the previous plugin's addresses. DEL removes link
//! and addresses. The keys are those of [`Config`]; the page `docs/ipvlan.md` explains them.

mod config;

use cni_types::Error;
use ferrule_kernel::{DriverSettings, Ipvlan, IpvlanMode, Link};
use ferrule_net::NetError;
use ferrule_net::link::{self, LinkPlugin, LinkSpec, Target};
use ferrule_plugin::Call;

pub use config::Config;
use config::mode_name;

/// What only ipvlan does.
pub struct IpvlanPlugin;

impl LinkPlugin for IpvlanPlugin {
    type Config = Config;
    type Settings = Ipvlan;

    const NAME: &'static str = "ipvlan";
    const KIND: &'static str = Ipvlan::KIND;

    fn spec(call: &Call<Config>) -> Result<LinkSpec<'_, Ipvlan>, Error> {
        call.config.spec(&call.request)
    }

    fn create(target: &Target<'_>, ipvlan: &Ipvlan) -> Result<Link, Error> {
        link::create(target, |new| ipvlan.create(new))
    }

    /// In the modes l3 and l3s the link gives up ARP when it comes up, and then the kernel sets up
    /// its IPv6 addresses anew, at some time within a second.
    fn comes_up_first(ipvlan: &Ipvlan) -> bool {
        ipvlan.mode != IpvlanMode::L2
    }

    fn check(_: &Target<'_>, link: &Link, expected: &Ipvlan) -> Result<(), NetError> {
        match link.settings {
            Some(DriverSettings::Ipvlan(found)) if found.mode != expected.mode => {
                Err(NetError::Mismatch(format!(
                    "interface {:?} has the mode {}, expected {}",
                    link.name,
                    mode_name(found.mode),
                    mode_name(expected.mode)
                )))
            }
            _ => Ok(()),
        }
    }
}
