//! The Container Network Interface protocol as plain data.
//!
//! Everything that passes between a container runtime and a plugin is here: the [request](Request) a
//! plugin reads from its environment and standard input, the [result](CniResult) it prints in any of
//! the seven published versions, the [error object](Error), and the small grammars in between
//! (`CNI_ARGS`, versions, names). The crate is pure: it opens no file, starts no process and knows
//! no kernel, so that runtimes, plugins and tests can all build on it.
//!
//! Sources: the CNI specification 0.1.0 to 1.1.0 and, where it is silent or differs, what the Go
//! reference library does. JSON is read by that library's rules (see [`json`]).

mod address;
mod args;
mod attachment;
mod dns;
pub mod env;
mod error;
pub mod json;
mod name;
mod request;
mod result;
mod route;
mod version;

pub use address::{AddressError, Cidr, address_text, optional_address, parse_address};
pub use args::Args;
pub use attachment::{Attachment, Attachments, VALID_ATTACHMENTS, VALID_ATTACHMENTS_2024};
pub use dns::Dns;
pub use error::{Code, Error, bounded};
pub use name::{check_container_id, check_interface_name, check_network_name};
pub use request::{Command, Incoming, MAX_CONFIG_BYTES, Request};
pub use result::{CniResult, Interface, IpConfig, ResultError};
pub use route::Route;
pub use version::{Family, ReleaseNumber, SpecVersion, VersionError, version_reply};
