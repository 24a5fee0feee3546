//! Paths of the executables under test.

use std::path::{Path, PathBuf};

/// Where Debian's package `containernetworking-plugins` puts the Go plugins.
pub const PEER_FOLDER: &str = "/usr/lib/cni";

/// Another folder of Go plugins for the interoperation tests (`make interop`).
const PEER_VARIABLE: &str = "FERRULE_PEER_DIR";

/// The folder of our executables. `tests/executables` builds them and sets the variable, unless it
/// was set by hand, for instance to release builds.
const FOLDER_VARIABLE: &str = "FERRULE_BIN_DIR";

/// The folder of our executables.
///
/// # Panics
/// If the variable is not set: those in cargo's folder may be older than the source.
#[track_caller]
pub fn folder() -> PathBuf {
    given_folder().expect(
        "FERRULE_BIN_DIR is not set: run `make test T=NAME` or `cargo nextest run`, which build the \
         executables, or set it to the folder of those to test",
    )
}

/// The folder with the Go plugins that interoperation is tested with: Debian's, or another one.
pub fn peer_folder() -> PathBuf {
    let given = std::env::var_os(PEER_VARIABLE).filter(|folder| !folder.is_empty());
    given.map_or_else(|| PathBuf::from(PEER_FOLDER), PathBuf::from)
}

/// Whether the folder under test has this plugin. While tests are listed, ours need not be built
/// yet: `tests/executables` builds them all.
pub(crate) fn has_plugin(name: &str) -> bool {
    given_folder().is_none_or(|folder| folder.join(name).is_file())
}

fn given_folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER_VARIABLE)
        .filter(|folder| !folder.is_empty())
        .map(PathBuf::from)
}

/// The folder of a profile (`target/debug`) in which cargo has built an executable.
pub(crate) fn profile_folder(executable: &Path) -> &Path {
    let folder = executable.parent().unwrap_or(executable);
    if folder.ends_with("deps") {
        folder.parent().unwrap_or(folder)
    } else {
        folder
    }
}

/// Whether the executables have a build id after their last byte. While tests are listed they may not
/// have been built yet; then they will have one.
pub(crate) fn is_named_build() -> bool {
    const NAME: &[u8] = b"ferrule build ";
    const DIGITS: usize = 64;
    given_folder().is_none_or(|folder| {
        std::fs::read(folder.join("bridge")).is_ok_and(|bytes| {
            let end = bytes.len().saturating_sub(NAME.len() + DIGITS);
            bytes[end..].starts_with(NAME)
        })
    })
}

/// The path of one of our executables.
///
/// # Panics
/// If it was not built.
#[track_caller]
pub(crate) fn ours(name: &str) -> PathBuf {
    present(folder().join(name))
}

/// Returns the path if it is that of a file.
#[track_caller]
pub(crate) fn present(executable: PathBuf) -> PathBuf {
    assert!(
        executable.is_file(),
        "{} is missing: run `make test`, which builds and installs what the tests need",
        executable.display()
    );
    executable
}
