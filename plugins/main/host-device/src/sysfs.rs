//! Devices in `/sys`: their interfaces and drivers.
//!
//! `/sys` shows only the interfaces of the namespace it was mounted in, the host's.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use cni_types::{Code, Error};

/// Folder of the devices, by bus.
const BUSES: &str = "/sys/bus";
/// Folder of the host's interfaces, by name.
const INTERFACES: &str = "/sys/class/net";
/// Drivers that give a process direct access to a device (DPDK).
const USER_SPACE_DRIVERS: [&str; 3] = ["vfio-pci", "uio_pci_generic", "igb_uio"];

/// The folder of a device on a bus.
pub(crate) fn device_on_bus(bus: &str, name: &str) -> Result<PathBuf, Error> {
    if matches!(name, "" | "." | "..") || name.contains(['/', '\0']) {
        let msg = format!("{name:?} is not the name of a device");
        let hint = "name it as it is listed below /sys/bus";
        return Err(Error::new(Code::InvalidConfig, msg).details(hint));
    }
    Ok(Path::new(BUSES).join(bus).join("devices").join(name))
}

/// The first interface, by name, of the device at `device`.
pub(crate) fn interface_of(device: &Path) -> Result<String, Error> {
    let path = device.join("net");
    first_entry(&path, |_| true).map_err(|source| {
        let shown = path.display();
        Error::internal(format_args!("no interface found at {shown}: {source}"))
            .details("no such device on this node, it has another driver, or a container has it")
    })
}

/// The first interface of a PCI device. Of a virtio device it is in a subfolder.
pub(crate) fn interface_of_pci(address: &str) -> Result<String, Error> {
    let device = device_on_bus("pci", address)?;
    if device.join("net").exists() {
        return interface_of(&device);
    }
    match first_entry(&device, |name| name.starts_with("virtio")) {
        Ok(name) => interface_of(&device.join(name)),
        Err(_) => interface_of(&device),
    }
}

/// Whether the PCI device has a user-space driver, so that it has no interface.
pub(crate) fn is_in_user_space(address: &str) -> Result<bool, Error> {
    let link = device_on_bus("pci", address)?.join("driver");
    let driver = fs::read_link(link).map_err(|source| {
        Error::internal(format_args!(
            "driver of PCI device {address:?} not found: {source}"
        ))
        .details("no such device on this node, or it has no driver: bind it to one")
    })?;
    let name = driver.file_name().unwrap_or_default();
    Ok(USER_SPACE_DRIVERS.iter().any(|known| name == *known))
}

/// The PCI address of an interface of the host, if any: that of its device or, for virtio and auxiliary
/// devices, of a parent.
pub(crate) fn pci_of_interface(name: &str) -> Option<String> {
    let device = fs::canonicalize(Path::new(INTERFACES).join(name).join("device")).ok()?;
    let mut parts = device.iter().rev().filter_map(|part| part.to_str());
    parts.find(|part| is_pci_address(part)).map(str::to_owned)
}

/// Whether a text has the form `0000:3b:00.2`: domain, bus, slot and function.
fn is_pci_address(text: &str) -> bool {
    let hexadecimal = |part: &str, least: usize, most: usize| {
        (least..=most).contains(&part.len()) && part.bytes().all(|digit| digit.is_ascii_hexdigit())
    };
    let mut parts = text.splitn(3, ':');
    let (domain, bus, rest) = (parts.next(), parts.next(), parts.next());
    let rest = rest.and_then(|rest| rest.split_once('.'));
    domain.is_some_and(|domain| hexadecimal(domain, 4, 8))
        && bus.is_some_and(|bus| hexadecimal(bus, 2, 2))
        && rest
            .is_some_and(|(slot, function)| hexadecimal(slot, 2, 2) && hexadecimal(function, 1, 1))
}

fn first_entry(folder: &Path, wanted: impl Fn(&str) -> bool) -> io::Result<String> {
    let mut first: Option<String> = None;
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        if let Some(name) = name.to_str().filter(|name| wanted(name))
            && first.as_deref().is_none_or(|first| name < first)
        {
            first = Some(name.to_owned());
        }
    }
    first.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pci_addresses_are_told_from_other_names() {
        for good in ["0000:3b:00.2", "0000:00:1f.6", "10000:e1:00.0"] {
            assert!(is_pci_address(good), "{good}");
        }
        for bad in [
            "",
            "virtio1",
            "0000:3b:00",
            "3b:00.2",
            "mlx5_core.sf.4",
            "0000:3b:00.2.3",
            "pci0000:00",
        ] {
            assert!(!is_pci_address(bad), "{bad}");
        }
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for name in ["", ".", "..", "../pci", "a/b", "a\0"] {
            assert!(device_on_bus("pci", name).is_err(), "{name:?}");
        }
        let path = device_on_bus("auxiliary", "mlx5_core.sf.4").unwrap();
        assert_eq!(path, Path::new("/sys/bus/auxiliary/devices/mlx5_core.sf.4"));
    }
}
