//! Finds a plugin's executable.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::ExecError;

/// Finds the plugin `name` in the folders of `path`, which are separated by colons as in
/// `CNI_PATH`.
///
/// The first executable regular file wins. A file that is not executable is used only if there is no
/// other; starting it reports the error. Empty folder names are skipped: as the working directory
/// they would run any file there.
pub fn find_plugin(name: &str, path: &OsStr) -> Result<PathBuf, ExecError> {
    if name.is_empty() {
        return Err(ExecError::NoName);
    }
    if name.contains('/') {
        return Err(ExecError::InvalidName(name.to_owned()));
    }
    let folders: Vec<&Path> = path
        .as_bytes()
        .split(|byte| *byte == b':')
        .filter(|folder| !folder.is_empty())
        .map(|folder| Path::new(OsStr::from_bytes(folder)))
        .collect();
    if folders.is_empty() {
        return Err(ExecError::NoPath);
    }
    let mut unusable = None;
    for candidate in folders.iter().map(|folder| folder.join(name)) {
        match fs::metadata(&candidate) {
            Ok(found) if !found.is_file() => {}
            Ok(found) if found.permissions().mode() & 0o111 != 0 => return Ok(candidate),
            Ok(_) => unusable = unusable.or(Some(candidate)),
            Err(_) => {}
        }
    }
    unusable.ok_or_else(|| ExecError::NotFound {
        name: name.to_owned(),
        path: folders
            .iter()
            .map(|folder| folder.display().to_string())
            .collect(),
    })
}
