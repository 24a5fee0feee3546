//! IPAM plugins that are compiled into this executable.
//!
//! Starting a process costs more than the work of host-local or static. If the executable that
//! `CNI_PATH` leads to is of the same build as this one, this process runs the IPAM plugin itself;
//! request, files and result are the same.

use std::rc::Rc;
use std::sync::OnceLock;

use cni_types::{CniResult, Command, Error, Request};

use crate::{Plugin, Undo, run};

/// A [`Plugin`] without its configuration type.
pub trait InProcess: Sync {
    /// The executable's name.
    fn name(&self) -> &'static str;

    /// Runs ADD; returns the result in the caller's version. The plugin records in `undo` how to
    /// take it back.
    fn add(&self, request: &Rc<Request>, undo: &mut Undo) -> Result<CniResult, Error>;

    /// Runs any other verb, which need not be that of the request.
    fn run(&self, command: Command, request: &Rc<Request>) -> Result<(), Error>;
}

impl<P: Plugin + Sync> InProcess for P {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn add(&self, request: &Rc<Request>, undo: &mut Undo) -> Result<CniResult, Error> {
        let result = Plugin::add(self, &run::decode(Rc::clone(request))?, undo)?;
        // Versions differ in what they can say, also between the parts of one executable.
        Ok(result.in_version(request.version)?)
    }

    fn run(&self, command: Command, request: &Rc<Request>) -> Result<(), Error> {
        run::perform(self, command, Rc::clone(request))
    }
}

/// The IPAM plugins in this executable; set once, at its start.
static REGISTERED: OnceLock<&'static [&'static dyn InProcess]> = OnceLock::new();

pub(crate) fn register(plugins: &'static [&'static dyn InProcess]) {
    // A second call would be a second `main`.
    let _ = REGISTERED.set(plugins);
}

/// The plugin of that name, if it is compiled in.
pub(crate) fn find(name: &str) -> Option<&'static dyn InProcess> {
    let carried = REGISTERED.get().copied().unwrap_or_default();
    carried.iter().copied().find(|plugin| plugin.name() == name)
}
