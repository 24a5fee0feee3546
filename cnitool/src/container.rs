//! The container id of a network namespace.

use std::path::{Component, Path, PathBuf};

use ferrule_file::os_text;
use sha2::{Digest, Sha512};

use crate::error::CommandError;

/// The length of the hash in the container id, in bytes.
const ID_BYTES: usize = 10;

/// The absolute path, with `.` and `..` resolved lexically, so that it works for a namespace that no
/// longer exists. Only a relative path needs the working folder.
pub(crate) fn absolute(path: &str) -> Result<String, CommandError> {
    let mut whole = PathBuf::from(path);
    if whole.is_relative() {
        let folder = std::env::current_dir().map_err(|error| {
            let hint = match mounted(path) {
                Some(named) => format!("did you mean {}?", named.display()),
                None => "give the absolute path".to_owned(),
            };
            CommandError::new(format!(
                "cannot resolve the relative path {path:?}, as the working folder is gone ({}); {hint}",
                os_text(&error)
            ))
        })?;
        whole = folder.join(whole);
    }
    let mut clean = PathBuf::new();
    for component in whole.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    Ok(Path::new("/").join(clean).to_string_lossy().into_owned())
}

/// The namespace of this name that `ip netns` has made, if there is one.
pub(crate) fn mounted(name: &str) -> Option<PathBuf> {
    let path = Path::new("/run/netns").join(name);
    (!name.contains('/') && path.exists()).then_some(path)
}

/// The id, as in upstream's `cnitool`: `cnitool-` and the beginning of the SHA-512 of the absolute
/// path.
pub(crate) fn id(netns: &str) -> String {
    let hash = Sha512::digest(netns.as_bytes());
    let hex: Vec<String> = hash
        .iter()
        .take(ID_BYTES)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("cnitool-{}", hex.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_upstream() {
        for (netns, expected) in [
            ("/var/run/netns/cnitest", "cnitool-20c433bb2b1d6ede56d6"),
            ("/var/run/netns/testing", "cnitool-77383ca0a0715733ca6f"),
        ] {
            assert_eq!(id(netns), expected);
        }
    }

    #[test]
    fn paths_are_worked_out_by_their_letters() {
        for path in ["/a/b", "/a//b/", "/a/./b", "/a/c/../b", "/../a/b", "/a/b/."] {
            assert_eq!(absolute(path).unwrap(), "/a/b", "{path}");
        }
        assert_eq!(absolute("/").unwrap(), "/");
        let here = std::env::current_dir().unwrap();
        assert_eq!(
            absolute("x/../y").unwrap(),
            here.join("y").to_str().unwrap()
        );
        assert_eq!(
            absolute("..").unwrap(),
            here.parent().unwrap().to_str().unwrap()
        );
    }
}
