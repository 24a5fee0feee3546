//! A configuration as an administrator wrote it, before `cnitool validate`.

#![no_main]

use ferrule_validate::{Form, check, check_together};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let reports = [Form::List, Form::Plugin].map(|form| check(data, form));
    let _ = check_together(&reports.each_ref().map(|report| ("file", report)));
});
