//! What the protocol asks of every plugin alike.

mod messages;
mod usage;
