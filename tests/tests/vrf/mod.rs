//! The plugin `vrf`: black-box tests.

mod check;
mod devices;
mod interoperation;
mod killed;
mod lifecycle;
mod node;
mod routes;
