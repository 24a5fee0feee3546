//! The address of the bus (D-Bus specification, "Server Addresses").

use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

/// The address of the system bus, unless the environment has another.
const SYSTEM_BUS: &str = "unix:path=/var/run/dbus/system_bus_socket";
/// The environment variable with another address.
const VARIABLE: &str = "DBUS_SYSTEM_BUS_ADDRESS";

/// A socket of the bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BusSocket {
    /// A path.
    File(PathBuf),
    /// A name in the abstract namespace (unix(7)).
    Abstract(Vec<u8>),
}

/// The address of the system bus.
pub(crate) fn of_system_bus() -> String {
    std::env::var(VARIABLE)
        .ok()
        .filter(|address| !address.is_empty())
        .unwrap_or_else(|| SYSTEM_BUS.to_owned())
}

/// The sockets of an address, in the order to try them.
pub(super) fn sockets(address: &str) -> Vec<BusSocket> {
    address.split(';').filter_map(socket).collect()
}

fn socket(address: &str) -> Option<BusSocket> {
    let keys = address.strip_prefix("unix:")?;
    keys.split(',').find_map(|key| {
        let (name, value) = key.split_once('=')?;
        let value = unescaped(value)?;
        match name {
            "path" => Some(BusSocket::File(std::ffi::OsString::from_vec(value).into())),
            "abstract" => Some(BusSocket::Abstract(value)),
            _ => None,
        }
    })
}

/// Decodes percent-encoded bytes, such as `%2f`.
fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next()?, rest.next()?];
        let digits = std::str::from_utf8(&digits).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_name_sockets_in_order() {
        let file = |path: &str| BusSocket::File(path.into());
        for (address, expected) in [
            (SYSTEM_BUS, vec![file("/var/run/dbus/system_bus_socket")]),
            (
                "unix:abstract=/tmp/x,guid=1;tcp:host=a;unix:guid=2,path=/a%20b%2c",
                vec![BusSocket::Abstract(b"/tmp/x".to_vec()), file("/a b,")],
            ),
            ("", vec![]),
            ("unix:", vec![]),
            ("unix:path=%4", vec![]),
            ("unix:path=%zz", vec![]),
        ] {
            assert_eq!(sockets(address), expected, "{address}");
        }
    }
}
