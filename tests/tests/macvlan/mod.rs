//! The plugin `macvlan`, seen from outside.

mod lifecycle;
mod results;
mod settings;
mod traffic;
