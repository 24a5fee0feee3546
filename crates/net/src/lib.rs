//! Behaviour that several plugins share: where a container's network is wired.
//!
//! [`Host`] and [`Sandbox`] are the two sides. [`veth`] makes and removes the pair between them,
//! [`mod@link`] a link in the container alone, put on a master or standing by itself,
//! [`addressing`] puts an address plugin's answer into effect, [`check`] compares what is there with
//! what ADD answered. Nothing here knows any plugin.

pub mod addressing;
mod attachment;
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
pub mod spoofcheck;
pub mod veth;

pub use attachment::AttachmentId;
pub use error::NetError;
pub use interface::{host_entry, mac_text, sandbox_entry};
pub use mac_key::configured_mac;
pub use names::{Tags, hash_name, network_tag};
pub use namespaces::{Host, Sandbox};
