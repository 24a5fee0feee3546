//! The plugin `bridge`: black-box tests.

mod gateway;
mod port;
mod results;
mod traffic;
mod vlan;
