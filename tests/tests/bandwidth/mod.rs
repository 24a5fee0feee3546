//! The plugin `bandwidth`: black-box tests.

mod check;
mod garbage;
mod interop;
mod killed;
mod lifecycle;
mod node;
mod rates;
mod refusals;
mod request;

/// The versions that the plugin supports.
const SPOKEN: &[&str] = &["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];
