//! Kernel settings below `/proc/sys`.
//!
//! Names are paths with slashes (`net/ipv4/conf/eth0.100/arp_notify`), not the dotted notation, which
//! is ambiguous for interface names with a dot. Settings below `net` are those of the calling
//! thread's network namespace.

mod beneath;

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write as _};
use std::path::PathBuf;

use thiserror::Error;

use ferrule_file::io_text;

pub use beneath::{is_read_only, read_net, write_net};

/// Root of the settings.
const ROOT: &str = "/proc/sys";

/// Why a setting could not be read or written.
#[derive(Debug, Error)]
#[error("cannot {step}: {}", io_text(.source))]
pub struct SysctlError {
    /// `read sysctl NAME` or `set sysctl NAME to VALUE`.
    step: String,
    /// The kernel's answer.
    source: io::Error,
}

impl SysctlError {
    /// For `map_err`, of reading.
    fn read(name: &str) -> impl FnOnce(io::Error) -> Self {
        let step = format!("read sysctl {name:?}");
        move |source| Self { step, source }
    }

    /// For `map_err`, of writing.
    fn set(name: &str, value: &str) -> impl FnOnce(io::Error) -> Self {
        let step = format!("set sysctl {name:?} to {value:?}");
        move |source| Self { step, source }
    }

    /// The kind of the kernel's answer.
    pub fn kind(&self) -> ErrorKind {
        self.source.kind()
    }

    /// Whether the setting does not exist: the interface is missing, or the kernel lacks the feature.
    pub fn is_not_found(&self) -> bool {
        self.kind() == ErrorKind::NotFound
    }
}

/// The value of a setting, without leading and trailing white space.
pub fn read(path: &str) -> Result<String, SysctlError> {
    let text = file_of(path).and_then(|file| ferrule_file::read_text(&file));
    let text = text.map_err(SysctlError::read(path))?;
    Ok(text.trim().to_owned())
}

/// Sets a setting. The value is written as given, in one write(2).
pub fn write(path: &str, value: &str) -> Result<(), SysctlError> {
    file_of(path)
        .and_then(|file| OpenOptions::new().write(true).open(file))
        .and_then(|mut setting| setting.write_all(value.as_bytes()))
        .map_err(SysctlError::set(path, value))
}

/// Sets a setting to `1`; returns `false` if it was `1` already. That case also succeeds on a
/// read-only file system.
pub fn enable(path: &str) -> Result<bool, SysctlError> {
    if read(path)? == "1" {
        return Ok(false);
    }
    write(path, "1")?;
    Ok(true)
}

fn file_of(name: &str) -> io::Result<PathBuf> {
    let plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('\0');
    if name.split('/').all(plain) {
        Ok(PathBuf::from(format!("{ROOT}/{name}")))
    } else {
        Err(invalid_name())
    }
}

fn invalid_name() -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, "not the name of a setting")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_inside_a_part_belong_to_the_name() {
        let file = file_of("net/ipv4/conf/eth0.100/arp_notify").unwrap();
        assert_eq!(
            file,
            PathBuf::from("/proc/sys/net/ipv4/conf/eth0.100/arp_notify")
        );
    }

    #[test]
    fn names_outside_the_root_are_refused() {
        for name in [
            "",
            "/net",
            "net/",
            "net//ipv4",
            "net/../kernel",
            "net/./ipv4",
            "net\0",
        ] {
            let error = file_of(name).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{name:?}");
        }
    }

    #[test]
    fn a_missing_setting_is_not_found() {
        let error = read("net/no_such_setting").unwrap_err();
        assert!(error.is_not_found());
        assert_eq!(
            error.to_string(),
            "cannot read sysctl \"net/no_such_setting\": no such file or directory (os error 2)"
        );
    }
}
