//! The plugin `bridge`, seen from outside.

mod gateway;
mod port;
mod traffic;

ferrule_testkit::main!();
