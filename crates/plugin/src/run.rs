//! From process start to exit status.

use std::env;
use std::io::{self, Write};
use std::process::ExitCode;
use std::rc::Rc;

use cni_types::{Code, Command, Error, Incoming, Request, version_reply};
use serde::de::DeserializeOwned;

use crate::usage::Usage;
use crate::{Call, InProcess, Plugin, Undo, guard, in_process, log, parent_death};

/// As [`main`], for an executable with in-process IPAM plugins.
pub fn main_with<P: Plugin>(plugin: &P, plugins: &'static [&'static dyn InProcess]) -> ExitCode {
    in_process::register(plugins);
    main(plugin)
}

/// Runs the plugin on this process's environment, arguments and standard streams. Arguments count
/// only where `CNI_COMMAND` is not set: runtimes give none, and the Go plugins ignore them.
pub fn main<P: Plugin>(plugin: &P) -> ExitCode {
    run(plugin).unwrap_or_else(|error| {
        if let Err(unwritable) = print(&error.to_json()) {
            log(format_args!(
                "{}: {error} (and could not report it: {unwritable})",
                P::NAME
            ));
        }
        ExitCode::FAILURE
    })
}

fn run<P: Plugin>(plugin: &P) -> Result<ExitCode, Error> {
    match Request::read(
        |name| env::var_os(name),
        &mut io::stdin().lock(),
        P::VERSIONS,
    )? {
        Incoming::Usage => {
            let arguments: Vec<_> = env::args_os().skip(1).collect();
            let usage = Usage {
                name: P::NAME,
                versions: P::VERSIONS,
                subcommands: P::SUBCOMMANDS,
            };
            return usage.answer(&arguments);
        }
        Incoming::Version => print(&version_reply(P::VERSIONS))?,
        Incoming::Verb(request) => {
            parent_death::die_with_parent()?;
            dispatch(plugin, *request)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn dispatch<P: Plugin>(plugin: &P, mut request: Request) -> Result<(), Error> {
    guard::keep_out_of_own_namespace(&mut request)?;
    match request.command {
        Command::Add => add(plugin, &decode(Rc::new(request))?),
        command => perform(plugin, command, Rc::new(request)),
    }
}

/// Every verb except ADD; only ADD prints a result.
pub(crate) fn perform<P: Plugin>(
    plugin: &P,
    command: Command,
    request: Rc<Request>,
) -> Result<(), Error> {
    match command {
        Command::Del => plugin.del(&decode_lenient(P::NAME, request)?),
        Command::Check => plugin.check(&decode(request)?),
        Command::Status => plugin.status(&decode(request)?),
        Command::Gc => {
            let Some(keep) = request.valid_attachments()? else {
                log(format_args!(
                    "{}: GC of network {:?} without the key {:?} collects nothing",
                    P::NAME,
                    request.network,
                    cni_types::VALID_ATTACHMENTS
                ));
                return Ok(());
            };
            plugin.gc(&decode(request)?, &keep)
        }
        Command::Add | Command::Version => Ok(()),
    }
}

/// Runs ADD and prints the result. Undoes the ADD if the result cannot be written, or not in the
/// configuration's version.
fn add<P: Plugin>(plugin: &P, call: &Call<P::Config>) -> Result<(), Error> {
    let mut undo = Undo::default();
    plugin
        .add(call, &mut undo)
        .and_then(|result| Ok(result.to_json(call.request.version)?))
        .and_then(|text| print(&text))
        .map_err(|error| undo.roll_back(error))
}

pub(crate) fn decode<C: DeserializeOwned>(request: Rc<Request>) -> Result<Call<C>, Error> {
    let config = request.decode()?;
    Ok(Call { request, config })
}

/// DEL releases what it can even if some keys are invalid.
fn decode_lenient<C: DeserializeOwned>(name: &str, request: Rc<Request>) -> Result<Call<C>, Error> {
    let (config, ignored) = request.decode_lenient()?;
    for error in ignored {
        log(format_args!(
            "{name}: DEL of network {:?} ignores {error}",
            request.network
        ));
    }
    Ok(Call { request, config })
}

/// Writes to standard output.
pub(crate) fn print(text: &str) -> Result<(), Error> {
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(|error| Error::new(Code::Io, format!("error writing to stdout: {error}")))
}
