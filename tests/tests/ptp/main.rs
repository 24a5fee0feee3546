//! The plugin `ptp`, seen from outside.

mod netfilter;
mod results;
mod traffic;

ferrule_testkit::main!();
