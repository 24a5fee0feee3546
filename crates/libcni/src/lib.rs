//! The runtime side of the Container Network Interface.
//!
//! What a container runtime does with plugins: [find and run](exec) their executables, read network
//! [configurations](config), run the plugins of a list in order ([`Runtime`]), and [`cache`]
//! the results. The crate only implements the protocol: it creates no namespace and no device, so
//! any runtime can be built on it. Plugins use [`exec`] too, to delegate to another
//! plugin.
//!
//! ```no_run
//! use libcni::{Parameters, Runtime, config::ConfigFolder};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let network = ConfigFolder::new("/etc/cni/net.d").network("mynet")?.network;
//! let attachment = Parameters {
//!     container_id: "c1".into(),
//!     netns: "/run/netns/c1".into(),
//!     ifname: "eth0".into(),
//!     ..Parameters::default()
//! };
//! let runtime = Runtime::new("/opt/cni/bin");
//! let result = runtime.add(&network, &attachment)?;
//! println!("{}", result.to_json()?);
//! runtime.del(&network, &attachment)?;
//! # Ok(())
//! # }
//! ```
//!
//! Behaviour, texts and files are those of the Go library of the same name. Different on purpose:
//!
//! - a broken configuration file does not hide the networks in the files after it;
//! - an executable that stays busy is an error, where the Go library reports success in the end;
//! - a child process that outlives its plugin does not block the call;
//! - cache files are replaced atomically, and their content names the attachment;
//! - the error of a plugin that ends without an error object says in plain words how it ended;
//! - GC always sends its list of valid attachments, also the empty one;
//! - integers of a configuration reach the plugin exactly, whatever their size;
//! - a failed ADD can be [undone](Runtime::undo_add).

pub mod cache;
pub mod config;
pub mod exec;
mod runtime;

pub use cni_types::Attachment;
pub use runtime::{AddResult, Checked, FailedAdd, Parameters, Runtime, RuntimeError};
