//! The plugin `bridge`, seen from outside.

mod gateway;
mod port;
mod results;
mod traffic;
mod vlan;
