//! Files and folders with access for their owner alone.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Suffix of the temporary file that [`write()`] renames. A killed process leaves such a file.
pub const TEMP_SUFFIX: &str = ".new";

/// Creates a file (mode 0600), or replaces it by rename(2): a reader sees either the old content or
/// the new one. Only one process at a time may write the same file.
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    prepare(path, content)?;
    fs::rename(temp_path(path), path)
}

/// As [`write()`], and the content survives a loss of power once this returns.
pub fn write_synced(path: &Path, content: &[u8]) -> io::Result<()> {
    prepare(path, content)?.sync_all()?;
    fs::rename(temp_path(path), path)?;
    // The new name is in the folder.
    path.parent()
        .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// Writes the content into the file that is to be renamed.
fn prepare(path: &Path, content: &[u8]) -> io::Result<File> {
    let temp = temp_path(path);
    // Never an existing file: it may be a symbolic link, or readable by others.
    let create = || {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600).open(&temp)
    };
    let mut file = match create() {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            fs::remove_file(&temp)?;
            create()?
        }
        created => created?,
    };
    file.write_all(content)?;
    Ok(file)
}

/// The temporary file that [`write()`] renames to `path`.
pub fn temp_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(TEMP_SUFFIX);
    name.into()
}

/// Creates a folder of mode 0700 unless it exists. Missing parents get mode 0755, as other programs
/// have folders there as well.
pub fn create_private_folder(path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        let mut parents = DirBuilder::new();
        parents.recursive(true).mode(0o755).create(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        outcome => outcome,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_file_is_replaced_whole_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let private = folder.path().join("a/b");
        create_private_folder(&private).unwrap();
        create_private_folder(&private).unwrap();
        assert_eq!(mode(&private), 0o700);
        let path = private.join("file");
        write(&path, b"first").unwrap();
        // Left by a killed process.
        fs::write(temp_path(&path), "second, but lon").unwrap();
        write(&path, b"third").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"third");
        write_synced(&path, b"fourth").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"fourth");
        assert_eq!(mode(&path), 0o600);
        assert_eq!(fs::read_dir(&private).unwrap().count(), 1);
    }

    #[test]
    fn a_link_is_replaced_and_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("file"), folder.path().join("other"));
        fs::write(&other, "other").unwrap();
        symlink(&other, temp_path(&path)).unwrap();
        write(&path, b"x").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"x");
        assert_eq!(fs::read(&other).unwrap(), b"other");
    }
}
