//! Throw-away hosts, a process runner and peers for black-box tests.
//!
//! # A test file
//!
//! `tests/tests/<plugin>.rs`, or a folder of them, declared in `tests/tests/main.rs`:
//!
//! ```ignore
//! //! The bridge plugin, seen from outside.
//! use serde_json::json;
//!
//! ferrule_testkit::test! {
//!     /// Containers on one bridge reach each other, and DEL leaves nothing.
//!     fn containers_reach_each_other(host, version in VERSIONS) {
//!         let config = json!({ "cniVersion": version, "name": "net", "type": "bridge", /* … */ });
//!         let container = host.netns("c1");
//!         let bridge = host.plugin("bridge").container("c1").netns(&container).ifname("eth0");
//!         let bridge = bridge.config(&config);
//!         let before = host.snapshot().ignoring(&["cni0", "/var/lib/cni"]);
//!         let result = bridge.add().succeeds().json();
//!         assert!(host.ping("10.1.2.2"), "{result}");
//!         bridge.del().succeeds().stdout_is("");
//!         assert_same(&before, &host.snapshot().ignoring(&["cni0", "/var/lib/cni"]));
//!     }
//! }
//! ```
//!
//! Its tests are named by file and function: `bridge::traffic::containers_reach_each_other`.
//!
//! # What is there
//!
//! - [`test!`] declares a test: `fn name(host)`, `fn name(host, case in CASES)`, each optionally
//!   with `needs [Ipvlan, Tool("dnsmasq")]` ([`Need`]). Each gets a private [`Host`].
//! - [`Host`] creates containers ([`Host::netns`]) and calls ([`Host::plugin`],
//!   [`Host::peer_plugin`], [`Host::cnitool`]), and takes a [`Snapshot`] of the state that plugins can
//!   change ([`Host::snapshot`], [`assert_same`]).
//! - [`Namespace`] is common to host and container: `ip`, `ip_json`, `exec`, `link`, `addresses`,
//!   `ping`, `listen_tcp`, `listen_udp`.
//! - [`Call`] is a plugin call: its environment and input, then `add()`, `del()`, `check()`, `gc()`,
//!   `status()`, or `verb("…").run()`. [`Outcome`] has its status and output, with assertions.
//! - [`Containerd`] and [`Podman`] are container runtimes that call the plugins on this host.
//! - [`Capture`] captures packets ([`Namespace::capture`]).
//! - [`Service`] is a process that runs beside a test ([`Namespace::serve`], [`Call::serve`]).
//! - [`Call::killed_at_syscall`] kills a plugin at a chosen system call.
//!
//! # Which kernel
//!
//! If the running kernel does not meet the needs of a test, the test runs on the lab kernel (Debian's
//! `user-mode-linux`, over this machine's files), provided that one meets all of them; its start takes
//! under a second. Otherwise the test is listed as ignored, with the reason. So a test that uses the
//! packet filter, IPv6 or a link other than veth and bridge declares it: `needs [Iptables]`,
//! `needs [Nftables]`, `needs [Ipv6]`. `tests/lab/run CMD…` runs any command on the lab kernel. A
//! process takes a tenth of a second to start there and a snapshot half a second, so a sweep of kills
//! over every system call uses [`Namespace::has_link`] instead of snapshots.
//!
//! The executables are those that nextest has just built (`tests/executables`), or those in
//! `FERRULE_BIN_DIR`. All tests need root.

#![expect(
    clippy::expect_used,
    reason = "test support: a panic is how a test fails"
)]
#![expect(
    clippy::missing_panics_doc,
    reason = "test support: every assertion panics"
)]
#![expect(
    clippy::indexing_slicing,
    reason = "only of JSON values, where a missing one is null"
)]

mod binaries;
mod call;
mod capture;
mod host;
mod lab;
mod modules;
mod namespace;
mod needs;
mod outcome;
mod process;
mod registry;
mod runtime;
mod service;
mod snapshot;
mod syscall_kill;
mod traffic;
mod words;

#[doc(hidden)]
pub use inventory;

pub use binaries::{PEER_FOLDER, folder as binaries_folder, peer_folder};
pub use call::Call;
pub use capture::{Arp, Capture, Frame};
pub use host::{Container, Host};
pub use modules::assert_every_file_is_a_module;
pub use namespace::Namespace;
pub use needs::Need;
pub use outcome::{CniError, Outcome};
pub use process::Running;
pub use registry::{Test, VERSIONS, run_tests};
pub use runtime::{Containerd, Pod, Podman};
pub use service::Service;
pub use snapshot::{Snapshot, assert_same};
pub use traffic::{TcpServer, UdpServer};
pub use words::Words;
