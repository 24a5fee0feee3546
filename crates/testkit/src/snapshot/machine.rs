//! Files and processes of a test's host.

use std::fs::{self, DirEntry};
use std::path::Path;

/// Files of the test itself, of tools and of locks, and caches.
const NOT_STATE: &[&str] = &[
    "/run/ferrule",
    "/run/xtables.lock",
    "/run/cni/locks",
    "/run/cni/host-local",
];

/// The files below `/run` and `/var/lib/cni`, with contents. `/run` is private to the test.
pub(super) fn files() -> Vec<String> {
    let mut lines = Vec::new();
    for folder in ["/run", "/var/lib/cni"] {
        walk(Path::new(folder), &mut lines);
    }
    lines
}

fn walk(folder: &Path, lines: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if NOT_STATE.iter().any(|known| path == Path::new(known)) {
            continue;
        }
        lines.push(describe(&entry));
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(&path, lines);
        }
    }
}

fn describe(entry: &DirEntry) -> String {
    let path = entry.path();
    let kind = entry.file_type().ok();
    let shown = path.display();
    if kind.is_some_and(|kind| kind.is_dir()) {
        return format!("folder {shown}");
    }
    if path.starts_with("/run/netns") {
        return format!("namespace {shown}");
    }
    if kind.is_some_and(|kind| kind.is_symlink()) {
        let target = fs::read_link(&path).unwrap_or_default();
        return format!("symlink {shown} -> {}", target.display());
    }
    if kind.is_some_and(|kind| kind.is_file()) {
        let content = fs::read(&path).unwrap_or_default();
        return format!("file {shown} {:?}", String::from_utf8_lossy(&content));
    }
    format!("special file {shown}")
}

/// Running processes of this host: those in its mount namespace, except the test.
pub(super) fn processes() -> Vec<String> {
    let Ok(own) = fs::read_link("/proc/thread-self/ns/mnt") else {
        return Vec::new();
    };
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // A zombie has no namespaces.
        let namespace = fs::read_link(entry.path().join("ns/mnt"));
        if pid == std::process::id() || namespace.ok().as_ref() != Some(&own) {
            continue;
        }
        let words = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        lines.push(format!(
            "process {}",
            String::from_utf8_lossy(&words).replace('\0', " ")
        ));
    }
    lines
}
