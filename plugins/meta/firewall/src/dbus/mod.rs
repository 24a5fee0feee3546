//! A minimal client of the D-Bus system bus: it calls methods with strings, and reads a string or a
//! boolean.
//!
//! D-Bus libraries bring an executor and derive macros, half the size of this executable, for five
//! calls. The code follows the D-Bus specification 0.43; comments name its chapters.

mod address;
mod connection;
mod error;
mod message;
mod wire;

pub(crate) use address::of_system_bus;
pub(crate) use connection::{Connection, TIMEOUT};
pub(crate) use error::DbusError;
pub(crate) use message::{Call, Reply};
