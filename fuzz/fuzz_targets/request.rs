//! A configuration on standard input, with the environment of a sound request of each verb.

#![no_main]

use std::ffi::OsString;

use cni_types::{Args, Incoming, Request, SpecVersion};
use libfuzzer_sys::fuzz_target;

const VERBS: [&str; 6] = ["ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION"];

fuzz_target!(|data: (usize, &str, &[u8])| {
    let (verb, args, config) = data;
    let verb = VERBS[verb % VERBS.len()];
    let variable = |name: &str| {
        Some(OsString::from(match name {
            "CNI_COMMAND" => verb,
            "CNI_CONTAINERID" => "c1",
            "CNI_IFNAME" => "eth0",
            "CNI_NETNS" => "/run/netns/c1",
            "CNI_PATH" => "/opt/cni/bin",
            "CNI_ARGS" => args,
            _ => return None,
        }))
    };
    let mut stdin = config;
    if let Ok(Incoming::Verb(request)) = Request::read(variable, &mut stdin, &SpecVersion::ALL) {
        let _ = request.prev_result();
        let _ = request.valid_attachments();
        let _ = Args::parse(&request.args, &["IP", "MAC", "GATEWAY"]);
    }
});
