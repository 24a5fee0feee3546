//! Making a reservation visible all at once.
//!
//! A Go plugin creates the file and then fills it, so that a crash in between leaves an empty file
//! that no DEL finds. Here the content is written to a file aside, in a folder of our own on the same
//! file system, which is then linked to its name. link(2) fails where the name is taken, exactly
//! like an exclusive creation, and is the guard against handing an address out twice.
//!
//! Nothing is flushed to the disk, as upstream does not either: after a loss of power no container
//! of the node is alive, and GC or the emptying of the folder at boot clears what was left.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The mode of reservation files since upstream's 1.4.0.
const MODE: u32 = 0o600;

/// Contents on their way to a name. The file aside goes with this value.
#[derive(Debug)]
pub(super) struct Publisher {
    aside: PathBuf,
    /// What the file aside holds, once it is there.
    ready: Option<Vec<u8>>,
}

impl Publisher {
    /// A publisher that uses `aside`, which no other process uses at the same time.
    pub(super) fn new(aside: PathBuf) -> Self {
        Self { aside, ready: None }
    }

    /// Gives `content` the name `path`, unless it is taken: then `false`.
    pub(super) fn publish(&mut self, path: &Path, content: &[u8]) -> io::Result<bool> {
        match self.link(path, content) {
            Ok(()) => {
                self.discard();
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            // The folder is a mount of its own (EXDEV), the file system knows no links (EPERM), or
            // ours cannot be written: then as upstream. What is wrong for both shows now.
            Err(_) => create(path, content),
        }
    }

    fn link(&mut self, path: &Path, content: &[u8]) -> io::Result<()> {
        if self.ready.as_deref() != Some(content) {
            self.prepare(content)?;
        }
        fs::hard_link(&self.aside, path)
    }

    fn prepare(&mut self, content: &[u8]) -> io::Result<()> {
        self.ready = None;
        let mut file = match create_new(&self.aside) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                super::create_private_folder(&self.aside)?;
                create_new(&self.aside)?
            }
            // Left by a killed process, and perhaps linked to a living reservation: it must not be
            // written to.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                remove_if_there(&self.aside)?;
                create_new(&self.aside)?
            }
            other => other?,
        };
        // From here on there is a file to discard, even if it cannot be filled.
        self.ready = Some(Vec::new());
        file.write_all(content)?;
        self.ready = Some(content.to_owned());
        Ok(())
    }

    fn discard(&mut self) {
        if self.ready.take().is_some() {
            // The next ADD removes it first, so nothing is lost where this fails.
            let _ = fs::remove_file(&self.aside);
        }
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.discard();
    }
}

/// As upstream: create, then fill; `false` where the name is taken.
fn create(path: &Path, content: &[u8]) -> io::Result<bool> {
    let mut file = match create_new(path) {
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

fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(MODE)
        .open(path)
}

/// Removes a file; one that is not there is as good.
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
        let (aside, name) = (
            folder.path().join("own/aside"),
            folder.path().join("10.0.0.2"),
        );
        let mut publisher = Publisher::new(aside.clone());
        assert!(publisher.publish(&name, b"c1\r\neth0").unwrap());
        assert_eq!(fs::read(&name).unwrap(), b"c1\r\neth0");
        let metadata = fs::metadata(&name).unwrap();
        assert_eq!((metadata.mode() & 0o7777, metadata.nlink()), (0o600, 1));
        assert!(!aside.exists() && aside.parent().unwrap().exists());
    }

    #[test]
    fn a_taken_name_is_left_alone_and_the_next_one_is_tried_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("10.0.0.2")).unwrap();
        fs::write(at("10.0.0.3"), "").unwrap();
        let mut publisher = Publisher::new(at("aside"));
        assert!(!publisher.publish(&at("10.0.0.2"), b"a").unwrap());
        assert!(!publisher.publish(&at("10.0.0.3"), b"a").unwrap());
        assert!(publisher.publish(&at("10.0.0.4"), b"a").unwrap());
        assert_eq!(fs::read(at("10.0.0.3")).unwrap(), b"");
        assert!(publisher.publish(&at("10.0.0.5"), b"b").unwrap());
        assert_eq!(fs::read(at("10.0.0.4")).unwrap(), b"a");
        assert_eq!(fs::read(at("10.0.0.5")).unwrap(), b"b");
        assert!(!at("aside").exists());
    }

    #[test]
    fn a_file_aside_that_is_linked_to_a_reservation_is_not_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("aside"), "living").unwrap();
        fs::hard_link(at("aside"), at("10.0.0.2")).unwrap();
        assert!(
            Publisher::new(at("aside"))
                .publish(&at("10.0.0.3"), b"new")
                .unwrap()
        );
        assert_eq!(fs::read(at("10.0.0.2")).unwrap(), b"living");
        assert_eq!(fs::read(at("10.0.0.3")).unwrap(), b"new");
    }

    #[test]
    fn where_nothing_can_be_put_aside_the_file_is_created() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "").unwrap();
        let mut publisher = Publisher::new(at("file").join("aside"));
        assert!(publisher.publish(&at("10.0.0.2"), b"a").unwrap());
        assert!(!publisher.publish(&at("10.0.0.2"), b"a").unwrap());
        assert_eq!(fs::read(at("10.0.0.2")).unwrap(), b"a");
        assert!(publisher.publish(&at("none/10.0.0.2"), b"a").is_err());
    }
}
