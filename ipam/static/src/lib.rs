//! `static` returns the addresses that the configuration or the runtime names.
//!
//! It stores nothing: several containers may get the same address, and DEL and GC do nothing. CHECK
//! compares the previous result with the configuration, STATUS checks the configuration. See
//! `docs/static.md` for keys, precedence and differences.

mod addresses;
mod config;

use std::process::ExitCode;

use cni_types::{Attachments, CniResult, Error, IpConfig};
use ferrule_plugin::{Call, Plugin, Undo};

use addresses::addresses;
pub use config::Config;

/// The plugin `static`.
pub struct Static;

/// The `main` of the executable `static`.
pub fn main() -> ExitCode {
    ferrule_plugin::main(&Static)
}

impl Plugin for Static {
    type Config = Config;

    const NAME: &'static str = "static";

    fn add(&self, call: &Call<Config>, _: &mut Undo) -> Result<CniResult, Error> {
        let ips = addresses(&call.config, &call.request)?;
        let ipam = call.config.ipam.clone().unwrap_or_default();
        Ok(CniResult {
            ips,
            routes: ipam.routes,
            dns: ipam.dns,
            ..CniResult::default()
        })
    }

    fn del(&self, _: &Call<Config>) -> Result<(), Error> {
        Ok(())
    }

    fn check(&self, call: &Call<Config>) -> Result<(), Error> {
        let configured = addresses(&call.config, &call.request)?;
        let shown = call.required_prev_result()?.ips;
        match configured.iter().find(|ip| !is_among(ip, &shown)) {
            None => Ok(()),
            Some(missing) => Err(mismatch(missing, &call.request.ifname)),
        }
    }

    fn status(&self, call: &Call<Config>) -> Result<(), Error> {
        addresses(&call.config, &call.request)?;
        Ok(())
    }

    fn gc(&self, _: &Call<Config>, _: &Attachments) -> Result<(), Error> {
        Ok(())
    }
}

/// Whether the result has this address, with this gateway if one is configured. Prefix lengths may
/// differ, since a plugin may change the one of the interface address.
fn is_among(configured: &IpConfig, shown: &[IpConfig]) -> bool {
    shown.iter().any(|ip| {
        ip.address.address() == configured.address.address()
            && (configured.gateway.is_none() || ip.gateway == configured.gateway)
    })
}

fn mismatch(missing: &IpConfig, ifname: &str) -> Error {
    let address = missing.address.address();
    let gateway = missing
        .gateway
        .map(|gateway| format!(" and gateway {gateway}"));
    Error::internal(format!(
        "static: Failed to match addr {address} on interface {ifname}"
    ))
    .details(format!(
        "prevResult shows no address {address}{}, which the configuration asks for",
        gateway.unwrap_or_default()
    ))
}

#[test]
fn the_schema_is_current() {
    ferrule_schema::assert_current::<Static>(ferrule_schema::Role::Ipam);
}
