//! Delegation to the IPAM plugin.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use cni_types::{CniResult, Code, Command, Error, Request};
use libcni::exec::{ExecError, Output, Running};

use crate::delegate::{Delegate, not_available};
use crate::{InProcess, Undo, build, in_process};

/// IPAM plugins that need no link and whose failing ADD leaves nothing behind, so that they may run
/// while the link is created.
const LOCAL: [&str; 2] = ["host-local", "static"];

/// The IPAM plugin that a configuration names in `ipam.type`.
#[derive(Clone)]
pub struct Ipam {
    request: Rc<Request>,
    transport: OnceCell<Transport>,
}

/// How the IPAM plugin is run.
#[derive(Clone)]
enum Transport {
    /// In this process: the executable in `CNI_PATH` is of the same build.
    InProcess(&'static dyn InProcess),
    /// As a process of its own.
    Process(Rc<Delegate>),
}

impl Ipam {
    /// The IPAM plugin of the request, or none if `ipam.type` is absent or empty.
    pub fn of(request: &Rc<Request>) -> Option<Self> {
        (!request.ipam_type.is_empty()).then(|| Self {
            request: Rc::clone(request),
            transport: OnceCell::new(),
        })
    }

    /// The IPAM plugin of a network that requires one.
    pub fn required(request: &Rc<Request>) -> Result<Self, Error> {
        Self::of(request).ok_or_else(|| {
            Error::new(
                Code::InvalidConfig,
                "no plugin name provided: the key ipam.type is missing",
            )
        })
    }

    fn name(&self) -> &str {
        &self.request.ipam_type
    }

    /// Whether it may run before or while the link is created or removed.
    pub(crate) fn is_local(&self) -> bool {
        LOCAL.contains(&self.name())
    }

    /// Whether it runs as a process of its own. Fails if it is not found.
    pub(crate) fn is_external(&self) -> Result<bool, Error> {
        Ok(matches!(self.transport()?, Transport::Process(_)))
    }

    /// Starts ADD and records its DEL in `undo`; the link can be created meanwhile.
    pub(crate) fn start_add(&self, undo: &mut Undo) -> Result<PendingAdd, Error> {
        let state = Rc::new(RefCell::new(State::Nothing));
        match self.transport()? {
            Transport::InProcess(plugin) => {
                let result = plugin.add(&self.request, undo)?;
                state.replace(State::Finished(Box::new(result)));
            }
            Transport::Process(delegate) => {
                let (ipam, shared) = (self.clone(), Rc::clone(&state));
                undo.push(
                    format!("release the addresses from {}", self.name()),
                    move || ipam.undo_add(shared.replace(State::Nothing)),
                );
                let running = delegate.start(Command::Add)?;
                state.replace(State::Running(Rc::clone(delegate), Box::new(running)));
            }
        }
        Ok(PendingAdd {
            ipam: self.clone(),
            state,
        })
    }

    fn undo_add(&self, state: State) -> Result<(), Error> {
        let held = match state {
            State::Nothing | State::Finished(_) => false,
            State::Held => true,
            State::Running(_, running) => self.may_hold(&running.finish()),
        };
        if held { self.del() } else { Ok(()) }
    }

    /// Whether an ADD that ended so may have left a reservation.
    ///
    /// A local IPAM plugin that reports an error has cleaned up; a DEL would release the addresses
    /// of an earlier ADD of the same attachment that is still in use. A killed plugin has not.
    fn may_hold(&self, outcome: &Result<Output, ExecError>) -> bool {
        !(self.is_local() && matches!(outcome, Err(ExecError::Plugin(_))))
    }

    /// Starts DEL; the link can be removed meanwhile.
    pub fn start_del(&self) -> Result<PendingDel, Error> {
        let running = match self.transport()? {
            Transport::InProcess(plugin) => {
                plugin.run(Command::Del, &self.request)?;
                None
            }
            Transport::Process(delegate) => {
                Some((Rc::clone(delegate), delegate.start(Command::Del)?))
            }
        };
        Ok(PendingDel(running))
    }

    /// Releases the attachment's addresses.
    pub fn del(&self) -> Result<(), Error> {
        self.run(Command::Del)
    }

    /// Runs CHECK.
    pub fn check(&self) -> Result<(), Error> {
        self.run(Command::Check)
    }

    /// Runs STATUS. An error has code 50, or the IPAM plugin's own code if that is one of the
    /// protocol.
    pub fn status(&self) -> Result<(), Error> {
        self.run(Command::Status).map_err(not_available)
    }

    /// Releases the addresses of attachments that the runtime does not list.
    pub fn gc(&self) -> Result<(), Error> {
        self.run(Command::Gc)
    }

    fn run(&self, command: Command) -> Result<(), Error> {
        match self.transport()? {
            Transport::InProcess(plugin) => plugin.run(command, &self.request),
            Transport::Process(delegate) => delegate.run(command),
        }
    }

    /// The executable found in `CNI_PATH` decides, even if it is not started.
    fn transport(&self) -> Result<&Transport, Error> {
        if let Some(known) = self.transport.get() {
            return Ok(known);
        }
        let stdin = self.request.stdin.clone();
        let delegate = Delegate::find("address plugin", self.name(), &self.request, stdin)?;
        Ok(self
            .transport
            .get_or_init(|| match in_process::find(self.name()) {
                Some(plugin) if build::is_same(delegate.executable()) => {
                    Transport::InProcess(plugin)
                }
                _ => Transport::Process(Rc::new(delegate)),
            }))
    }
}

/// What an ADD may have reserved, shared with its undo step.
enum State {
    Nothing,
    Running(Rc<Delegate>, Box<Running>),
    /// The result of an in-process plugin, which has its own undo step.
    Finished(Box<CniResult>),
    Held,
}

/// A running ADD.
pub(crate) struct PendingAdd {
    ipam: Ipam,
    state: Rc<RefCell<State>>,
}

impl PendingAdd {
    /// Waits for the result. One without addresses is an error.
    pub(crate) fn finish(self) -> Result<CniResult, Error> {
        let result = match self.state.replace(State::Nothing) {
            State::Finished(result) => *result,
            State::Running(delegate, running) => self.receive(&delegate, *running)?,
            State::Nothing | State::Held => {
                return Err(Error::internal("address plugin was not started"));
            }
        };
        if result.ips.is_empty() {
            return Err(Error::internal(format_args!(
                "IPAM plugin {} returned missing IP config",
                self.ipam.name()
            )));
        }
        Ok(result)
    }

    fn receive(&self, delegate: &Delegate, running: Running) -> Result<CniResult, Error> {
        let outcome = running.finish();
        if self.ipam.may_hold(&outcome) {
            self.state.replace(State::Held);
        }
        delegate.result(&outcome.map_err(|error| delegate.failed(error))?)
    }
}

/// A running DEL; none once the addresses have been released.
pub struct PendingDel(Option<(Rc<Delegate>, Running)>);

impl PendingDel {
    /// Waits for the release.
    pub fn finish(self) -> Result<(), Error> {
        let Some((delegate, running)) = self.0 else {
            return Ok(());
        };
        let outcome = running.finish();
        outcome.map(drop).map_err(|error| delegate.failed(error))
    }
}
