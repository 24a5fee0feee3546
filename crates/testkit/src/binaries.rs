//! Where the executables under test are.

use std::path::PathBuf;

/// Where Debian's package `containernetworking-plugins` puts the Go plugins.
pub const PEER_FOLDER: &str = "/usr/lib/cni";

/// Names the folder to take our executables from, for instance one with release builds.
const FOLDER_VARIABLE: &str = "FERRULE_BIN_DIR";

/// The folder with our executables: `FERRULE_BIN_DIR`, or the cargo profile folder that this
/// test executable is in (`target/debug` for `target/debug/deps/bridge-0123…`).
///
/// # Panics
/// When the test executable is not in a cargo target folder.
pub fn folder() -> PathBuf {
    if let Some(folder) = std::env::var_os(FOLDER_VARIABLE).filter(|folder| !folder.is_empty()) {
        return PathBuf::from(folder);
    }
    let executable = std::env::current_exe().expect("the path of this executable");
    let folder = executable.parent().expect("an executable is in a folder");
    let folder = if folder.ends_with("deps") {
        folder.parent().unwrap_or(folder)
    } else {
        folder
    };
    folder.to_owned()
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
