//! What plugin and daemon say to each other over the daemon's socket: one line of JSON each way, and
//! for ADD a line in between.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::lease::{ClientOptions, Lease, LeaseKey, Stage};

/// The default path of the daemon's socket.
pub(crate) const SOCKET: &str = "/run/cni/dhcp.sock";
/// The version of this protocol.
pub(crate) const VERSION: u32 = 1;
/// The longest query in bytes. Options have at most 64 KiB, and numbers are written in four letters.
pub(crate) const LONGEST_QUERY: u64 = 512 << 10;

/// What the plugin sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Message {
    /// [`VERSION`]: the daemon refuses others.
    #[serde(rename = "ferruleDhcp")]
    pub(crate) version: u32,
    /// What it wants.
    pub(crate) query: Query,
}

/// What the plugin wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Query {
    /// To know whether the daemon is there.
    Ping,
    /// A lease: the one held, or a new one. The daemon stops when the connection ends.
    Acquire(Acquire),
    /// The end of a lease.
    Release(LeaseKey),
    /// The lease held, if there is one.
    Lookup(LeaseKey),
    /// All leases.
    List,
}

/// A lease to be acquired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Acquire {
    /// Whose it is.
    pub(crate) key: LeaseKey,
    /// The path of the container's namespace, on the host.
    pub(crate) netns: PathBuf,
    /// What to ask the server for.
    pub(crate) client: ClientOptions,
}

/// What the daemon answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Reply {
    /// To [`Query::Ping`], and to [`Query::Release`] when it is done.
    Done,
    /// To [`Query::Acquire`], at once: the answer follows within that many seconds.
    Pending(u64),
    /// To [`Query::Acquire`].
    Granted {
        /// The lease.
        lease: Lease,
        /// Whether there was none before.
        is_new: bool,
    },
    /// To [`Query::Lookup`].
    Held(Option<Lease>),
    /// To [`Query::List`].
    Leases(Vec<Summary>),
    /// It failed.
    Failed {
        /// Code of the error object (`cni_types::Code`).
        code: u32,
        /// What failed.
        message: String,
        /// What to do about it; may be empty.
        details: String,
    },
}

/// A lease of the daemon's list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Summary {
    /// Whose it is.
    #[serde(flatten)]
    pub(crate) key: LeaseKey,
    /// The namespace's path as the daemon sees it.
    pub(crate) netns: PathBuf,
    /// How far it has got.
    pub(crate) stage: Stage,
    /// The lease; the last one if it was lost.
    pub(crate) lease: Lease,
    /// Seconds until it is renewed; none for one without an end.
    #[serde(rename = "renewIn")]
    pub(crate) renew_in: Option<u64>,
    /// Seconds until it expires; none for one without an end.
    #[serde(rename = "expireIn")]
    pub(crate) expire_in: Option<u64>,
}

/// The folder with the state of the daemon of a socket: that of the socket, without the ending.
///
/// Both sides know it, since DEL notes there what a daemon that is away has to release.
pub(crate) fn state_folder(socket: &Path) -> PathBuf {
    match socket.extension() {
        Some(_) => socket.with_extension(""),
        None => socket.with_extension("state"),
    }
}
