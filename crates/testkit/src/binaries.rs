//! Where the executables under test are.

use std::path::{Path, PathBuf};

/// Where Debian's package `containernetworking-plugins` puts the Go plugins.
pub const PEER_FOLDER: &str = "/usr/lib/cni";

/// Names the folder to take our executables from, for instance one with release builds.
const FOLDER_VARIABLE: &str = "FERRULE_BIN_DIR";

/// The folder with our executables: `FERRULE_BIN_DIR`, or the cargo profile folder that this
/// test executable is in (`target/debug` for `target/debug/deps/bridge-0123…`).
///
/// # Panics
/// When the kernel does not tell this executable's path.
pub fn folder() -> PathBuf {
    if let Some(folder) = std::env::var_os(FOLDER_VARIABLE).filter(|folder| !folder.is_empty()) {
        return PathBuf::from(folder);
    }
    let executable = std::env::current_exe().expect("the path of this executable");
    profile_folder(&executable).to_owned()
}

/// Cargo's folder of one profile, `target/debug`, that an executable was built to.
pub(crate) fn profile_folder(executable: &Path) -> &Path {
    let folder = executable.parent().unwrap_or(executable);
    if folder.ends_with("deps") {
        folder.parent().unwrap_or(folder)
    } else {
        folder
    }
}

/// Whether the executables bear the name of their build behind the last byte.
pub(crate) fn is_named_build() -> bool {
    const NAME: &[u8] = b"ferrule build ";
    const DIGITS: usize = 64;
    std::fs::read(folder().join("bridge")).is_ok_and(|bytes| {
        let end = bytes.len().saturating_sub(NAME.len() + DIGITS);
        bytes[end..].starts_with(NAME)
    })
}

/// One of our executables.
///
/// # Panics
/// When it was not built.
#[track_caller]
pub(crate) fn ours(name: &str) -> PathBuf {
    present(folder().join(name))
}

/// The path itself, when there is a file.
#[track_caller]
pub(crate) fn present(executable: PathBuf) -> PathBuf {
    assert!(
        executable.is_file(),
        "{} is missing: run `make test`, which builds and installs what the tests need",
        executable.display()
    );
    executable
}
