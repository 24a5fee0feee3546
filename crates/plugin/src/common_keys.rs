//! The keys that every plugin's configuration has.

use std::collections::HashMap;

use cni_types::{Dns, Error, Request};
use serde::Deserialize;

/// Their types. The values are read where they are needed.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct CommonKeys {
    r#type: String,
    capabilities: HashMap<String, bool>,
    ipam: IpamKeys,
    dns: Dns,
    prev_result: AnyObject,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct IpamKeys {
    r#type: String,
}

#[derive(Default, Deserialize)]
struct AnyObject {}

/// Refuses values of a wrong type (code 6). Without this a container whose `ipam.type` became a
/// number by mistake would be attached without addresses.
pub(crate) fn check(request: &Request) -> Result<(), Error> {
    request.decode::<CommonKeys>().map(drop)
}
