//! The plugin `sbr`: black-box tests.

mod check;
mod interoperation;
mod killed;
mod lifecycle;
mod node;
mod request;
mod routes;
