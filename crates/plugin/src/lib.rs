//! What every Ferrule plugin executable does alike.
//!
//! A plugin is a value implementing [`Plugin`]; its `main` is one call of [`main`]. This crate reads
//! the request, checks versions, refuses the host's own namespace, decodes the configuration, calls
//! the verb, undoes a failed ADD, and prints the result. Nothing else writes to standard output,
//! which belongs to the protocol.

mod attached_ips;
mod build;
mod chained;
mod delegate;
mod guard;
mod in_process;
mod ipam;
mod ipam_add;
mod ipam_flow;
mod log;
mod parent_death;
mod record_store;
mod run;
mod undo;
mod usage;

use std::rc::Rc;

use cni_types::{Attachments, CniResult, Error, Request, SpecVersion};
use serde::de::DeserializeOwned;

pub use attached_ips::attached_ips;
pub use chained::{ChainedFrame, ChainedPlugin, container_addresses};
pub use delegate::{Delegate, not_available};
pub use in_process::InProcess;
use ipam::PendingAdd;
pub use ipam::{Ipam, PendingDel};
pub use ipam_add::IpamAdd;
pub use ipam_flow::{collect, detach};
pub use log::log;
pub use record_store::{RecordError, RecordStore, remove_file};
pub use run::{main, main_with};
pub use undo::Undo;
pub use usage::Subcommand;

// The C library's allocator asks the kernel for every few blocks; a plugin lives for a millisecond,
// of which that is a tenth.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// A request with the plugin's own configuration.
#[derive(Debug)]
pub struct Call<C> {
    /// The request of the runtime.
    pub request: Rc<Request>,
    /// The configuration in the plugin's own type.
    pub config: C,
}

impl<C> Call<C> {
    /// The previous result, which CHECK requires.
    pub fn required_prev_result(&self) -> Result<CniResult, Error> {
        self.request.prev_result()?.ok_or_else(|| {
            Error::new(
                cni_types::Code::InvalidConfig,
                "required prevResult missing",
            )
        })
    }
}

/// A CNI plugin: five verbs over a configuration type. A verb neither prints nor exits.
pub trait Plugin {
    /// The plugin's keys. DEL gets those that could be decoded, so rules across keys belong into the
    /// verbs.
    type Config: DeserializeOwned;

    /// The executable's name.
    const NAME: &'static str;

    /// The versions it speaks, oldest first.
    const VERSIONS: &'static [SpecVersion] = &SpecVersion::ALL;

    /// What the executable does besides the verbs, chosen by its first argument.
    const SUBCOMMANDS: &'static [Subcommand] = &[];

    /// Attaches the container. Each effect is recorded in `undo` before it happens; the undo steps
    /// run if ADD or printing the result fails.
    fn add(&self, call: &Call<Self::Config>, undo: &mut Undo) -> Result<CniResult, Error>;

    /// Removes the attachment; succeeds if nothing of it exists.
    fn del(&self, call: &Call<Self::Config>) -> Result<(), Error>;

    /// Fails if the attachment is not as ADD left it, and says what differs.
    fn check(&self, call: &Call<Self::Config>) -> Result<(), Error>;

    /// Fails (code 50 or 51) if an ADD could not work now.
    fn status(&self, call: &Call<Self::Config>) -> Result<(), Error>;

    /// Removes what belongs to this network but to none of the attachments in `keep`.
    fn gc(&self, call: &Call<Self::Config>, keep: &Attachments) -> Result<(), Error>;
}
