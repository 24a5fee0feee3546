//! What plugins share, judged by packets in a real kernel.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod masquerade;
mod spoofcheck;

ferrule_testkit::main!();
