//! The runtime side of the Container Network Interface.
//!
//! What a container runtime does with plugins: [find and run](exec) their executables, read network
//! [configurations](config), run the plugins of a list in order ([`Runtime`]), and
//! [remember](cache) the results. It is pure protocol: it makes no namespace and touches no device,
//! so any runtime can be built on it. Plugins use [`exec`] too, when they hand work to another
//! plugin.
//!
//! ```no_run
//! use libcni::{Parameters, Runtime, config::ConfigFolder};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let network = ConfigFolder::new("/etc/cni/net.d").network("lab")?.network;
//! let attachment = Parameters {
//!     container_id: "c1".into(),
//!     netns: "/run/netns/c1".into(),
//!     ifname: "eth0".into(),
//!     ..Parameters::default()
//! };
//! let runtime = Runtime::new("/opt/cni/bin");
//! let answer = runtime.add(&network, &attachment)?;
//! println!("{}", answer.to_json()?);
//! runtime.del(&network, &attachment)?;
//! # Ok(())
//! # }
//! ```
//!
//! Behaviour, texts and files are those of the Go library of the same name. Different on purpose:
//!
//! - a broken configuration file does not hide the networks in the files behind it;
//! - an executable that stays busy is an error, where the Go library reports success in the end;
//! - a process that a plugin leaves behind does not block the call;
//! - cache files are replaced as a whole, and belong to whom their content names;
//! - GC always sends its list of valid attachments, also the empty one;
//! - integers of a configuration reach the plugin exactly, whatever their size;
//! - what a failed ADD has begun can be [taken back](Runtime::undo_add).

pub mod cache;
pub mod config;
pub mod exec;
mod os_text;
mod runtime;

pub use cni_types::Attachment;
pub use os_text::os_text;
pub use runtime::{Answer, FailedAdd, Parameters, Runtime, RuntimeError};
