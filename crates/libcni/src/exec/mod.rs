//! Finds and runs plugin executables.
//!
//! A plugin gets its request in the environment and the configuration on standard input; it prints
//! its result to standard output and logs to standard error. One [`Invocation`] is one such run. It
//! can be [started](Invocation::start) and [finished](Running::finish) separately, so that the
//! caller works meanwhile.

mod error;
mod input;
mod invocation;
mod lookup;
mod pipe;
mod running;
#[cfg(test)]
mod tests;

pub use error::ExecError;
pub use invocation::{Invocation, PARENT_VARIABLE};
pub use lookup::find_plugin;
pub use running::{Output, Running};
