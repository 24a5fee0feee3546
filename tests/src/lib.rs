//! Black-box tests of the built executables: one file per plugin in `tests/`.
//!
//! They drive the executables as a container runtime does, each in a private host of its own.
//! How to write one is told in `ferrule_testkit`.
