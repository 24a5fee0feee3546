//! Kernel settings below `/proc/sys`.
//!
//! Names are paths with slashes (`net/ipv4/conf/eth0.100/arp_notify`), never the dotted notation,
//! in which an interface name with a dot cannot be told from two levels. Those below `net` belong
//! to the network namespace the calling thread is in.

mod beneath;

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::PathBuf;

use thiserror::Error;

use ferrule_file::io_text;

pub use beneath::{is_read_only, read_net, write_net};

/// Where the kernel shows its settings.
const ROOT: &str = "/proc/sys";

/// Why a setting could not be read or written.
#[derive(Debug, Error)]
pub enum SysctlError {
    /// The name is not a plain relative path.
    #[error("invalid sysctl name: {name:?}")]
    Name {
        /// The name as it was given.
        name: String,
    },
    /// The kernel refused the reading.
    #[error("cannot read sysctl {name:?}: {}", io_text(.source))]
    Read {
        /// The name as it was given.
        name: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The kernel refused the writing.
    #[error("cannot set sysctl {name:?} to {value:?}: {}", io_text(.source))]
    Write {
        /// The name as it was given.
        name: String,
        /// The refused value.
        value: String,
        /// The kernel's answer.
        source: io::Error,
    },
}

impl SysctlError {
    /// Whether the kernel has no such setting: an absent interface, or a feature it was built
    /// without.
    pub fn is_not_found(&self) -> bool {
        match self {
            Self::Name { .. } => false,
            Self::Read { source, .. } | Self::Write { source, .. } => {
                source.kind() == io::ErrorKind::NotFound
            }
        }
    }
}

/// The value of a setting without white space around it.
pub fn read(path: &str) -> Result<String, SysctlError> {
    let text = ferrule_file::read_text(&file_of(path)?).map_err(|source| SysctlError::Read {
        name: path.to_owned(),
        source,
    })?;
    Ok(text.trim().to_owned())
}

/// Sets a setting. The value goes to the kernel in one write, as given.
pub fn write(path: &str, value: &str) -> Result<(), SysctlError> {
    let file = file_of(path)?;
    OpenOptions::new()
        .write(true)
        .open(file)
        .and_then(|mut setting| setting.write_all(value.as_bytes()))
        .map_err(|source| SysctlError::Write {
            name: path.to_owned(),
            value: value.to_owned(),
            source,
        })
}

/// Makes a setting read `1`; returns whether it had to be written. Leaving a switched-on setting
/// alone also works where the file system is read-only.
pub fn enable(path: &str) -> Result<bool, SysctlError> {
    if read(path)? == "1" {
        return Ok(false);
    }
    write(path, "1")?;
    Ok(true)
}

fn file_of(name: &str) -> Result<PathBuf, SysctlError> {
    let plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('\0');
    if name.split('/').all(plain) {
        Ok(PathBuf::from(format!("{ROOT}/{name}")))
    } else {
        Err(SysctlError::Name {
            name: name.to_owned(),
        })
    }
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
    fn names_that_lead_elsewhere_are_refused() {
        for name in [
            "",
            "/net",
            "net/",
            "net//ipv4",
            "net/../kernel",
            "net/./ipv4",
            "net\0",
        ] {
            assert!(
                matches!(file_of(name), Err(SysctlError::Name { .. })),
                "{name:?}"
            );
        }
    }

    #[test]
    fn a_missing_setting_says_so() {
        let error = read("net/no_such_setting").unwrap_err();
        assert!(error.is_not_found());
        assert_eq!(
            error.to_string(),
            "cannot read sysctl \"net/no_such_setting\": no such file or directory (os error 2)"
        );
    }
}
