//! The plugin `macvlan`: black-box tests.

mod lifecycle;
mod results;
mod settings;
mod traffic;
