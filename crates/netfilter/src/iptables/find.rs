//! Finding the tools.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Searched after PATH: plugins inherit the runtime's PATH, and some runtimes' lacks the `sbin`
/// directories.
const DEFAULT_PATH: [&str; 6] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
];

/// Where a tool writes its rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// Tables of `nf_tables`, where every chain is a chain of that.
    Nft,
    /// `ip_tables` and `ip6_tables`.
    Legacy,
    /// A script or an unusual build: one of the two, unknown which.
    Unknown,
}

/// Finds an executable.
pub(super) fn executable(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .filter(|folder| folder.is_absolute())
        .chain(DEFAULT_PATH.map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// The variant of an executable, by the program its symbolic links lead to.
pub(super) fn variant(executable: &Path) -> Variant {
    let target = fs::canonicalize(executable);
    let program = target.as_deref().unwrap_or(executable).file_name();
    match program.and_then(|name| name.to_str()) {
        Some("xtables-nft-multi") => Variant::Nft,
        // The second is its name from before the nft variant existed.
        Some("xtables-legacy-multi" | "xtables-multi") => Variant::Legacy,
        _ => Variant::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn variants_are_told_by_the_program_behind_the_links() {
        let folder = tempfile::tempdir().unwrap();
        for (program, expected) in [
            ("xtables-nft-multi", Variant::Nft),
            ("xtables-legacy-multi", Variant::Legacy),
            ("xtables-multi", Variant::Legacy),
            ("wrapper", Variant::Unknown),
        ] {
            let file = folder.path().join(program);
            fs::write(&file, "").unwrap();
            let link = folder.path().join(format!("iptables-{program}"));
            symlink(&file, &link).unwrap();
            assert_eq!(variant(&link), expected);
        }
    }

    #[test]
    fn files_that_cannot_be_executed_are_no_tools() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tool");
        fs::write(&file, "").unwrap();
        assert!(!is_executable(&file));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(is_executable(&file));
        assert!(!is_executable(folder.path()));
    }

    #[test]
    fn nothing_is_found_under_a_name_nothing_has() {
        assert_eq!(executable("no-tool-is-called-like-this"), None);
        assert!(executable("sh").is_some());
    }
}
