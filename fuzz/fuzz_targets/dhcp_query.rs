//! A query on the socket of the dhcp daemon.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| cni_dhcp::fuzzing::query(data));
