//! `dhcp leases`: what the daemon holds, for a person or a program.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use lexopt::{Arg, Parser};

use crate::client::Daemon;
use crate::lease::Stage;
use crate::protocol::{Query, Reply, SOCKET, Summary};

const USAGE: &str = "\
usage: dhcp leases [--json] [--socket PATH]
  --json         as JSON
  --socket PATH  the daemon's socket (default /run/cni/dhcp.sock)
";

const HEADINGS: [&str; 8] = [
    "NETWORK",
    "CONTAINER",
    "INTERFACE",
    "ADDRESS",
    "SERVER",
    "STATE",
    "RENEWS IN",
    "EXPIRES IN",
];

/// Prints the leases.
pub(crate) fn run(args: &[OsString]) -> ExitCode {
    let fail = |text: String, code: u8| {
        let _ = writeln!(io::stderr(), "{text}");
        ExitCode::from(code)
    };
    let (socket, json) = match parse(args.iter().cloned()) {
        Ok(Some(flags)) => flags,
        Ok(None) => return fail(USAGE.to_owned(), 0),
        Err(error) => return fail(format!("{error}\n{USAGE}"), 2),
    };
    let leases = match Daemon::at(&socket).ask(Query::List) {
        Ok(Reply::Leases(leases)) => leases,
        Ok(_) => return fail("the daemon answers something else".to_owned(), 1),
        Err(error) => return fail(cni_types::Error::from(error).to_string(), 1),
    };
    let text = if json {
        serde_json::to_string_pretty(&leases).unwrap_or_default() + "\n"
    } else {
        table(&leases)
    };
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(ferrule_file::io_text(&error), 1),
    }
}

fn parse(
    args: impl IntoIterator<Item = OsString>,
) -> Result<Option<(PathBuf, bool)>, lexopt::Error> {
    let mut parser = Parser::from_args(args);
    let (mut socket, mut json) = (PathBuf::from(SOCKET), false);
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("json") => json = true,
            Arg::Long("socket") => socket = parser.value()?.into(),
            Arg::Long("help") | Arg::Short('h') => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some((socket, json)))
}

/// A table with columns as wide as their widest entry.
fn table(leases: &[Summary]) -> String {
    let mut rows = vec![HEADINGS.map(str::to_owned)];
    rows.extend(leases.iter().map(row));
    let mut widths = [0; HEADINGS.len()];
    for row in &rows {
        for (width, entry) in widths.iter_mut().zip(row) {
            *width = entry.chars().count().max(*width);
        }
    }
    let line = |row: &[String; HEADINGS.len()]| {
        let padded = row
            .iter()
            .zip(widths)
            .map(|(entry, width)| format!("{entry:width$}  "));
        format!("{}\n", padded.collect::<String>().trim_end())
    };
    rows.iter().map(line).collect()
}

fn row(lease: &Summary) -> [String; HEADINGS.len()] {
    let time = |seconds: Option<u64>| {
        seconds.map_or_else(|| "never".to_owned(), |seconds| format!("{seconds} s"))
    };
    let state = match lease.stage {
        Stage::Requested => "requested",
        Stage::Held => "held",
        Stage::Lost => "lost",
    };
    [
        lease.key.network.clone(),
        lease.key.container_id.clone(),
        lease.key.ifname.clone(),
        lease.lease.address.to_string(),
        lease.lease.server.to_string(),
        state.to_owned(),
        time(lease.renew_in),
        time(lease.expire_in),
    ]
}
