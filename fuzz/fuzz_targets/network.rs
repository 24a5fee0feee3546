//! A network configuration as an administrator wrote it, list or single plugin.

#![no_main]

use libcni::config::{NetworkList, PluginConfig};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = NetworkList::from_bytes(data);
    if let Ok(plugin) = PluginConfig::from_bytes(data) {
        let _ = NetworkList::from_plugin(&plugin);
    }
});
