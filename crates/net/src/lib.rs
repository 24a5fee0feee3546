//! What several plugins share to configure a container's network.
//!
//! [`Host`] and [`Sandbox`] are the two network namespaces. [`veth`] creates and removes the pair
//! between them, [`mod@link`] a single link in the container, with or without a master.
//! [`addressing`] applies the result of the address plugin, [`check`] compares the kernel's state
//! with the result of ADD. Nothing here knows any plugin.

pub mod addressing;
mod attachment;
mod backend;
mod best_effort;
pub mod check;
mod error;
pub mod forwarding;
mod interface;
pub mod link;
mod mac_key;
pub mod masquerade;
mod master;
mod names;
mod namespaces;
pub mod routing;
pub mod spoofcheck;
pub mod veth;

pub use attachment::AttachmentId;
pub use backend::ensure_usable;
pub use error::NetError;
pub use interface::{host_entry, sandbox_entry};
pub use mac_key::configured_mac;
pub use names::{Tags, hash_name, network_tag, tag_of};
pub use namespaces::{Host, Sandbox};
