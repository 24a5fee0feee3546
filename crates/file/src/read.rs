//! Reading files that somebody else names or writes.
//!
//! A path may lead to a file without an end, as `/dev/zero`, to one that is never written, as a
//! named pipe, or to one that was filled to do harm.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use nix::fcntl::OFlag;
use nix::unistd::geteuid;

/// What every configuration, record and list of the kernel has room in, in bytes.
const MOST: u64 = 16 << 20;

/// What most of them have room in.
const USUAL: usize = 4 << 10;

/// The whole content of a file; one of more than 16 MiB is an error. Nothing is waited for.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    whole(&open(path, OFlag::empty())?, MOST)
}

/// As [`read`], of a text.
pub fn read_text(path: &Path) -> io::Result<String> {
    let not_text = |_| io::Error::new(ErrorKind::InvalidData, "not a text in UTF-8");
    String::from_utf8(read(path)?).map_err(not_text)
}

/// As [`read`], of a file that this process's user has written. A link is not followed; a file of
/// somebody else's, or anything but a file, is an error.
pub fn read_own(path: &Path) -> io::Result<Vec<u8>> {
    let file = open(path, OFlag::O_NOFOLLOW)?;
    let found = file.metadata()?;
    if !found.is_file() || found.uid() != geteuid().as_raw() {
        return Err(io::Error::other("not a file of this user's"));
    }
    whole(&file, MOST)
}

fn open(path: &Path, flags: OFlag) -> io::Result<File> {
    // A pipe without a writer ends at once, a terminal does not become this process's.
    let flags = flags | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits())
        .open(path)
}

fn whole(file: &File, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(USUAL);
    let read = file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if read as u64 > most {
        let message = format!("longer than {most} bytes");
        return Err(io::Error::new(ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    #[test]
    fn a_file_is_read_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "abc").unwrap();
        let file = File::open(&path).unwrap();
        let error = whole(&file, 2).unwrap_err();
        assert_eq!(error.to_string(), "longer than 2 bytes");
        assert_eq!(whole(&File::open(&path).unwrap(), 3).unwrap(), b"abc");
        assert_eq!(read_text(&path).unwrap(), "abc");
        fs::write(&path, b"\xff").unwrap();
        assert_eq!(read(&path).unwrap(), b"\xff");
        assert_eq!(read_text(&path).unwrap_err().kind(), ErrorKind::InvalidData);
    }

    #[test]
    fn only_a_file_of_ones_own_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name| folder.path().join(name);
        fs::write(path("file"), "abc").unwrap();
        assert_eq!(read_own(&path("file")).unwrap(), b"abc");
        std::os::unix::fs::symlink(path("file"), path("link")).unwrap();
        mkfifo(&path("pipe"), Mode::S_IRWXU).unwrap();
        for name in ["link", "pipe", "."] {
            assert!(read_own(&path(name)).is_err(), "{name}");
        }
        assert!(read_own(Path::new("/dev/null")).is_err());
        let absent = read_own(&path("none")).unwrap_err();
        assert_eq!(absent.kind(), ErrorKind::NotFound);
    }

    #[test]
    fn nothing_is_waited_for() {
        let endless = read(Path::new("/dev/zero")).unwrap_err();
        assert_eq!(endless.kind(), ErrorKind::FileTooLarge);
        assert_eq!(read(Path::new("/dev/null")).unwrap(), b"");
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        mkfifo(&pipe, Mode::S_IRWXU).unwrap();
        assert_eq!(read(&pipe).unwrap(), b"");
        let _writer = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&pipe)
            .unwrap();
        assert_eq!(read(&pipe).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(read(folder.path()).is_err());
    }
}
