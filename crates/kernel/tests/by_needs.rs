//! Links that few kernels of test machines have the drivers of: elsewhere these tests run on the
//! lab kernel.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

mod bridge_vlans;
mod lab;
mod single_links;

ferrule_testkit::main!();
