//! From process start to exit status.

use std::env;
use std::io::{self, Write};
use std::process::ExitCode;

use cni_types::{Code, Command, Error, Incoming, Request, SpecVersion, version_reply};

use crate::{Builtin, Call, Plugin, Undo, builtin, common, guard, lineage, note};

/// As [`main`], for an executable that carries address plugins of its own build within.
pub fn main_with<P: Plugin>(plugin: &P, carried: &'static [&'static dyn Builtin]) -> ExitCode {
    builtin::carry(carried);
    main(plugin)
}

/// Runs the plugin on this process's environment and standard streams.
pub fn main<P: Plugin>(plugin: &P) -> ExitCode {
    match serve(plugin) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if let Err(unwritable) = print(&error.to_json()) {
                note(format_args!(
                    "{}: {error} (and could not report it: {unwritable})",
                    P::NAME
                ));
            }
            ExitCode::FAILURE
        }
    }
}

fn serve<P: Plugin>(plugin: &P) -> Result<(), Error> {
    match Request::read(
        |name| env::var_os(name),
        &mut io::stdin().lock(),
        P::VERSIONS,
    )? {
        Incoming::About => {
            introduce(P::NAME, P::VERSIONS);
            Ok(())
        }
        Incoming::Version => print(&version_reply(P::VERSIONS)),
        Incoming::Verb(request) => {
            lineage::follow_parent()?;
            act(plugin, *request)
        }
    }
}

/// What a person sees who starts the executable by hand.
fn introduce(name: &str, versions: &[SpecVersion]) {
    let versions: Vec<&str> = versions.iter().map(|version| version.as_str()).collect();
    note(format_args!(
        "CNI {name} plugin v{}\nCNI protocol versions supported: {}",
        env!("CARGO_PKG_VERSION"),
        versions.join(", ")
    ));
}

fn act<P: Plugin>(plugin: &P, mut request: Request) -> Result<(), Error> {
    guard::keep_out_of_own_namespace(&mut request)?;
    if request.command == Command::Add {
        return add(plugin, &decode(request)?);
    }
    perform(plugin, request)
}

/// Any verb but ADD, whose result has to go somewhere.
pub(crate) fn perform<P: Plugin>(plugin: &P, request: Request) -> Result<(), Error> {
    match request.command {
        Command::Del => plugin.del(&decode_lenient(P::NAME, request)?),
        Command::Check => plugin.check(&decode(request)?),
        Command::Status => plugin.status(&decode(request)?),
        Command::Gc => {
            let Some(keep) = request.valid_attachments()? else {
                note(format_args!(
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

/// Does the work and prints the result; a result that cannot be written in the configuration's
/// version, or not at all, counts as a failed ADD.
fn add<P: Plugin>(plugin: &P, call: &Call<P::Config>) -> Result<(), Error> {
    let mut undo = Undo::default();
    plugin
        .add(call, &mut undo)
        .and_then(|result| Ok(result.to_json(call.request.version)?))
        .and_then(|text| print(&text))
        .map_err(|error| undo.roll_back(error))
}

pub(crate) fn decode<P>(request: Request) -> Result<Call<P>, Error>
where
    P: serde::de::DeserializeOwned,
{
    common::check(&request)?;
    let config = request.decode()?;
    Ok(Call { request, config })
}

/// DEL must release what it can even if the configuration has become half broken.
fn decode_lenient<C>(name: &str, request: Request) -> Result<Call<C>, Error>
where
    C: serde::de::DeserializeOwned,
{
    let (config, dropped) = request.decode_lenient()?;
    for text in dropped {
        note(format_args!(
            "{name}: DEL of network {:?} ignores {text}",
            request.network
        ));
    }
    Ok(Call { request, config })
}

fn print(text: &str) -> Result<(), Error> {
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(|error| Error::new(Code::Io, format!("error writing to stdout: {error}")))
}
