//! Interfaces of a result.

use cni_types::Interface;
use ferrule_kernel::Link;

/// The interface of a result for a link on the host.
pub fn host_entry(link: &Link) -> Interface {
    sandbox_entry(link, String::new())
}

/// The interface of a result for a link in the container; `sandbox` is the path of its namespace.
pub fn sandbox_entry(link: &Link, sandbox: String) -> Interface {
    Interface {
        name: link.name.clone(),
        mac: link.mac.map(|mac| mac.to_string()).unwrap_or_default(),
        sandbox,
        ..Interface::default()
    }
}
