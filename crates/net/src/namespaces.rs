//! The two network namespaces of an attachment, as two types that cannot be confused.

use std::ops::Deref;
use std::path::Path;
use std::rc::Rc;

use ferrule_file::lock::WAIT;
use ferrule_kernel::{FileLock, Link, LockError, Netns, RtnlSocket};

use crate::NetError;

/// How many lock files the containers of a node share.
const LOCKS: u64 = 64;

/// The host's network namespace: the one that the plugin runs in.
#[derive(Clone)]
pub struct Host(Rc<RtnlSocket>);

impl Host {
    /// Opens a netlink socket in the calling thread's namespace.
    pub fn open() -> Result<Self, NetError> {
        Ok(Self(Rc::new(RtnlSocket::open()?)))
    }

    /// Looks up the link `name`; an absent one is an error.
    pub fn link(&self, name: &str) -> Result<Link, NetError> {
        self.link_by_name(name)?
            .ok_or_else(|| Self::link_not_found(name))
    }

    /// The error for an absent link.
    pub(crate) fn link_not_found(name: &str) -> NetError {
        NetError::LinkNotFound {
            name: name.to_owned(),
            place: "the host".to_owned(),
        }
    }
}

impl Deref for Host {
    type Target = RtnlSocket;

    fn deref(&self) -> &RtnlSocket {
        &self.0
    }
}

/// The container's network namespace.
#[derive(Clone)]
pub struct Sandbox(Rc<SandboxInner>);

struct SandboxInner {
    netns: Netns,
    /// The thread's own namespace, to which it returns.
    home: Netns,
    route: RtnlSocket,
}

impl Sandbox {
    /// Opens the namespace at `path`.
    pub fn open(path: &Path) -> Result<Self, NetError> {
        let netns = Netns::open(path)?;
        let home = Netns::current()?;
        let route = netns.run_from(&home, RtnlSocket::open)??;
        Ok(Self(Rc::new(SandboxInner { netns, home, route })))
    }

    /// Opens the namespace at `path` if there is one. For DEL an empty path, a missing file and a file
    /// that is no namespace all mean that the container is gone.
    pub fn open_if_there(path: &Path) -> Result<Option<Self>, NetError> {
        if path.as_os_str().is_empty() {
            return Ok(None);
        }
        match Self::open(path) {
            Ok(sandbox) => Ok(Some(sandbox)),
            Err(error) if error.is_gone() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The namespace itself.
    pub fn netns(&self) -> &Netns {
        &self.0.netns
    }

    /// Waits until no other Ferrule plugin holds the lock of this namespace, for changes of several
    /// steps that attachments of one container must not make at the same time.
    ///
    /// Only root can open the lock files. Containers share a fixed number of them, so that none is
    /// left behind; those that share one wait for each other for some milliseconds.
    pub fn lock(&self) -> Result<FileLock, NetError> {
        let path = self.0.netns.path();
        let (_, inode) = self.0.netns.identity().map_err(|source| LockError::Open {
            path: path.to_owned(),
            source,
        })?;
        Ok(FileLock::named(
            &format!("sandbox-{}", inode % LOCKS),
            WAIT,
        )?)
    }

    /// Whether this is the namespace `netns`.
    pub(crate) fn is_in(&self, netns: &Netns) -> bool {
        self.0.netns.same_as(netns).is_ok_and(|same| same)
    }

    /// Runs `work` with the calling thread in the namespace, so that `/proc/sys/net` is the
    /// container's.
    pub fn run<T>(&self, work: impl FnOnce() -> T) -> Result<T, NetError> {
        Ok(self.0.netns.run_from(&self.0.home, work)?)
    }

    /// Looks up the link `name`; an absent one is an error.
    pub fn link(&self, name: &str) -> Result<Link, NetError> {
        self.link_by_name(name)?
            .ok_or_else(|| self.link_not_found(name))
    }

    /// The error for an absent link.
    pub(crate) fn link_not_found(&self, name: &str) -> NetError {
        NetError::LinkNotFound {
            name: name.to_owned(),
            place: self.0.netns.path().display().to_string(),
        }
    }
}

impl Deref for Sandbox {
    type Target = RtnlSocket;

    fn deref(&self) -> &RtnlSocket {
        &self.0.route
    }
}
