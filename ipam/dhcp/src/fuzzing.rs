//! What comes from outside, as the daemon reads it: for the fuzz targets in `fuzz/`.

use cni_types::SpecVersion;

use crate::lease::Lease;
use crate::{daemon, interface, v4, v6};

/// An IPv4 packet from a server, taken for an answer to whatever exchange it names; all options are
/// asked for.
pub fn v4_packet(bytes: &[u8]) {
    check(v4::any_grant(bytes));
}

/// The options of a server's DHCPv6 message to a client.
pub fn v6_options(bytes: &[u8]) {
    check(v6::any_grant(bytes));
}

/// A query on the daemon's socket.
pub fn query(bytes: &[u8]) {
    daemon::read_query(bytes);
}

/// What was granted can be printed, and the record of it read back.
fn check(lease: Option<Lease>) {
    let Some(lease) = lease else { return };
    let result = interface::result(std::slice::from_ref(&lease));
    for version in SpecVersion::ALL {
        let _ = result.to_json(version);
    }
    let record = serde_json::to_vec(&lease).unwrap_or_default();
    assert!(
        serde_json::from_slice(&record).is_ok_and(|read: Lease| read == lease),
        "a record differs from its lease"
    );
}
