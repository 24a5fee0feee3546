//! What the protocol requires of every plugin.

mod messages;
mod usage;
