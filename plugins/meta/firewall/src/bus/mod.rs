//! A client of the D-Bus system bus, as small as the plugin's needs: call a method with texts,
//! read a text or a truth value.
//!
//! The libraries that do more bring an executor and derive macros of their own, half the size of
//! this executable, for five calls. What is here follows the D-Bus specification 0.43; the chapters
//! are named where they matter.

mod address;
mod connection;
mod error;
mod message;
mod wire;

pub(crate) use connection::{Bus, PATIENCE};
pub(crate) use error::BusError;
pub(crate) use message::{Call, Reply};
