//! `cnitool`: run the plugins of a network by hand.
//!
//! The command line over [`libcni`]: it takes a network from the configuration folder and a network
//! namespace, and does what a container runtime would do with them.

mod arguments;
mod command;
mod container;
mod environment;
mod failure;
mod help;
mod keep;
mod summary;
mod table;
mod versions;

use std::env;
use std::io::{self, Write};
use std::process::ExitCode;

use arguments::{Arguments, Request};
use environment::Environment;

fn main() -> ExitCode {
    match arguments::parse(env::args_os().skip(1)) {
        Ok(Request::Help(text)) => print(&text),
        Ok(Request::About) => print(&help::about()),
        Ok(Request::Run(arguments)) => run(&arguments),
        Err(mistake) => {
            tell(&mistake);
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> ExitCode {
    let done = Environment::read(|name| env::var_os(name))
        .and_then(|environment| command::run(arguments, &environment));
    match done {
        Ok(text) => print(&text),
        Err(failure) => {
            print(&failure.output);
            tell(&failure.text(arguments.verb));
            ExitCode::FAILURE
        }
    }
}

fn print(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&format!("cnitool: writing the output: {error}\n"));
            ExitCode::FAILURE
        }
    }
}

/// Writes to standard error; there is nowhere to report that this failed.
fn tell(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}
