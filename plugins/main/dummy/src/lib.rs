//! `dummy` gives a container a link that is connected to nothing and holds addresses.
//!
//! ADD creates the link in the container while the address plugin runs. DEL removes the link and
//! releases the addresses. It has no keys of its own; see `docs/dummy.md`.

use std::process::ExitCode;

use cni_types::{Code, Error, Request};
use ferrule_kernel::{Dummy, Link};
use ferrule_net::link::{self, Addresses, LinkConfig, LinkFrame, LinkPlugin, LinkSpec, Target};
use serde::Deserialize;

/// The configuration as written.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(extend("required" = ["ipam"])))]
#[serde(default)]
pub struct Config {}

impl LinkConfig for Config {
    type Settings = Dummy;

    fn spec(&self, request: &Request) -> Result<LinkSpec<'_, Dummy>, Error> {
        if request.ipam_type.is_empty() {
            return Err(Error::new(
                Code::InvalidConfig,
                "dummy interface requires an IPAM configuration",
            ));
        }
        Ok(LinkSpec {
            master: None,
            mtu: 0,
            mac: None,
            addresses: Addresses::Required,
            settings: Dummy,
        })
    }
}

/// The plugin `dummy`, to be started in a [`LinkFrame`].
pub struct DummyPlugin;

/// The `main` of the executable `dummy`.
pub fn main() -> ExitCode {
    ferrule_local_ipam::main(&LinkFrame(DummyPlugin))
}

impl LinkPlugin for DummyPlugin {
    type Config = Config;

    const NAME: &'static str = "dummy";

    fn create(target: &Target<'_>, dummy: &Dummy) -> Result<Link, Error> {
        link::create(target, |new| dummy.create(new))
    }
}

#[test]
fn the_schema_is_current() {
    ferrule_schema::assert_current::<ferrule_net::link::LinkFrame<DummyPlugin>>(
        ferrule_schema::Role::Interface,
    );
}
