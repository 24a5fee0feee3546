//! The plugin `vrf`, seen from outside.

mod check;
mod devices;
mod interoperation;
mod killed;
mod lifecycle;
mod node;
mod routes;
