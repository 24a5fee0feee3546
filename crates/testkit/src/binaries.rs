//! Where the executables under test are.

use std::path::{Path, PathBuf};

/// Where Debian's package `containernetworking-plugins` puts the Go plugins.
pub const PEER_FOLDER: &str = "/usr/lib/cni";

/// Names the folder to take our executables from. `tests/executables` builds them and sets it, and
/// leaves one alone that was set by hand, for instance to release builds.
const FOLDER_VARIABLE: &str = "FERRULE_BIN_DIR";

/// The folder with our executables.
///
/// # Panics
/// When nobody says which: what lies in cargo's folder may be older than the source.
#[track_caller]
pub fn folder() -> PathBuf {
    given_folder().expect(
        "FERRULE_BIN_DIR is not set: run `make test T=NAME` or `cargo nextest run`, which build the \
         executables, or set it to the folder of those to test",
    )
}

fn given_folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER_VARIABLE)
        .filter(|folder| !folder.is_empty())
        .map(PathBuf::from)
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

/// Whether the executables bear the name of their build behind the last byte. While tests are
/// listed, they need not be built yet: those that `tests/executables` builds do.
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
