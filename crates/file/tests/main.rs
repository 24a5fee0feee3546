//! Locks against the real kernel, each test on a host of its own.

#![cfg(test)]

mod lock;

ferrule_testkit::main!();
