//! The plugin `ptp`, seen from outside.

mod results;
mod traffic;
