//! Black-box tests of the built executables: one file or folder per plugin in `tests/`.
//!
//! They call the executables as a container runtime does, each test on a private host.
//! `ferrule_testkit` explains how to write one. This crate has the networks that tests of several
//! plugins share.

mod attachment;
mod comparison;
pub mod dhcp;
mod external_host;
mod http;
mod network;
mod network_list;
mod packets;
pub mod single_link;
mod table;
mod tap_end;
mod uplinks;
mod wire;

pub use attachment::Attachment;
pub use comparison::{Trace, assert_alike, side_by_side};
pub use external_host::external_host;
pub use http::{answers_http, is_served};
pub use network::{Network, with_keys, with_prev_result};
pub use network_list::{NetworkList, PLUGINS, kernel_needs};
pub use packets::{answers_at_once, sends_router_advertisement};
pub use table::{Row, on_own_host};
pub use tap_end::{Machine, TapEnd, User};
pub use uplinks::{TARGETS, Uplinks};
pub use wire::Wire;
