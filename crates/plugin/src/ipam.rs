//! Delegation to the plugin that hands out addresses.

use std::cell::RefCell;
use std::rc::Rc;

use cni_types::{CniResult, Code, Command, Error, Request, SpecVersion};
use libcni::exec::{ExecError, Invocation, Output, Running, find_plugin};

use crate::Undo;

/// Address plugins that only keep books: they need no link, and a failing ADD of theirs leaves
/// nothing behind, so they may run while the link is being made.
const BOOKKEEPERS: [&str; 2] = ["host-local", "static"];

/// The address plugin that a configuration names in `ipam.type`.
#[derive(Clone, Debug)]
pub struct Ipam {
    name: String,
    path: std::ffi::OsString,
    stdin: Vec<u8>,
    version: SpecVersion,
}

impl Ipam {
    /// The address plugin of the request, or none if `ipam.type` is absent or empty.
    pub fn of(request: &Request) -> Option<Self> {
        let name = request.config.field("ipam")?.text_field("type")?;
        (!name.is_empty()).then(|| Self {
            name: name.to_owned(),
            path: request.path.clone(),
            stdin: request.stdin.clone(),
            version: request.version,
        })
    }

    /// The address plugin of a network that cannot do without one.
    pub fn required(request: &Request) -> Result<Self, Error> {
        Self::of(request).ok_or_else(|| {
            Error::new(
                Code::InvalidConfig,
                "no plugin name provided: the key ipam.type is missing",
            )
            .details("name an address plugin, for example host-local or static")
        })
    }

    /// Whether it may run before or while the link is made or removed.
    pub fn is_bookkeeper(&self) -> bool {
        BOOKKEEPERS.contains(&self.name.as_str())
    }

    /// Whether there is such an executable: without one every verb fails.
    pub fn ensure_found(&self) -> Result<(), Error> {
        let found = find_plugin(&self.name, &self.path);
        found.map(drop).map_err(|error| self.failed(error))
    }

    /// Begins ADD and records its DEL in `undo`; the link can be made meanwhile.
    pub fn start_add(&self, undo: &mut Undo) -> Result<PendingAdd, Error> {
        let invocation = self.invocation(Command::Add)?;
        let state = Rc::new(RefCell::new(State::Nothing));
        let (ipam, shared) = (self.clone(), Rc::clone(&state));
        undo.push(
            format!("release the addresses from {}", self.name),
            move || ipam.undo_add(shared.replace(State::Nothing)),
        );
        *state.borrow_mut() = State::Running(invocation.start().map_err(|e| self.failed(e))?);
        Ok(PendingAdd {
            ipam: self.clone(),
            state,
        })
    }

    fn undo_add(&self, state: State) -> Result<(), Error> {
        let held = match state {
            State::Nothing => false,
            State::Held => true,
            State::Running(running) => self.may_hold(&running.finish()),
        };
        if held { self.del() } else { Ok(()) }
    }

    /// Whether an ADD that ended so may have left a reservation.
    ///
    /// A bookkeeper that reports an error has cleaned up; releasing then would hit the addresses of
    /// an earlier, living ADD of the same attachment. One that was killed could not.
    fn may_hold(&self, outcome: &Result<Output, ExecError>) -> bool {
        !(self.is_bookkeeper() && matches!(outcome, Err(ExecError::Plugin(_))))
    }

    /// Begins DEL; the link can be removed meanwhile.
    pub fn start_del(&self) -> Result<PendingDel, Error> {
        let running = self
            .invocation(Command::Del)?
            .start()
            .map_err(|e| self.failed(e))?;
        Ok(PendingDel {
            ipam: self.clone(),
            running,
        })
    }

    /// Releases the attachment's addresses.
    pub fn del(&self) -> Result<(), Error> {
        self.run(Command::Del)
    }

    /// Whether the reservation is there.
    pub fn check(&self) -> Result<(), Error> {
        self.run(Command::Check)
    }

    /// Whether an ADD would get an address now; a failure says that none would (code 50), or in a
    /// code of the protocol why it could not be told.
    pub fn status(&self) -> Result<(), Error> {
        self.run(Command::Status).map_err(|mut error| {
            if !(1..100).contains(&error.code) {
                error.code = Code::NotAvailable as u32;
            }
            error
        })
    }

    /// Releases the addresses of attachments that the runtime does not list.
    pub fn gc(&self) -> Result<(), Error> {
        self.run(Command::Gc)
    }

    fn run(&self, command: Command) -> Result<(), Error> {
        self.invocation(command)?
            .run()
            .map(drop)
            .map_err(|e| self.failed(e))
    }

    fn invocation(&self, command: Command) -> Result<Invocation, Error> {
        let executable = find_plugin(&self.name, &self.path).map_err(|e| self.failed(e))?;
        Ok(Invocation::new(executable)
            .env(cni_types::env::COMMAND, command.as_str())
            .stdin(self.stdin.clone())
            .die_with_parent())
    }

    fn described(&self) -> String {
        format!("address plugin {:?}", self.name)
    }

    /// The delegate's own error object passes unchanged, as the protocol has it.
    fn failed(&self, error: ExecError) -> Error {
        match error {
            ExecError::Plugin(error) => error,
            other => Error::from(other).context(self.described()),
        }
    }
}

/// What there may be to release, shared between an ADD and its undo step.
enum State {
    Nothing,
    Running(Running),
    Held,
}

/// An ADD under way.
pub struct PendingAdd {
    ipam: Ipam,
    state: Rc<RefCell<State>>,
}

impl PendingAdd {
    /// Waits for the addresses. A result without any is an error.
    pub fn finish(self) -> Result<CniResult, Error> {
        let State::Running(running) = self.state.replace(State::Nothing) else {
            return Err(Error::internal("address plugin was not started"));
        };
        let outcome = running.finish();
        if self.ipam.may_hold(&outcome) {
            *self.state.borrow_mut() = State::Held;
        }
        let output = outcome.map_err(|error| self.ipam.failed(error))?;
        let (_, result) = output
            .result(self.ipam.version)
            .map_err(|error| Error::from(error).context(self.ipam.described()))?;
        if result.ips.is_empty() {
            return Err(Error::internal(format_args!(
                "IPAM plugin {} returned missing IP config",
                self.ipam.name
            )));
        }
        Ok(result)
    }
}

/// A DEL under way.
pub struct PendingDel {
    ipam: Ipam,
    running: Running,
}

impl PendingDel {
    /// Waits for the release.
    pub fn finish(self) -> Result<(), Error> {
        self.running
            .finish()
            .map(drop)
            .map_err(|error| self.ipam.failed(error))
    }
}
