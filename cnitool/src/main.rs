//! `cnitool`: run the plugins of a network by hand.
//!
//! A command line for [`libcni`]: attaches a network namespace to a network of the configuration
//! folder, as a container runtime does.

mod arguments;
mod attachments;
mod command;
mod container;
mod environment;
mod error;
mod explain;
mod gc;
mod help;
mod list;
mod node;
mod selection;
mod show;
mod summary;
mod table;
mod validate;
mod versions;

use std::env;
use std::io::{self, Write};
use std::process::ExitCode;

use arguments::{Arguments, Query, Request, ValidateOptions};
use environment::Environment;

fn main() -> ExitCode {
    match arguments::parse(env::args_os().skip(1)) {
        Ok(Request::Help(text)) => print(&text),
        Ok(Request::About) => print(&help::about()),
        Ok(Request::Run(arguments)) => run(&arguments),
        Ok(Request::Query(query)) => look(&query),
        Ok(Request::Validate { options, json }) => validate(&options, json),
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
            tell(&failure.text(arguments.verb.word()));
            ExitCode::FAILURE
        }
    }
}

fn look(query: &Query) -> ExitCode {
    let text = match query {
        Query::List { network, json } => Ok(list::text(network.as_deref(), *json)),
        Query::Show { network, format } => show::text(network.as_deref(), *format),
        Query::Explain { container, json } => Environment::read(|name| env::var_os(name))
            .and_then(|environment| explain::text(container, *json, &environment)),
    };
    match text {
        Ok(text) => print(&text),
        Err(failure) => {
            tell(&failure.text(query.word()));
            ExitCode::FAILURE
        }
    }
}

fn validate(options: &ValidateOptions, json: bool) -> ExitCode {
    let outcome = Environment::read(|name| env::var_os(name))
        .and_then(|environment| validate::run(options, json, &environment));
    match outcome {
        Ok(outcome) if outcome.is_valid => print(&outcome.output),
        Ok(outcome) => {
            print(&outcome.output);
            ExitCode::FAILURE
        }
        Err(failure) => {
            tell(&failure.text("validate"));
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

/// Writes to standard error and ignores errors.
fn tell(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}
