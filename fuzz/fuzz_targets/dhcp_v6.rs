//! The options of a message from a DHCPv6 server.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| cni_dhcp::fuzzing::v6_options(data));
