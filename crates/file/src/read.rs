//! Reading of files that others name or write.
//!
//! A path may be that of a file without an end (`/dev/zero`), of a named pipe that nobody writes to,
//! or of a file that was made large to do harm.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use nix::fcntl::OFlag;
use nix::unistd::geteuid;

/// Upper bound of configurations, records and lists of the kernel, in bytes.
const MAX_BYTES: u64 = 16 << 20;

/// Initial capacity of the buffer, in bytes.
const CAPACITY: usize = 4 << 10;

/// The content of a file; more than 16 MiB is an error. Does not block on a pipe or terminal.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    whole(&open(path, OFlag::empty())?, MAX_BYTES)
}

/// As [`read`], of UTF-8 text.
pub fn read_text(path: &Path) -> io::Result<String> {
    let not_text = |_| io::Error::new(ErrorKind::InvalidData, "not a text in UTF-8");
    String::from_utf8(read(path)?).map_err(not_text)
}

/// As [`read`], of a regular file that belongs to this process's user. Anything else is an error; a
/// symbolic link is not followed.
pub fn read_own(path: &Path) -> io::Result<Vec<u8>> {
    let file = open(path, OFlag::O_NOFOLLOW)?;
    let found = file.metadata()?;
    if !found.is_file() || found.uid() != geteuid().as_raw() {
        return Err(io::Error::other("not a file of this user's"));
    }
    whole(&file, MAX_BYTES)
}

fn open(path: &Path, flags: OFlag) -> io::Result<File> {
    // A pipe without a writer is empty, and a terminal does not become the controlling one.
    let flags = flags | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits())
        .open(path)
}

fn whole(file: &File, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(CAPACITY);
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
