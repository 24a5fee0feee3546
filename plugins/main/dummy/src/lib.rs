//! `dummy` gives a container a link that leads nowhere, to hold addresses.
//!
//! ADD makes the link in the container and asks the address plugin meanwhile. DEL removes link and
//! addresses. Only the key `dns` is its own; the page `docs/dummy.md` explains it.

use cni_types::{Code, Error};
use ferrule_kernel::{Dummy, Link};
use ferrule_net::NetError;
use ferrule_net::link::{self, Addresses, LinkPlugin, LinkSpec, Target};
use ferrule_plugin::Call;
use serde::Deserialize;

/// What only dummy does.
pub struct DummyPlugin;

/// The configuration as written.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Config {}

impl LinkPlugin for DummyPlugin {
    type Config = Config;
    type Settings = Dummy;

    const NAME: &'static str = "dummy";
    const KIND: &'static str = Dummy::KIND;

    fn spec(call: &Call<Config>) -> Result<LinkSpec<'_, Dummy>, Error> {
        if call.request.ipam_type.is_empty() {
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

    fn create(target: &Target<'_>, dummy: &Dummy) -> Result<Link, Error> {
        link::create(target, |new| dummy.create(new))
    }

    fn check(_: &Target<'_>, _: &Link, _: &Dummy) -> Result<(), NetError> {
        Ok(())
    }
}
