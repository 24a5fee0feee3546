//! The plugin `sbr`, seen from outside.

mod check;
mod interoperation;
mod killed;
mod lifecycle;
mod node;
mod request;
mod routes;
