//! Files of plugins that name the container.

use std::fs;
use std::path::{Path, PathBuf};

use super::mentions::mentions;
use super::section::Section;
use super::subject::Subject;

/// The folders of plugins, and what in them has a section of its own or is no record.
const FOLDERS: [&str; 2] = ["/run/cni", "/var/lib/cni"];
const LEFT_OUT: [&str; 4] = [
    "/run/cni/locks",
    "/run/cni/host-local",
    "/var/lib/cni/results",
    "/var/lib/cni/networks",
];
/// Bounds of the search: a record is small, and close to the top.
const DEEPEST: usize = 4;
const MOST_FILES: usize = 20_000;
const LARGEST: u64 = 64 << 10;
/// How much of a record is shown.
const LONGEST: usize = 160;

pub(super) fn section(subject: &Subject) -> Section {
    let mut section = Section::new("records", &["file", "content"]);
    let mut left = MOST_FILES;
    for folder in FOLDERS {
        search(Path::new(folder), DEEPEST, &mut left, &mut section, subject);
    }
    if left == 0 {
        section.fault(format!("only the first {MOST_FILES} files were looked at"));
    }
    section
}

fn search(folder: &Path, depth: usize, left: &mut usize, section: &mut Section, subject: &Subject) {
    let Ok(found) = fs::read_dir(folder) else {
        return;
    };
    let mut paths: Vec<PathBuf> = found
        .flatten()
        .take(*left)
        .map(|file| file.path())
        .collect();
    paths.sort_unstable();
    for path in paths {
        let skipped = LEFT_OUT.iter().any(|other| path == Path::new(other));
        let Ok(about) = fs::symlink_metadata(&path) else {
            continue;
        };
        if *left == 0 {
            return;
        }
        *left -= 1;
        if about.is_dir() && !skipped && depth > 1 {
            search(&path, depth - 1, left, section, subject);
        } else if about.is_file() && about.len() <= LARGEST {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let bytes = ferrule_file::read(&path).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            // In names of files an underscore joins the id with that of the interface.
            let id = &subject.container_id;
            if mentions(&name.replace('_', " "), &id.replace('_', " ")) || mentions(&text, id) {
                section.row([path.display().to_string().into(), cut(&text).into()]);
            }
        }
    }
}

/// The beginning of a text, without control characters.
fn cut(text: &str) -> String {
    let printable = text
        .chars()
        .map(|one| if one.is_control() { ' ' } else { one });
    let mut short: String = printable.clone().take(LONGEST).collect();
    if printable.count() > LONGEST {
        short.push('…');
    }
    short.trim_end().to_owned()
}
