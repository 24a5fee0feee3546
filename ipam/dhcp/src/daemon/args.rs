//! The command line of the daemon, in the forms of Go's `flag` package.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt as _};
use log::LevelFilter;

use crate::duration;
use crate::exchange::Settings;
use crate::protocol::SOCKET;

/// Printed for `-help`, and after an error.
pub(super) const USAGE: &str = "\
usage: dhcp daemon [flags]
  -socketpath PATH         the socket to listen on (default /run/cni/dhcp.sock)
  -hostprefix PREFIX       put in front of the socket's path and of namespaces' paths
  -pidfile PATH            write the process id there
  -broadcast               ask servers to answer by broadcast
  -timeout DURATION        wait for the first answer (default 2s)
  -resendmax DURATION      the longest wait between packets (default 62s)
  -resendtimeout DURATION  give up acquiring a lease after that (default 28s)
  -loglevel LEVEL          error, warn, info, debug (default info)
";

/// What the command line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flags {
    pub(super) socket: PathBuf,
    pub(super) host_prefix: String,
    pub(super) pid_file: Option<PathBuf>,
    pub(super) settings: Settings,
    pub(super) log_level: LevelFilter,
}

/// Reads the flags; `None` if help is wanted.
pub(super) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Option<Flags>, String> {
    let mut flags = Flags {
        socket: SOCKET.into(),
        host_prefix: String::new(),
        pid_file: None,
        settings: Settings {
            timeout: Duration::from_secs(2),
            resend_max: Duration::from_secs(62),
            resend_timeout: Duration::from_secs(28),
            broadcast: false,
        },
        log_level: LevelFilter::Info,
    };
    let mut parser = Parser::from_args(args.into_iter().map(two_dashes));
    while let Some(arg) = parser.next().map_err(|error| error.to_string())? {
        let name = match &arg {
            Arg::Long("help" | "h") => return Ok(None),
            Arg::Long(name) => (*name).to_owned(),
            other => return Err(other.clone().unexpected().to_string()),
        };
        let mut text = || {
            let value = parser.value().map_err(|error| error.to_string())?;
            value.string().map_err(|error| format!("-{name}: {error}"))
        };
        match name.as_str() {
            "socketpath" => flags.socket = text()?.into(),
            "hostprefix" => flags.host_prefix = text()?,
            "pidfile" => flags.pid_file = Some(text()?.into()),
            "timeout" => flags.settings.timeout = span(&name, &text()?)?,
            "resendmax" => flags.settings.resend_max = span(&name, &text()?)?,
            "resendtimeout" => flags.settings.resend_timeout = span(&name, &text()?)?,
            "loglevel" => {
                let text = text()?;
                let unknown =
                    |_| format!("-loglevel: {text:?} is none of error, warn, info, debug");
                flags.log_level = text.parse().map_err(unknown)?;
            }
            "broadcast" => {
                // Only `-broadcast=false` has a value: a flag that is true or false takes none behind it.
                let value = parser
                    .optional_value()
                    .map(|value| value.to_string_lossy().into_owned());
                flags.settings.broadcast = truth(value.as_deref().unwrap_or("true"))?;
            }
            _ => return Err(format!("flag provided but not defined: -{name}")),
        }
    }
    if flags
        .pid_file
        .as_ref()
        .is_some_and(|path| !path.is_absolute())
    {
        return Err("-pidfile must be an absolute path".to_owned());
    }
    Ok(Some(flags))
}

/// `-name` as `--name`: one dash begins a cluster of letters elsewhere.
fn two_dashes(arg: OsString) -> OsString {
    match arg.to_str() {
        Some(text) if text.len() > 1 && text.starts_with('-') && !text.starts_with("--") => {
            format!("-{text}").into()
        }
        _ => arg,
    }
}

fn span(name: &str, text: &str) -> Result<Duration, String> {
    let span = duration::parse(text).map_err(|error| format!("-{name}: {error}"))?;
    // Whoever waits for nothing would send without a pause.
    match span {
        Duration::ZERO => Err(format!("-{name} must not be 0")),
        span => Ok(span.min(Duration::from_secs(86_400))),
    }
}

fn truth(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!("-broadcast: {text:?} is neither true nor false")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(args: &[&str]) -> Result<Option<Flags>, String> {
        parse(args.iter().map(OsString::from))
    }

    #[test]
    fn every_form_of_a_flag_is_understood() {
        for args in [
            &["-timeout", "3s", "-socketpath", "/a"][..],
            &["-timeout=3s", "--socketpath=/a"],
            &["--timeout", "3s", "-socketpath=/a"],
        ] {
            let flags = read(args).unwrap().unwrap();
            assert_eq!(flags.settings.timeout, Duration::from_secs(3), "{args:?}");
            assert_eq!(flags.socket, PathBuf::from("/a"), "{args:?}");
        }
        let broadcast = |args| read(args).unwrap().unwrap().settings.broadcast;
        assert!(!broadcast(&[]) && broadcast(&["-broadcast"]) && broadcast(&["--broadcast=1"]));
        assert!(!broadcast(&["-broadcast=false", "-timeout", "1s"]));
        assert!(broadcast(&["-broadcast", "-timeout", "1s"]));
        assert_eq!(read(&["-h"]), Ok(None));
        assert_eq!(read(&["--help"]), Ok(None));
    }

    #[test]
    fn mistakes_are_named() {
        for (args, expected) in [
            (&["-nothing"][..], "-nothing"),
            (&["-timeout"], "timeout"),
            (&["-timeout", "3"], "invalid duration \"3\""),
            (&["-timeout", "0s"], "must not be 0"),
            (&["-pidfile", "here"], "absolute"),
            (&["-broadcast=maybe"], "neither"),
            (&["-loglevel", "loud"], "loud"),
            (&["more"], "more"),
        ] {
            let error = read(args).unwrap_err();
            assert!(error.contains(expected), "{args:?}: {error}");
        }
    }
}
