//! The interface of a lease, in its namespace.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ferrule_file::io_text;
use ferrule_kernel::netns::current_cookie;
use ferrule_kernel::{Link, LinkChange};
use ferrule_net::{NetError, Sandbox};
use thiserror::Error;
use tokio::task;

use crate::lease::Place;

/// Names the start of the node.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Why an interface is out of reach.
#[derive(Debug, Error)]
pub(crate) enum PlaceError {
    /// The namespace could not be entered, or has no such interface.
    #[error(transparent)]
    Net(#[from] NetError),
    /// Another namespace is at the path by now, or none.
    #[error("network namespace {0:?} of this lease is gone")]
    Gone(PathBuf),
    /// The namespace could not be examined.
    #[error("cannot examine network namespace {path:?}: {}", io_text(.source))]
    Examine {
        /// Its path.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The interface has no hardware address as Ethernet has it.
    #[error("interface {0:?} has no Ethernet address: DHCP needs one")]
    NotEthernet(String),
    /// The thread that was to do it did not.
    #[error("a thread of the daemon ended early: {0}")]
    Thread(task::JoinError),
}

/// What the path of a namespace tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Glance {
    /// It is there.
    Same,
    /// It may be another one of the same numbers, or its file has been made anew, as those of
    /// `/proc/PID/ns` are.
    Changed,
    /// It has ended.
    Gone,
}

/// The interface, open: the thread's own namespace is that of the daemon.
pub(crate) struct Entered {
    /// The namespace.
    pub(crate) sandbox: Sandbox,
    /// The interface.
    pub(crate) link: Link,
}

impl Place {
    /// The interface `ifname` in the namespace at `netns`.
    pub(crate) fn find(netns: &Path, ifname: &str) -> Result<Self, PlaceError> {
        let sandbox = Sandbox::open(netns)?;
        let link = sandbox.link(ifname)?;
        let examine = |source| PlaceError::Examine {
            path: netns.to_owned(),
            source,
        };
        let changed = fs::metadata(netns).map(|found| (found.ctime(), found.ctime_nsec()));
        Ok(Self {
            netns: netns.to_owned(),
            netns_id: sandbox.netns().identity().map_err(examine)?,
            netns_cookie: sandbox.run(current_cookie)?,
            netns_changed: changed.unwrap_or_default(),
            boot_id: boot_id(),
            ifname: ifname.to_owned(),
            index: link.index,
        })
    }

    /// Whether both are the same interface.
    pub(crate) fn is(&self, other: &Self) -> bool {
        let identity = |place: &Self| (place.netns_id, place.netns_cookie, place.index);
        identity(self) == identity(other)
    }

    /// Enters the namespace and looks the interface up, which may have another name by now.
    pub(crate) fn enter(&self) -> Result<Entered, PlaceError> {
        let sandbox = Sandbox::open(&self.netns)?;
        let identity = sandbox.netns().identity();
        let is_same = identity.is_ok_and(|identity| identity == self.netns_id)
            && sandbox.run(current_cookie)? == self.netns_cookie;
        if !is_same {
            return Err(PlaceError::Gone(self.netns.clone()));
        }
        let by_index = sandbox.link_by_index(self.index).map_err(NetError::from)?;
        let link = match by_index {
            Some(link) => link,
            None => sandbox.link(&self.ifname)?,
        };
        Ok(Entered { sandbox, link })
    }

    /// As [`Self::enter`], with the interface switched on.
    pub(crate) fn enter_up(&self) -> Result<Entered, PlaceError> {
        let entered = self.enter()?;
        if !entered.link.up {
            let change = LinkChange::new(entered.link.index).up();
            entered
                .sandbox
                .execute(change.message())
                .map_err(NetError::from)?;
        }
        Ok(entered)
    }

    /// Whether the namespace has ended, as far as its path tells.
    pub(crate) fn is_gone(&self) -> bool {
        self.glance() == Glance::Gone
    }

    /// Looks at the path of the namespace.
    pub(crate) fn glance(&self) -> Glance {
        if self.boot_id != boot_id() {
            return Glance::Gone;
        }
        match fs::metadata(&self.netns) {
            Ok(found) if (found.dev(), found.ino()) != self.netns_id => Glance::Gone,
            Ok(found) if (found.ctime(), found.ctime_nsec()) == self.netns_changed => Glance::Same,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Glance::Gone,
            // One that cannot be examined has not ended.
            Err(_) => Glance::Same,
            Ok(_) => Glance::Changed,
        }
    }

    /// Enters the namespace to see whether it is another one.
    pub(crate) async fn is_another(&self) -> bool {
        let entered = self.on_thread(|place| place.enter().map(drop)).await;
        matches!(entered, Err(PlaceError::Gone(_)))
    }

    /// Calls `work` on a thread that may enter the namespace, as one that waits for the kernel must not
    /// keep the daemon from its other leases.
    pub(crate) async fn on_thread<T, E>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<PlaceError> + Send + 'static,
    {
        let place = self.clone();
        let done = task::spawn_blocking(move || work(&place)).await;
        done.unwrap_or_else(|error| Err(PlaceError::Thread(error).into()))
    }
}

/// The name of this start of the node.
fn boot_id() -> String {
    static READ: OnceLock<String> = OnceLock::new();
    let read = || {
        let text = ferrule_file::read_text(Path::new(BOOT_ID)).unwrap_or_default();
        text.trim().to_owned()
    };
    READ.get_or_init(read).clone()
}
