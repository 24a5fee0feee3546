//! The plugin `ptp`, seen from outside.

mod results;
mod traffic;

ferrule_testkit::main!();
