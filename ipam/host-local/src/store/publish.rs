//! Creates a reservation file atomically.
//!
//! A Go plugin creates the file and then fills it, so that a crash in between leaves an empty file
//! that no DEL finds. Here the content is written to a file without a name, which then gets its
//! name. link(2) fails where that is taken, exactly like an exclusive creation, and prevents
//! the same address from being allocated twice.
//!
//! Nothing is flushed to the disk, as upstream does not either: after a loss of power no container
//! of the node is alive, and GC or the emptying of the folder at boot clears what was left.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use nix::fcntl::{AT_FDCWD, AtFlags, OFlag};
use nix::unistd::linkat;

/// The mode of reservation files since upstream's 1.4.0.
const MODE: u32 = 0o600;

/// Gives `content` the name `path`, unless it is taken: then `false`.
pub(super) fn publish(folder: &Path, path: &Path, content: &[u8]) -> io::Result<bool> {
    // Asked first, as a file that comes to nothing costs more, and many names may be tried.
    if fs::symlink_metadata(path).is_ok() {
        return Ok(false);
    }
    match unnamed(folder, content).and_then(|file| link(&file, path)) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        // The file system knows no files without a name (NFS, overlay before Linux 6.1), or no
        // links: then as upstream. What is wrong for both shows now.
        Err(_) => create(path, content),
    }
}

fn unnamed(folder: &Path, content: &[u8]) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).mode(MODE);
    let mut file = options.custom_flags(OFlag::O_TMPFILE.bits()).open(folder)?;
    file.write_all(content)?;
    Ok(file)
}

/// By its path in proc(5), as naming the descriptor itself takes a further capability.
fn link(file: &File, path: &Path) -> io::Result<()> {
    let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
    let follow = AtFlags::AT_SYMLINK_FOLLOW;
    Ok(linkat(AT_FDCWD, unnamed.as_str(), AT_FDCWD, path, follow)?)
}

/// As upstream: create, then fill; `false` where the name is taken.
fn create(path: &Path, content: &[u8]) -> io::Result<bool> {
    let mut options = OpenOptions::new();
    let mut file = match options.write(true).create_new(true).mode(MODE).open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(false),
        other => other?,
    };
    match file.write_all(content) {
        Ok(()) => Ok(true),
        Err(error) => {
            let _ = fs::remove_file(path);
            Err(error)
        }
    }
}

/// Removes a file, if it exists.
pub(super) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn a_published_file_is_whole_and_alone() {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().join("10.0.0.2");
        assert!(publish(folder.path(), &name, b"c1\r\neth0").unwrap());
        assert_eq!(fs::read(&name).unwrap(), b"c1\r\neth0");
        let metadata = fs::metadata(&name).unwrap();
        assert_eq!((metadata.mode() & 0o7777, metadata.nlink()), (0o600, 1));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_taken_name_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("10.0.0.2")).unwrap();
        fs::write(at("10.0.0.3"), "").unwrap();
        std::os::unix::fs::symlink("/nowhere", at("10.0.0.4")).unwrap();
        for name in ["10.0.0.2", "10.0.0.3", "10.0.0.4"] {
            assert!(!publish(folder.path(), &at(name), b"a").unwrap());
            assert!(!create(&at(name), b"a").unwrap());
        }
        assert_eq!(fs::read(at("10.0.0.3")).unwrap(), b"");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }

    #[test]
    fn where_files_need_a_name_the_file_is_created() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let elsewhere = Path::new("/proc");
        assert!(unnamed(elsewhere, b"a").is_err());
        assert!(publish(elsewhere, &at("10.0.0.2"), b"a").unwrap());
        assert!(!publish(elsewhere, &at("10.0.0.2"), b"a").unwrap());
        assert_eq!(fs::read(at("10.0.0.2")).unwrap(), b"a");
        assert!(publish(elsewhere, &at("none/10.0.0.2"), b"a").is_err());
    }
}
