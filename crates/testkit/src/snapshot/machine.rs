//! Files and processes of a test's host.

use std::fs::{self, DirEntry};
use std::path::Path;
use std::time::{Duration, Instant};

/// Files of the test itself, of tools and of locks, and caches.
const NOT_STATE: &[&str] = &[
    "/run/ferrule",
    "/run/xtables.lock",
    "/run/cni/locks",
    "/run/cni/orphans",
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

/// How long the kernel may take to end the removal of a link after it said that the link is gone.
const PATIENCE: Duration = Duration::from_secs(1);

/// Running processes of this host: those in its mount namespace, except the test.
///
/// A plugin may leave a child in the kernel, in a session of its own, that ends by itself: that is
/// waited for.
pub(super) fn processes() -> Vec<String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = running();
        if Instant::now() > deadline || !found.iter().any(|(pid, _)| leads_session(*pid)) {
            return found.into_iter().map(|(_, line)| line).collect();
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn leads_session(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // Behind the name: state, parent, process group, session.
    let behind_name = stat.rsplit(')').next().unwrap_or_default();
    behind_name.split_whitespace().nth(3) == Some(&pid.to_string())
}

/// Process ids, and the lines of a snapshot.
fn running() -> Vec<(u32, String)> {
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
        let words = String::from_utf8_lossy(&words).replace('\0', " ");
        lines.push((pid, format!("process {words}")));
    }
    lines
}
