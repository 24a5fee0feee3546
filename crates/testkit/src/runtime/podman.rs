//! podman with its CNI back end and its own default network.

use std::fs;
use std::path::Path;

use super::{PluginFolder, image, kill_descendants, mount_control_groups};
use crate::binaries;
use crate::host::Host;
use crate::outcome::Outcome;

/// podman on a test's host. Its containers serve HTTP on port 80. A test that uses it
/// `needs [Tool("podman"), Tool("crun"), Tool("conmon"), Tool("busybox")]`.
///
/// Dropping it kills every container that still runs.
#[derive(Debug)]
pub struct Podman<'h> {
    host: &'h Host,
    plugins: PluginFolder,
}

impl<'h> Podman<'h> {
    /// Configures podman with our plugins and loads an image that holds nothing but busybox.
    ///
    /// # Panics
    /// When podman cannot.
    pub fn new(host: &'h Host) -> Self {
        let work = host.work_folder();
        let folder = work.display();
        for name in ["networks", "tmp"] {
            fs::create_dir_all(work.join(name)).expect("make a folder of podman");
        }
        let plugins = PluginFolder::new(host);
        plugins.take_from(&binaries::folder());
        let engine = format!(
            "[engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"none\"\nruntime = \"crun\"\n\
             [containers]\nlog_driver = \"k8s-file\"\ncgroups = \"disabled\"\n\
             default_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]\n\
             [network]\nnetwork_backend = \"cni\"\ncni_plugin_dirs = [\"{}\"]\n\
             network_config_dir = \"{folder}/networks\"\n",
            plugins.path.display()
        );
        let storage = format!(
            "[storage]\ndriver = \"vfs\"\ngraphroot = \"{folder}/storage\"\nrunroot = \"{folder}/run\"\n"
        );
        for (name, content) in [("containers.conf", engine), ("storage.conf", storage)] {
            fs::write(work.join(name), content).expect("write podman's settings");
        }
        mount_control_groups(host);
        // podman does this with the first container, unless it is a mount already: namespaces made
        // before would be mounted twice then.
        host.tool("mount", "--rbind /run/netns /run/netns");
        let podman = Self { host, plugins };
        let archive = image::archive(host);
        podman
            .run(&format!("load --quiet --input {}", archive.display()))
            .succeeds();
        podman
    }

    /// Replaces the plugins by those of a folder, while everything goes on.
    pub fn use_plugins_of(&self, folder: &Path) {
        self.plugins.take_from(folder);
    }

    /// Runs `podman …` to its end.
    #[track_caller]
    pub fn run(&self, words: &str) -> Outcome {
        let folder = self.host.work_folder();
        let folder = folder.display();
        let environment = format!(
            "env CONTAINERS_CONF={folder}/containers.conf CONTAINERS_STORAGE_CONF={folder}/storage.conf \
             TMPDIR={folder}/tmp"
        );
        self.host.exec(format!("{environment} podman {words}"))
    }

    /// Starts a container with further options of `podman run`.
    #[track_caller]
    pub fn start(&self, name: &str, options: &str) {
        let run = format!(
            "run --detach --pull never --name {name} {options} {}",
            image::NAME
        );
        self.run(&run).succeeds();
    }

    /// One value of `podman inspect`, by its Go template.
    #[track_caller]
    pub fn inspect(&self, name: &str, template: &str) -> String {
        let found = self
            .run(&format!("inspect --format {template} {name}"))
            .succeeds();
        found.stdout.trim().to_owned()
    }

    /// `podman rm --force`.
    #[track_caller]
    pub fn remove(&self, name: &str) {
        self.run(&format!("rm --force --time 0 {name}")).succeeds();
    }
}

impl Drop for Podman<'_> {
    fn drop(&mut self) {
        kill_descendants();
    }
}
