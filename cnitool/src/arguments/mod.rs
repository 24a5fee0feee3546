//! The command line.

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser as NotEmpty;
use clap::error::ErrorKind;
use clap::{ArgGroup, Args, CommandFactory as _, Parser, Subcommand};

use crate::help;

/// Attach a network namespace to a CNI network, as a container runtime would
#[derive(Debug, Parser)]
#[command(name = "cnitool", version, max_term_width = 100, after_help = help::OVERVIEW)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
    #[arg(
        short,
        long,
        global = true,
        value_name = "NAME",
        help = "The interface inside the namespace (default: CNI_IFNAME, else eth0)"
    )]
    ifname: Option<String>,
    /// Print JSON on a terminal too
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Attach the namespace to the network and print the result
    #[command(long_about = help::ADD, after_help = help::ADD_EXAMPLES)]
    Add {
        #[command(flatten)]
        target: Target,
        /// Leave what the plugins did when one of them fails
        #[arg(long)]
        no_undo: bool,
    },
    /// Report whether the attachment is still as add left it
    #[command(long_about = help::CHECK, after_help = help::CHECK_EXAMPLES)]
    Check(Target),
    /// Take the attachment away
    #[command(long_about = help::DEL, after_help = help::DEL_EXAMPLES)]
    Del(Target),
    /// Take away every attachment of the network except those named
    #[command(long_about = help::GC, after_help = help::GC_EXAMPLES)]
    #[command(group = ArgGroup::new("kept").args(["keep", "keep_nothing", "dry_run"]).multiple(true).required(true))]
    Gc {
        #[command(flatten)]
        target: Network,
        /// An attachment to keep; may be repeated
        #[arg(long, value_name = "WHAT")]
        keep: Vec<String>,
        /// Keep no attachment at all
        #[arg(long, conflicts_with = "keep")]
        keep_nothing: bool,
        /// Print what would be removed, and remove nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Report whether an add would work now
    #[command(long_about = help::STATUS, after_help = help::STATUS_EXAMPLES)]
    Status(Network),
    /// List the network's plugins and the protocol versions they speak
    #[command(long_about = help::VERSION, after_help = help::VERSION_EXAMPLES)]
    Version(Network),
    /// List the attachments that this node remembers
    #[command(long_about = help::LIST, after_help = help::LIST_EXAMPLES)]
    List {
        /// Only those of this network
        network: Option<String>,
    },
    /// Draw the attachments of this node
    #[command(long_about = help::SHOW, after_help = help::SHOW_EXAMPLES)]
    Show {
        /// Only those of this network
        network: Option<String>,
        /// Print a graph for Graphviz
        #[arg(long)]
        dot: bool,
        /// Print an SVG image
        #[arg(long, conflicts_with_all = ["dot", "json"])]
        svg: bool,
    },
    /// Print all that this node has of a container
    #[command(long_about = help::EXPLAIN, after_help = help::EXPLAIN_EXAMPLES)]
    Explain {
        /// CONTAINER, CONTAINER/INTERFACE, or the path of a namespace
        #[arg(value_parser = NotEmpty::new())]
        container: String,
    },
    /// Check configurations without running anything
    #[command(long_about = help::VALIDATE, after_help = help::VALIDATE_EXAMPLES)]
    Validate(ValidateOptions),
}

/// Who is attached to what.
#[derive(Debug, Args)]
struct Target {
    /// The name inside a configuration, not the name of its file
    #[arg(value_parser = NotEmpty::new())]
    network: String,
    /// The path of a network namespace, for example /run/netns/demo
    #[arg(value_parser = NotEmpty::new())]
    netns: String,
}

/// A network alone. A namespace is accepted, as upstream's tool demands one.
#[derive(Debug, Args)]
struct Network {
    /// The name inside a configuration, not the name of its file
    #[arg(value_parser = NotEmpty::new())]
    network: String,
    /// Accepted and ignored
    #[arg(hide = true)]
    netns: Option<String>,
}

/// What `validate` is asked.
#[derive(Debug, Args, PartialEq, Eq)]
pub(crate) struct ValidateOptions {
    /// Configurations, or folders of them (default: the folder of NETCONFPATH)
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Fail on warnings, too
    #[arg(long)]
    pub(crate) strict: bool,
}

/// What `cnitool` can do with a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Add,
    Check,
    Del,
    Gc,
    Status,
    Version,
}

/// How `show` draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Json,
    Dot,
    Svg,
}

/// A look at the node, for which no network has to be configured.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Query {
    /// The attachments of a network, or of all.
    List { network: Option<String>, json: bool },
    /// The same as a picture.
    Show {
        network: Option<String>,
        format: Format,
    },
    /// All there is of a container.
    Explain { container: String, json: bool },
}

impl Query {
    /// The command as it is typed.
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::List { .. } => "list",
            Self::Show { .. } => "show",
            Self::Explain { .. } => "explain",
        }
    }
}

/// What the user wants.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// This text.
    Help(String),
    /// Which program this is.
    About,
    /// A verb carried out.
    Run(Arguments),
    /// A look at the node.
    Query(Query),
    /// Configurations checked.
    Validate {
        options: ValidateOptions,
        json: bool,
    },
}

/// A verb and all that was said with it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arguments {
    pub(crate) verb: Verb,
    /// The network's name.
    pub(crate) network: String,
    /// The namespace as it was written.
    pub(crate) netns: Option<String>,
    /// The interface inside the container.
    pub(crate) ifname: Option<String>,
    /// What GC must not take away, as it was written.
    pub(crate) keep: Vec<String>,
    /// GC only says what it would take away.
    pub(crate) dry_run: bool,
    /// JSON even on a terminal.
    pub(crate) json: bool,
    /// Take back an ADD that fails.
    pub(crate) undo: bool,
}

impl Verb {
    /// The verb as it is typed.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Check => "check",
            Self::Del => "del",
            Self::Gc => "gc",
            Self::Status => "status",
            Self::Version => "version",
        }
    }
}

impl Arguments {
    fn new(verb: Verb, network: String, netns: Option<String>) -> Self {
        Self {
            verb,
            network,
            netns,
            ifname: None,
            keep: Vec::new(),
            dry_run: false,
            json: false,
            undo: true,
        }
    }
}

/// Reads the command line, the program's name left out; the text of a mistake is for the user.
pub(crate) fn parse(words: impl Iterator<Item = OsString>) -> Result<Request, String> {
    let words: Vec<OsString> = words.collect();
    let all = std::iter::once("cnitool".into()).chain(words.iter().cloned());
    match CommandLine::try_parse_from(all) {
        Ok(line) if line.command.is_none() && words.is_empty() => Ok(Request::Help(
            CommandLine::command().render_help().to_string(),
        )),
        Ok(line) => line
            .request()
            .ok_or_else(|| mistake("there is no command", "", None)),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp => Ok(Request::Help(error.render().to_string())),
            ErrorKind::DisplayVersion => Ok(Request::About),
            kind => {
                let chapter = command_among(&words);
                let tip = match (kind, chapter.as_deref()) {
                    (ErrorKind::UnknownArgument, Some("add")) => {
                        "\n  tip: an interface is named by --ifname"
                    }
                    _ => "",
                };
                Err(mistake(
                    &error.render().to_string(),
                    tip,
                    chapter.as_deref(),
                ))
            }
        },
    }
}

/// What is wrong, and the chapter of the manual that would have helped.
fn mistake(text: &str, tip: &str, chapter: Option<&str>) -> String {
    let text = text.strip_prefix("error: ").unwrap_or(text);
    let text = text
        .split_once("\n\nFor more information")
        .map_or(text, |(before, _)| before);
    let chapter = chapter.map_or("--help".to_owned(), |command| format!("help {command}"));
    format!(
        "cnitool: {}{tip}\nMore: cnitool {chapter}\n",
        text.trim_end()
    )
}

fn command_among(words: &[OsString]) -> Option<String> {
    let whole = CommandLine::command();
    let mut names = whole.get_subcommands().map(clap::Command::get_name);
    let name = names.find(|name| words.iter().any(|word| word == name));
    name.map(str::to_owned)
}

impl CommandLine {
    /// The order that was given, if any was.
    fn request(self) -> Option<Request> {
        let target =
            |verb, target: Target| Arguments::new(verb, target.network, Some(target.netns));
        let network = |verb, target: Network| Arguments::new(verb, target.network, target.netns);
        let json = self.json;
        let mut arguments = match self.command? {
            Command::List { network } => {
                return Some(Request::Query(Query::List { network, json }));
            }
            Command::Show { network, dot, svg } => {
                let format = match (dot, svg) {
                    (true, _) => Format::Dot,
                    (_, true) => Format::Svg,
                    _ if json => Format::Json,
                    _ => Format::Text,
                };
                return Some(Request::Query(Query::Show { network, format }));
            }
            Command::Explain { container } => {
                return Some(Request::Query(Query::Explain { container, json }));
            }
            Command::Validate(options) => {
                return Some(Request::Validate { options, json });
            }
            Command::Add {
                target: whom,
                no_undo,
            } => Arguments {
                undo: !no_undo,
                ..target(Verb::Add, whom)
            },
            Command::Check(whom) => target(Verb::Check, whom),
            Command::Del(whom) => target(Verb::Del, whom),
            Command::Gc {
                target,
                keep,
                dry_run,
                ..
            } => Arguments {
                keep,
                dry_run,
                ..network(Verb::Gc, target)
            },
            Command::Status(target) => network(Verb::Status, target),
            Command::Version(target) => network(Verb::Version, target),
        };
        arguments.ifname = self.ifname;
        arguments.json = json;
        Some(Request::Run(arguments))
    }
}
