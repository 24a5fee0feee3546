//! Recognises an executable of the same build.
//!
//! The makefile names a build by what it is made from, compiles that name in, and writes it behind
//! the last byte of every executable. A stripped or wrapped executable, or one built
//! without the makefile, lacks the name and counts as a different build.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

/// The name of this build; none outside the makefile.
const BUILD: Option<&str> = option_env!("FERRULE_BUILD");

/// Whether the executable at `path` is of the same build as this one.
///
/// Returns false for an executable that cannot be read; starting it reports the error.
pub(crate) fn is_same(path: &Path) -> bool {
    BUILD.is_some_and(|build| ends_with(path, build.as_bytes()).unwrap_or(false))
}

fn ends_with(path: &Path, name: &[u8]) -> io::Result<bool> {
    let Ok(length) = i64::try_from(name.len()) else {
        return Ok(false);
    };
    let mut file = File::open(path)?;
    file.seek(SeekFrom::End(-length))?;
    let mut end = vec![0; name.len()];
    file.read_exact(&mut end)?;
    Ok(!name.is_empty() && end == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_end_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plugin");
        for (content, expected) in [
            ("executable abc", true),
            ("abc", true),
            ("executable abd", false),
            ("executable abc\n", false),
            ("bc", false),
            ("", false),
        ] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(
                ends_with(&path, b"abc").unwrap_or(false),
                expected,
                "{content:?}"
            );
        }
        assert!(!ends_with(&path, b"").unwrap_or(false));
        assert!(!ends_with(&folder.path().join("absent"), b"abc").unwrap_or(false));
    }
}
