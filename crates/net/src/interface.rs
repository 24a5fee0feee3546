//! Links as entries of a result.

use cni_types::Interface;
use ferrule_kernel::Link;

/// The entry of a link on the host.
pub fn host_entry(link: &Link) -> Interface {
    sandbox_entry(link, String::new())
}

/// The entry of a link in the container whose namespace is written as `sandbox`.
pub fn sandbox_entry(link: &Link, sandbox: String) -> Interface {
    Interface {
        name: link.name.clone(),
        mac: mac_text(link),
        sandbox,
        ..Interface::default()
    }
}

/// The hardware address as results have it; empty if there is none.
pub fn mac_text(link: &Link) -> String {
    link.mac.map(|mac| mac.to_string()).unwrap_or_default()
}
