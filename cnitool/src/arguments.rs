//! The command line.

use std::ffi::OsString;

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

/// What the user wants.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// This text.
    Help(String),
    /// Which program this is.
    About,
    /// A verb carried out.
    Run(Arguments),
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
    pub(crate) const ALL: [Self; 6] = [
        Self::Add,
        Self::Check,
        Self::Del,
        Self::Gc,
        Self::Status,
        Self::Version,
    ];

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
                let verb = verb_among(&words);
                let tip = match (kind, verb) {
                    (ErrorKind::UnknownArgument, Some(Verb::Add)) => {
                        "\n  tip: an interface is named by --ifname"
                    }
                    _ => "",
                };
                Err(mistake(&error.render().to_string(), tip, verb))
            }
        },
    }
}

/// What is wrong, and the chapter of the manual that would have helped.
fn mistake(text: &str, tip: &str, verb: Option<Verb>) -> String {
    let text = text.strip_prefix("error: ").unwrap_or(text);
    let text = text
        .split_once("\n\nFor more information")
        .map_or(text, |(before, _)| before);
    let chapter = verb.map_or("--help".to_owned(), |verb| format!("help {}", verb.word()));
    format!(
        "cnitool: {}{tip}\nMore: cnitool {chapter}\n",
        text.trim_end()
    )
}

fn verb_among(words: &[OsString]) -> Option<Verb> {
    let mut verbs = Verb::ALL.into_iter();
    verbs.find(|verb| words.iter().any(|word| word == verb.word()))
}

impl CommandLine {
    /// The order that was given, if any was.
    fn request(self) -> Option<Request> {
        let target =
            |verb, target: Target| Arguments::new(verb, target.network, Some(target.netns));
        let network = |verb, target: Network| Arguments::new(verb, target.network, target.netns);
        let mut arguments = match self.command? {
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
        arguments.json = self.json;
        Some(Request::Run(arguments))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Request, String> {
        parse(
            line.split(' ')
                .filter(|word| !word.is_empty())
                .map(OsString::from),
        )
    }

    fn run(line: &str) -> Arguments {
        match read(line) {
            Ok(Request::Run(arguments)) => arguments,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn both_generations_of_command_lines_are_read() {
        let plain = run("add mynet /run/netns/a");
        assert_eq!((plain.verb, plain.network.as_str()), (Verb::Add, "mynet"));
        assert_eq!(
            (plain.netns.as_deref(), plain.ifname),
            (Some("/run/netns/a"), None)
        );
        assert!(plain.undo && !plain.json);
        for line in [
            "-i net1 check mynet a",
            "check --ifname net1 mynet a",
            "check mynet a --ifname=net1",
            "check mynet -inet1 a",
        ] {
            assert_eq!(run(line).ifname.as_deref(), Some("net1"), "{line}");
        }
    }

    #[test]
    fn the_namespace_is_optional_where_it_means_nothing() {
        for line in ["gc --keep-nothing mynet", "status mynet", "version mynet"] {
            assert_eq!(run(line).netns, None);
            assert_eq!(
                run(&format!("{line} /run/netns/a")).netns.as_deref(),
                Some("/run/netns/a")
            );
        }
        for verb in [Verb::Add, Verb::Check, Verb::Del] {
            let word = verb.word();
            for line in [word.to_owned(), format!("{word} mynet")] {
                let text = read(&line).unwrap_err();
                assert!(text.contains("<NETNS>"), "{text}");
                assert!(
                    text.ends_with(&format!("\nMore: cnitool help {word}\n")),
                    "{text}"
                );
            }
        }
        assert!(read("gc").unwrap_err().contains("<NETWORK>"));
    }

    #[test]
    fn options_belong_to_their_commands() {
        assert_eq!(run("gc mynet --keep a --keep b/eth0").keep, ["a", "b/eth0"]);
        assert!(!run("add --no-undo mynet a").undo);
        assert!(run("add mynet a --json").json);
        assert!(!run("gc mynet --keep a").dry_run);
        assert!(run("gc mynet --dry-run").dry_run && run("gc mynet --keep a --dry-run").dry_run);
        assert!(run("gc mynet --keep-nothing").keep.is_empty());
        for (line, option) in [
            ("del mynet a --keep b", "--keep"),
            ("del mynet a --no-undo", "--no-undo"),
            ("add mynet a --bogus", "--bogus"),
            ("add mynet a -i", "--ifname"),
            ("gc mynet", "--keep-nothing"),
            ("gc mynet --keep a --keep-nothing", "--keep-nothing"),
        ] {
            let text = read(line).unwrap_err();
            assert!(
                text.starts_with("cnitool: ") && text.contains(option),
                "{text}"
            );
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let unknown = read("ADD mynet a").unwrap_err();
        assert!(
            unknown.starts_with("cnitool: unrecognized subcommand 'ADD'\n"),
            "{unknown}"
        );
        assert!(unknown.ends_with("\nMore: cnitool --help\n"), "{unknown}");
        let superfluous = read("add mynet a eth1").unwrap_err();
        assert!(
            superfluous.contains("'eth1'") && superfluous.contains("--ifname"),
            "{superfluous}"
        );
        assert_eq!(
            read("-i eth1"),
            Err("cnitool: there is no command\nMore: cnitool --help\n".into())
        );
        let empty = parse(["add", "", "a"].into_iter().map(OsString::from));
        assert!(empty.unwrap_err().contains("<NETWORK>"));
    }

    #[test]
    fn help_is_given_on_every_way_of_asking() {
        let help = |line: &str| match read(line) {
            Ok(Request::Help(text)) => text,
            other => panic!("{line}: {other:?}"),
        };
        for line in ["", "--help", "help"] {
            let text = help(line);
            for verb in Verb::ALL {
                assert!(text.contains(&format!("\n  {} ", verb.word())), "{text}");
            }
            assert!(
                text.contains("NETCONFPATH") && text.contains("--ifname"),
                "{text}"
            );
        }
        for verb in Verb::ALL {
            let word = verb.word();
            let texts = [
                help(&format!("help {word}")),
                help(&format!("{word} --help")),
            ];
            let usage = format!("\nUsage: cnitool {word} ");
            assert!(
                texts
                    .iter()
                    .all(|text| text.contains(&usage) && text.contains("Example"))
            );
            let all = texts.concat() + &help("");
            for line in all.lines() {
                assert!(line.chars().count() <= 100, "{line}");
            }
        }
        assert!(read("help me").is_err());
        assert_eq!(read("--version"), Ok(Request::About));
        assert!(read("version").is_err());
    }

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }
}
