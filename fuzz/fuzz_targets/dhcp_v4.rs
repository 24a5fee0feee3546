//! A packet from a DHCP server, with its IPv4 and UDP headers.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| cni_dhcp::fuzzing::v4_packet(data));
