//! Network settings whose names come from outside: neither symbolic links nor `..` lead out of
//! `/proc/sys/net`.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;

use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;
use nix::sys::statvfs::{FsFlags, statvfs};

use super::{SysctlError, file_of, invalid_name};

/// Settings of the calling thread's network namespace.
const NET: &str = "/proc/sys/net";

/// Upper bound of a value, in bytes.
const MOST: u64 = 1 << 20;

/// Flags of every open(2): symbolic links are not followed, and the open does not block.
const FLAGS: OFlag = OFlag::O_NOFOLLOW
    .union(OFlag::O_NONBLOCK)
    .union(OFlag::O_NOCTTY)
    .union(OFlag::O_CLOEXEC);

/// As [`read`](super::read), of a setting below `net`, without following symbolic links.
pub fn read_net(path: &str) -> Result<String, SysctlError> {
    let mut text = String::new();
    open_beneath(path, OFlag::O_RDONLY)
        .and_then(|file| file.take(MOST).read_to_string(&mut text))
        .map_err(SysctlError::read(path))?;
    Ok(text.trim().to_owned())
}

/// As [`write`](super::write), of a setting below `net`, without following symbolic links.
pub fn write_net(path: &str, value: &str) -> Result<(), SysctlError> {
    open_beneath(path, OFlag::O_WRONLY)
        .and_then(|mut file| file.write_all(value.as_bytes()))
        .map_err(SysctlError::set(path, value))
}

/// Whether `/proc/sys/net` is mounted read-only, as in an unprivileged container.
pub fn is_read_only() -> bool {
    statvfs(NET).is_ok_and(|found| found.flags().contains(FsFlags::ST_RDONLY))
}

/// Opens one component after the other; openat2(2) with `RESOLVE_BENEATH` needs kernel 5.6.
fn open_beneath(path: &str, access: OFlag) -> io::Result<File> {
    file_of(path)?;
    let below = path.strip_prefix("net/").ok_or_else(invalid_name)?;
    let (folders, name) = below.rsplit_once('/').unwrap_or(("", below));
    let folder = OFlag::O_PATH | OFlag::O_DIRECTORY | FLAGS;
    let mut parent: OwnedFd = open(NET, folder, Mode::empty())?;
    for part in folders.split('/').filter(|part| !part.is_empty()) {
        parent = openat(&parent, part, folder, Mode::empty())?;
    }
    let file = openat(&parent, name, access | FLAGS, Mode::empty())?;
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_below_net_are_taken() {
        for name in [
            "net",
            "net/",
            "net/../kernel/hostname",
            "/net/core",
            "kernel/hostname",
        ] {
            let refused = |error: SysctlError| error.kind() == io::ErrorKind::InvalidInput;
            assert!(read_net(name).is_err_and(refused), "{name:?}");
            assert!(write_net(name, "x").is_err_and(refused), "{name:?}");
        }
    }
}
