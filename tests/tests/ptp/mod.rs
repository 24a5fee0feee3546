//! The plugin `ptp`, seen from outside.

mod results;
mod routes;
mod traffic;
