//! `dhcp` leases addresses from the DHCP servers of the container's network.
//!
//! The plugin hands each request to a daemon (`dhcp daemon`), which acquires the lease, renews it as
//! long as the container's namespace lives, and releases it on DEL. Every lease is in the daemon's
//! state folder, so a daemon that ends or is killed goes on with all of them when it runs again. See
//! `docs/dhcp.md` for keys, flags, files and differences.
//!
//! `protocol` is what both sides say to each other, `lease` what is known of a lease, `timing` when it
//! is renewed, `exchange` the boundary to the protocols on the wire (`v4`, `v6`).

mod client;
mod clock;
mod config;
mod daemon;
mod domains;
mod duration;
mod exchange;
#[doc(hidden)]
pub mod fuzzing;
mod interface;
mod lease;
mod leases;
mod place;
mod plugin;
mod protocol;
mod state;
mod timing;
mod trace;
mod v4;
mod v6;

use std::process::ExitCode;

pub use config::Config;
pub use plugin::Dhcp;

/// The `main` of the executable `dhcp`.
pub fn main() -> ExitCode {
    ferrule_plugin::main(&Dhcp)
}
