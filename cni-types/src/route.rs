//! Routes as configurations and results carry them.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::address::address_or_empty;
use crate::{Cidr, optional_address};

/// One route into the container. Fields beyond `dst` and `gw` are of spec 1.1.0, but read and
/// written in every version with lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The destination, host bits kept as written.
    pub dst: Cidr,
    /// The next hop; none means the address's gateway of that family.
    #[serde(
        default,
        deserialize_with = "optional_address",
        serialize_with = "address_or_empty",
        skip_serializing_if = "Option::is_none"
    )]
    pub gw: Option<IpAddr>,
    /// Path MTU in bytes; 0 means unset.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub mtu: u32,
    /// Maximal segment size advertised to TCP peers, in bytes; 0 means unset.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub advmss: u32,
    /// Metric; 0 means unset.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub priority: u32,
    /// Routing table; none means main.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<u32>,
    /// Scope: global 0, link 253, host 254.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<u8>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature serde calls"
)]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Route {
    /// A route with a destination, and a gateway or none.
    pub fn new(dst: Cidr, gw: Option<IpAddr>) -> Self {
        Self {
            dst,
            gw,
            mtu: 0,
            advmss: 0,
            priority: 0,
            table: None,
            scope: None,
        }
    }

    /// Whether this is the default route of its family.
    pub fn is_default(&self) -> bool {
        self.dst.prefix() == 0 && self.dst.address().is_unspecified()
    }
}
