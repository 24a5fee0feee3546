//! The kernel interface against a real kernel: the one that runs.

#![cfg(test)]

mod addresses;
mod announce;
mod batches;
mod bridge_ports;
mod copies;
mod lab;
mod links;
mod netns;
mod queueing;
mod routes;
mod rules;
mod sysctl;
mod taps;

#[test]
fn every_file_is_a_module() {
    ferrule_testkit::assert_every_file_is_a_module(env!("CARGO_MANIFEST_DIR"));
}
