//! A check for forgotten test files: a file that no module declares is never compiled.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Checks that every source file below a package's `tests/` is the root of a test executable (a
/// `path` in its Cargo.toml) or a module of one.
///
/// # Panics
/// If one is neither, or cannot be read.
#[track_caller]
pub fn assert_every_file_is_a_module(package: &str) {
    let forgotten = forgotten(Path::new(package));
    assert!(
        forgotten.is_empty(),
        "never compiled, as no module declares them: {forgotten:?}"
    );
}

fn forgotten(package: &Path) -> BTreeSet<PathBuf> {
    let manifest = read(&package.join("Cargo.toml"));
    let roots = manifest
        .lines()
        .filter_map(|line| line.strip_prefix("path = \"")?.strip_suffix('"'));
    let mut compiled = BTreeSet::new();
    for root in roots {
        let root = package.join(root);
        let folder = root.parent().unwrap_or(package).to_owned();
        add_with_children(root, &folder, &mut compiled);
    }
    let mut all = BTreeSet::new();
    add_sources(&package.join("tests"), &mut all);
    all.difference(&compiled).cloned().collect()
}

/// Adds a file and the modules that it declares, which are in `folder`.
fn add_with_children(file: PathBuf, folder: &Path, compiled: &mut BTreeSet<PathBuf>) {
    let text = read(&file);
    compiled.insert(file);
    for name in text.lines().filter_map(declared) {
        let inner = folder.join(name);
        let file = folder.join(format!("{name}.rs"));
        let candidates = [file, inner.join("mod.rs")];
        // Neither exists if an attribute sets the path: that file belongs to another package.
        if let Some(file) = candidates.into_iter().find(|file| file.exists()) {
            add_with_children(file, &inner, compiled);
        }
    }
}

/// The module that a line declares, if it is in another file.
fn declared(line: &str) -> Option<&str> {
    let (visibility, name) = line.strip_suffix(';')?.split_once("mod ")?;
    (visibility.is_empty() || visibility.starts_with("pub")).then_some(name)
}

fn add_sources(folder: &Path, all: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(folder).expect("list the folder of the tests") {
        let path = entry.expect("list the folder of the tests").path();
        if path.is_dir() {
            add_sources(&path, all);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.insert(path);
        }
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_no_module_declares_is_found() {
        let package = std::env::temp_dir().join(format!("ferrule-modules-{}", std::process::id()));
        let write = |name: &str, text: &str| {
            let path = package.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("Cargo.toml", "[[test]]\npath = \"tests/main.rs\"\n");
        write("tests/main.rs", "mod one;\nmod two;\n// mod four;\n");
        write("tests/one.rs", "pub(crate) mod inner;\n");
        write("tests/one/inner.rs", "");
        write("tests/two/mod.rs", "mod three;\n");
        write("tests/two/three.rs", "");
        assert_eq!(forgotten(&package), BTreeSet::new());
        write("tests/four.rs", "fn main() {}\n");
        write("tests/two/five.rs", "");
        let expected = ["tests/four.rs", "tests/two/five.rs"].map(|name| package.join(name));
        assert_eq!(forgotten(&package), expected.into());
        fs::remove_dir_all(&package).unwrap();
    }
}
