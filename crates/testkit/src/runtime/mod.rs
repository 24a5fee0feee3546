//! Container runtimes on a test's host, with storage and state of their own.

mod containerd;
mod cri;
mod image;
mod podman;

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::host::Host;

pub use containerd::{Containerd, Pod};
pub use podman::Podman;

/// The folder a runtime is configured to take plugins from: links, which can be replaced under it.
#[derive(Debug)]
struct PluginFolder {
    path: PathBuf,
}

impl PluginFolder {
    fn new(host: &Host) -> Self {
        let path = host.work_folder().join("plugins");
        fs::create_dir_all(&path).expect("make a folder of plugins");
        Self { path }
    }

    /// Replaces every plugin by that of another folder, each in one step as an installation does;
    /// those the other folder lacks are taken away.
    fn take_from(&self, source: &Path) {
        let names = |folder: &Path| {
            let entries = fs::read_dir(folder).expect("read a folder of plugins");
            entries.map(|entry| entry.expect("read a folder of plugins").file_name())
        };
        for name in names(source) {
            let new = self.path.join(".new");
            symlink(source.join(&name), &new).expect("link a plugin");
            fs::rename(&new, self.path.join(&name)).expect("replace a plugin");
        }
        for name in names(&self.path) {
            if !source.join(&name).exists() {
                fs::remove_file(self.path.join(&name)).expect("remove a plugin");
            }
        }
    }
}

/// Runtimes reset the system calls a container may do and its place among control groups: crun
/// wants to see the latter, though the containers of a test get none of their own.
fn mount_control_groups(host: &Host) {
    host.tool("mount", "-t cgroup2 cgroup2 /sys/fs/cgroup");
}

/// Kills every process that this one, or one it started, has started, also those whose parents have
/// ended: the kit adopts orphans. A runtime's containers outlive the runtime.
fn kill_descendants() {
    let mut children = HashMap::<u32, Vec<u32>>::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // "4711 (a name) S 4710 …"
        let parent = stat
            .rsplit(") ")
            .next()
            .and_then(|rest| rest.split(' ').nth(1));
        if let Some(parent) = parent.and_then(|parent| parent.parse().ok()) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut parents = vec![std::process::id()];
    while let Some(parent) = parents.pop() {
        for pid in children.remove(&parent).unwrap_or_default() {
            kill_process(pid);
            parents.push(pid);
        }
    }
}

/// Kills a process, if it is there.
fn kill_process(pid: u32) {
    let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL);
}
