//! A result as a plugin printed it: reading never panics, and what was read can be written in every
//! version that can express it, to be read again as the same.

#![no_main]

use cni_types::{CniResult, SpecVersion};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok((_, result)) = CniResult::read(data, SpecVersion::V0_1_0) else { return };
    for version in SpecVersion::ALL {
        let Ok(text) = result.to_json(version) else { continue };
        let (read_version, again) =
            CniResult::read(text.as_bytes(), SpecVersion::V0_1_0).expect("own output is readable");
        assert_eq!(read_version, version);
        assert_eq!(again.to_json(version).as_deref(), Ok(text.as_str()));
    }
});
