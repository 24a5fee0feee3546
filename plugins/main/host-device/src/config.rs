//! The keys of `host-device`, and the device that they select.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use cni_types::{Code, Error};
use ferrule_kernel::Mac;
use serde::Deserialize;

use crate::sysfs;

/// The folder of all devices.
const DEVICES: &str = "/sys/devices/";

/// The configuration.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Config {
    /// Name of the interface on the host.
    device: String,
    /// Its MAC address.
    #[cfg_attr(test, schemars(extend("format" = "mac")))]
    hwaddr: String,
    /// Path of the device below `/sys/devices`.
    kernelpath: String,
    /// Its address on the PCI bus.
    #[serde(rename = "pciBusID")]
    pci_bus_id: String,
    /// Whether a process drives the device; detected for devices selected by their PCI address.
    #[serde(rename = "DPDKMode")]
    dpdk_mode: bool,
    /// `deviceID`: the device that a device plugin allotted.
    #[serde(rename = "runtimeConfig")]
    from_runtime: FromRuntime,
    capabilities: Capabilities,
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
struct FromRuntime {
    /// The address of the device on the PCI or auxiliary bus.
    #[serde(rename = "deviceID")]
    device_id: String,
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
struct Capabilities {
    #[serde(rename = "deviceID")]
    device_id: bool,
}

/// How the device is selected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Selector {
    /// Its interface's name on the host.
    Name(String),
    /// Its interface's MAC address.
    Mac(Mac),
    /// Its folder in `/sys`.
    Path(PathBuf),
    /// Its address on the PCI bus.
    Pci(String),
    /// Its name on the auxiliary bus.
    Auxiliary(String),
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "device {name:?}"),
            Self::Mac(mac) => write!(f, "device with hwaddr {mac}"),
            Self::Path(path) => write!(f, "device with kernelpath {}", path.display()),
            Self::Pci(address) => write!(f, "PCI device {address:?}"),
            Self::Auxiliary(name) => write!(f, "auxiliary device {name:?}"),
        }
    }
}

/// The device of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Device {
    /// How it is selected.
    pub(crate) selector: Selector,
    /// Its PCI address, if the configuration has it.
    pub(crate) pci: Option<String>,
    /// Whether a process drives it, so that there is no interface to move.
    pub(crate) in_user_space: bool,
}

impl Config {
    /// The device; an error if none is selected or the value is invalid.
    pub(crate) fn device(&self) -> Result<Device, Error> {
        let (pci, auxiliary) = self.ids()?;
        let in_user_space = match &pci {
            Some(address) => sysfs::is_in_user_space(address)?,
            None => self.dpdk_mode,
        };
        Ok(Device {
            selector: self.selector(pci.as_deref(), auxiliary)?,
            pci,
            in_user_space,
        })
    }

    /// The selector for DEL, which does not require the device to exist.
    pub(crate) fn selector_if_any(&self) -> Option<Selector> {
        let pci = Some(self.pci_bus_id.as_str()).filter(|address| !address.is_empty());
        let (pci, auxiliary) = match self.ids() {
            Ok(ids) => ids,
            Err(_) => (pci.map(str::to_owned), None),
        };
        self.selector(pci.as_deref(), auxiliary).ok()
    }

    /// Whether the runtime selects the device of each container, so that STATUS cannot check one.
    pub(crate) fn is_chosen_by_runtime(&self) -> bool {
        let named = [
            &self.device,
            &self.hwaddr,
            &self.kernelpath,
            &self.pci_bus_id,
        ];
        named.iter().all(|key| key.is_empty())
            && self.from_runtime.device_id.is_empty()
            && self.capabilities.device_id
    }

    /// PCI address and auxiliary name; the runtime's `deviceID` replaces the key `pciBusID`.
    fn ids(&self) -> Result<(Option<String>, Option<String>), Error> {
        let id = &self.from_runtime.device_id;
        if id.is_empty() {
            let address = Some(&self.pci_bus_id).filter(|address| !address.is_empty());
            return Ok((address.cloned(), None));
        }
        let on = |bus| sysfs::device_on_bus(bus, id).map(|path| path.exists());
        if on("pci")? {
            Ok((Some(id.clone()), None))
        } else if on("auxiliary")? {
            Ok((None, Some(id.clone())))
        } else {
            let msg = format!(
                "runtimeConfig.deviceID {id:?} not found on the pci bus or the auxiliary bus"
            );
            Err(Error::internal(msg))
        }
    }

    fn selector(&self, pci: Option<&str>, auxiliary: Option<String>) -> Result<Selector, Error> {
        if !self.device.is_empty() {
            return Ok(Selector::Name(self.device.clone()));
        }
        if !self.hwaddr.is_empty() {
            let mac = self.hwaddr.parse().map_err(|error| {
                Error::new(Code::InvalidConfig, format!("key hwaddr: {error}"))
                    .details("write bytes in hexadecimal, for example 02:00:5e:10:00:01")
            })?;
            return Ok(Selector::Mac(mac));
        }
        if !self.kernelpath.is_empty() {
            return device_path(&self.kernelpath).map(Selector::Path);
        }
        let pci = pci.map(|address| Selector::Pci(address.to_owned()));
        pci.or(auxiliary.map(Selector::Auxiliary)).ok_or_else(|| {
            let msg = r#"specify either "device", "hwaddr", "kernelpath" or "pciBusID""#;
            Error::new(Code::InvalidConfig, msg)
        })
    }
}

fn device_path(text: &str) -> Result<PathBuf, Error> {
    let path = Path::new(text);
    let climbs = path.components().any(|part| part == Component::ParentDir);
    if text.starts_with(DEVICES) && !climbs {
        return Ok(path.to_owned());
    }
    let msg = format!("key kernelpath {text:?}: not a path below {DEVICES}");
    Err(Error::new(Code::InvalidConfig, msg)
        .details("write the absolute path of the device, for example what readlink -f /sys/class/net/eth1/device prints"))
}

#[cfg(test)]
mod tests {
    use cni_types::json::JsonValue;

    use super::*;

    fn selector(text: &str) -> Result<Selector, Error> {
        let config: Config = JsonValue::read(text.as_bytes()).unwrap().decode().unwrap();
        config.device().map(|device| device.selector)
    }

    #[test]
    fn the_first_key_wins() {
        let mac = r#""hwaddr": "02:00:00:00:00:01""#;
        let path = r#""kernelpath": "/sys/devices/pci0000:00/0000:00:1f.6""#;
        assert_eq!(
            selector(&format!(r#"{{"DEVICE": "eth1", {mac}, {path}}}"#)),
            Ok(Selector::Name("eth1".into()))
        );
        assert_eq!(
            selector(&format!("{{{mac}, {path}}}")),
            Ok(Selector::Mac([2, 0, 0, 0, 0, 1].into()))
        );
        assert_eq!(
            selector(&format!(r#"{{"device": "", {path}}}"#)),
            Ok(Selector::Path(
                "/sys/devices/pci0000:00/0000:00:1f.6".into()
            ))
        );
    }

    #[test]
    fn what_names_no_device_is_refused_with_its_key() {
        for (text, part) in [
            (
                "{}",
                r#"specify either "device", "hwaddr", "kernelpath" or "pciBusID""#,
            ),
            (r#"{"hwaddr": "x"}"#, "key hwaddr"),
            (r#"{"kernelpath": "sys/devices/x"}"#, "key kernelpath"),
            (
                r#"{"kernelpath": "/sys/devices/../class"}"#,
                "key kernelpath",
            ),
            (r#"{"pciBusID": "../x"}"#, "not the name of a device"),
        ] {
            let error = selector(text).unwrap_err();
            assert!(error.code == 7 && error.msg.contains(part), "{error}");
        }
        let error = selector(r#"{"runtimeConfig": {"deviceID": "nothing-like-it"}}"#).unwrap_err();
        assert!(error.msg.contains("runtimeConfig.deviceID"), "{error}");
        let error = selector(r#"{"pciBusID": "ffff:ff:ff.f"}"#).unwrap_err();
        assert!(error.msg.contains("ffff:ff:ff.f"), "{error}");
    }

    #[test]
    fn dpdk_mode_is_a_key() {
        let config: Config = JsonValue::read(br#"{"dpdkmode": true, "device": "eth1"}"#)
            .unwrap()
            .decode()
            .unwrap();
        assert!(config.device().unwrap().in_user_space);
    }
}
