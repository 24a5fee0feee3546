//! The plugin `ptp`: black-box tests.

mod results;
mod routes;
mod traffic;
