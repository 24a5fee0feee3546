//! A throw-away host: private network, mounts and state folders for one test.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Once;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::geteuid;
use serde_json::Value;

use crate::binaries::{self, PEER_FOLDER};
use crate::call::Call;
use crate::namespace::Namespace;
use crate::words::Words;

const NETNS_FOLDER: &str = "/run/netns";
const STATE_FOLDER: &str = "/var/lib/cni";
const RUN_FOLDER: &str = "/run/cni";
const WORK_FOLDER: &str = "/run/ferrule";

/// The private host of one test. It dereferences to its [`Namespace`].
///
/// The thread that created it, and the threads and processes that this thread starts, are on this
/// host; the other threads of the test executable are not. Namespaces and mounts disappear with
/// them, so there is nothing to clean up.
#[derive(Debug)]
pub struct Host {
    namespace: Namespace,
}

/// A container's network namespace, mounted at `/run/netns/<name>` of the test's host. It
/// dereferences to its [`Namespace`].
#[derive(Debug, Clone)]
pub struct Container {
    namespace: Namespace,
}

impl Host {
    /// Moves the calling thread to a new private host.
    ///
    /// # Panics
    /// Without root, or if the kernel refuses a namespace or a mount.
    #[expect(clippy::new_without_default, reason = "it changes the calling thread")]
    pub fn new() -> Self {
        assert!(
            geteuid().is_root(),
            "these tests need root (they make network and mount namespaces): run them as root"
        );
        adopt_orphans();
        unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).expect("unshare");
        change_mount("/", MsFlags::MS_REC | MsFlags::MS_PRIVATE);
        // /sys shows the links of the namespace in which it was mounted.
        mount_new("sysfs", "/sys");
        // All of /run, for namespaces, state of plugins and the lock of iptables.
        mount_new("tmpfs", "/run");
        std::fs::create_dir_all(STATE_FOLDER).expect("create /var/lib/cni");
        mount_new("tmpfs", STATE_FOLDER);
        for folder in [NETNS_FOLDER, RUN_FOLDER, WORK_FOLDER] {
            std::fs::create_dir(folder).expect("create a folder in a fresh tmpfs");
        }
        let path = Path::new(WORK_FOLDER).join("host-netns");
        mount_current_namespace(&path);
        let host = Self {
            namespace: Namespace::at(path),
        };
        host.ip("link set lo up");
        host
    }

    /// Creates a network namespace and mounts it at `/run/netns/<name>`. Its `lo` is down.
    pub fn netns(&self, name: &str) -> Container {
        let path = Path::new(NETNS_FOLDER).join(name);
        self.inside(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("make a namespace as root");
            mount_current_namespace(&path);
        });
        Container {
            namespace: Namespace::at(path),
        }
    }

    /// A private folder for the files of this test.
    pub fn work_folder(&self) -> PathBuf {
        PathBuf::from(WORK_FOLDER)
    }

    /// A call of our plugin of this name.
    pub fn plugin(&self, name: &str) -> Call {
        let folder = binaries::folder();
        Call::plugin(&self.namespace, folder.clone(), binaries::ours(name))
    }

    /// A call of Debian's Go plugin of this name (package `containernetworking-plugins`). The test
    /// needs `needs [PeerPlugins]`.
    pub fn peer_plugin(&self, name: &str) -> Call {
        let folder = PathBuf::from(PEER_FOLDER);
        let executable = binaries::present(folder.join(name));
        Call::plugin(&self.namespace, folder, executable)
    }

    /// A call of our `cnitool` with these arguments, with our plugins and the configurations of
    /// [`Host::write_network`].
    pub fn cnitool(&self, words: impl Words) -> Call {
        Call::tool(&self.namespace, binaries::ours("cnitool"), words.words())
            .cni_path(binaries::folder())
            .env("NETCONFPATH", self.network_folder())
    }

    /// A call of any executable; its environment has only what the builder sets.
    pub fn executable(&self, path: impl Into<PathBuf>, words: impl Words) -> Call {
        Call::tool(&self.namespace, path.into(), words.words())
    }

    /// The folder that [`Host::write_network`] writes to.
    pub fn network_folder(&self) -> PathBuf {
        self.work_folder().join("net.d")
    }

    /// Writes a network configuration (`10-x.conflist`, `20-y.conf`) for [`Host::cnitool`] and returns
    /// its path.
    ///
    /// # Panics
    /// If the file cannot be written.
    pub fn write_network(&self, file_name: &str, config: &Value) -> PathBuf {
        let folder = self.network_folder();
        std::fs::create_dir_all(&folder).expect("create the network folder");
        let path = folder.join(file_name);
        std::fs::write(&path, config.to_string()).expect("write a network configuration");
        path
    }
}

impl Deref for Host {
    type Target = Namespace;

    fn deref(&self) -> &Namespace {
        &self.namespace
    }
}

impl Container {
    /// Removes the namespace as a runtime does: unmounts it and deletes the file. The value keeps the
    /// path, for a later DEL.
    ///
    /// # Panics
    /// If it was removed already.
    pub fn remove(&self) {
        umount2(self.path(), MntFlags::MNT_DETACH).expect("unmount a namespace");
        std::fs::remove_file(self.path()).expect("remove the file of a namespace");
    }
}

impl Deref for Container {
    type Target = Namespace;

    fn deref(&self) -> &Namespace {
        &self.namespace
    }
}

impl AsRef<Path> for Container {
    fn as_ref(&self) -> &Path {
        self.path()
    }
}

/// Makes the test process the parent of orphans (`PR_SET_CHILD_SUBREAPER`), so that snapshots contain
/// processes that plugins leave running.
fn adopt_orphans() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| nix::sys::prctl::set_child_subreaper(true).expect("become a subreaper"));
}

/// Mounts the calling thread's network namespace on a new file. `/proc/self` would be the namespace of
/// the main thread.
fn mount_current_namespace(path: &Path) {
    std::fs::File::create_new(path).expect("create the file to mount a namespace on");
    let source = Some("/proc/thread-self/ns/net");
    mount(source, path, None::<&str>, MsFlags::MS_BIND, None::<&str>).expect("mount a namespace");
}

fn mount_new(kind: &str, target: &str) {
    let done = mount(
        Some(kind),
        target,
        Some(kind),
        MsFlags::empty(),
        None::<&str>,
    );
    done.unwrap_or_else(|error| panic!("mount {kind} on {target}: {error}"));
}

fn change_mount(target: &str, flags: MsFlags) {
    mount(None::<&str>, target, None::<&str>, flags, None::<&str>).expect("change a mount");
}
