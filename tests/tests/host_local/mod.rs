//! The plugin `host-local`: black-box tests.

mod crash;
mod delete;
mod files;
mod garbage;
mod index;
mod lock;
mod peers;
mod pool;
mod request;
mod status;
