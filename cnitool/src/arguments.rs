//! The command line.

use std::ffi::OsString;
use std::fmt;

use lexopt::prelude::{Long, Short, Value};

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
    /// The manual, or a verb's chapter of it.
    Help(Option<Verb>),
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
    /// JSON even on a terminal.
    pub(crate) json: bool,
    /// Take back an ADD that fails.
    pub(crate) undo: bool,
}

/// A command line that makes no sense.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Usage {
    UnknownCommand(String),
    NoCommand,
    NoNetwork(Verb),
    NoNamespace(Verb),
    Superfluous(Verb, String),
    NotFor(Verb, &'static str),
    Option(String),
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

    /// Whether it is about one container.
    pub(crate) const fn needs_namespace(self) -> bool {
        matches!(self, Self::Add | Self::Check | Self::Del)
    }

    fn parse(word: &str) -> Result<Self, Usage> {
        Self::ALL
            .into_iter()
            .find(|verb| verb.word() == word)
            .ok_or_else(|| Usage::UnknownCommand(word.to_owned()))
    }
}

/// Reads the command line, the program's name left out. Options may stand anywhere.
pub(crate) fn parse(words: impl Iterator<Item = OsString>) -> Result<Request, Usage> {
    let mut given = Given::default();
    let mut parser = lexopt::Parser::from_args(words);
    while let Some(argument) = parser.next().map_err(|error| option(&error))? {
        match argument {
            Short('h') | Long("help") => given.question = given.question.or(Some(Question::Help)),
            Short('V') | Long("version") => given.question = Some(Question::About),
            Short('i') | Long("ifname") => given.ifname = Some(text(parser.value())?),
            Long("keep") => given.keep.push(text(parser.value())?),
            Long("json") => given.json = true,
            Long("no-undo") => given.no_undo = true,
            Value(word) => given.words.push(text(Ok(word))?),
            other => return Err(option(&other.unexpected())),
        }
    }
    given.request()
}

fn option(error: &lexopt::Error) -> Usage {
    Usage::Option(error.to_string())
}

fn text(word: Result<OsString, lexopt::Error>) -> Result<String, Usage> {
    let word = word.map_err(|error| option(&error))?;
    word.into_string()
        .map_err(|word| Usage::Option(format!("{} is not UTF-8", word.display())))
}

/// Options that ask instead of ordering.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Question {
    Help,
    About,
}

#[derive(Default)]
struct Given {
    words: Vec<String>,
    ifname: Option<String>,
    keep: Vec<String>,
    question: Option<Question>,
    json: bool,
    no_undo: bool,
}

impl Given {
    fn request(self) -> Result<Request, Usage> {
        if self.question == Some(Question::About) {
            return Ok(Request::About);
        }
        let help = self.question == Some(Question::Help);
        let orders = self.ifname.is_some() || self.json || self.no_undo || !self.keep.is_empty();
        let mut words = self.words.into_iter();
        let verb = match words.next().as_deref() {
            None if orders && !help => return Err(Usage::NoCommand),
            None => return Ok(Request::Help(None)),
            Some("help") => {
                let topic = words.next().map(|word| Verb::parse(&word));
                return topic.transpose().map(Request::Help);
            }
            Some(word) => Verb::parse(word)?,
        };
        if help {
            return Ok(Request::Help(Some(verb)));
        }
        if verb != Verb::Gc && !self.keep.is_empty() {
            return Err(Usage::NotFor(verb, "--keep"));
        }
        if verb != Verb::Add && self.no_undo {
            return Err(Usage::NotFor(verb, "--no-undo"));
        }
        let not_empty = |word: &String| !word.is_empty();
        let network = words.next().filter(not_empty);
        let netns = words.next().filter(not_empty);
        if let Some(word) = words.next() {
            return Err(Usage::Superfluous(verb, word));
        }
        if verb.needs_namespace() && network.is_some() && netns.is_none() {
            return Err(Usage::NoNamespace(verb));
        }
        Ok(Request::Run(Arguments {
            verb,
            network: network.ok_or(Usage::NoNetwork(verb))?,
            netns,
            ifname: self.ifname,
            keep: self.keep,
            json: self.json,
            undo: !self.no_undo,
        }))
    }
}

impl Usage {
    /// The verb whose manual would have helped.
    pub(crate) fn verb(&self) -> Option<Verb> {
        match self {
            Self::UnknownCommand(_) | Self::NoCommand | Self::Option(_) => None,
            Self::NoNetwork(verb)
            | Self::NoNamespace(verb)
            | Self::Superfluous(verb, _)
            | Self::NotFor(verb, _) => Some(*verb),
        }
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownCommand(word) => write!(f, "there is no command {word:?}"),
            Self::NoCommand => f.write_str("there is no command"),
            Self::NoNetwork(verb) => write!(f, "{} needs the name of a network", verb.word()),
            Self::NoNamespace(verb) => write!(
                f,
                "{} needs a network and the path of a network namespace",
                verb.word()
            ),
            Self::Superfluous(verb, word) => {
                write!(f, "{}: there is nothing to do with {word:?}", verb.word())?;
                if *verb == Verb::Add {
                    f.write_str("; an interface is named by --ifname")?;
                }
                Ok(())
            }
            Self::NotFor(verb, option) => write!(f, "{} has no option {option}", verb.word()),
            Self::Option(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Request, Usage> {
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
        let plain = run("add lab /run/netns/a");
        assert_eq!((plain.verb, plain.network.as_str()), (Verb::Add, "lab"));
        assert_eq!(
            (plain.netns.as_deref(), plain.ifname),
            (Some("/run/netns/a"), None)
        );
        assert!(plain.undo && !plain.json);
        for line in [
            "-i net1 check lab a",
            "check --ifname net1 lab a",
            "check lab a --ifname=net1",
            "check lab -inet1 a",
        ] {
            assert_eq!(run(line).ifname.as_deref(), Some("net1"), "{line}");
        }
    }

    #[test]
    fn the_namespace_is_optional_where_it_means_nothing() {
        for line in ["gc lab", "status lab", "version lab"] {
            assert_eq!(run(line).netns, None);
            assert_eq!(
                run(&format!("{line} /run/netns/a")).netns.as_deref(),
                Some("/run/netns/a")
            );
        }
        for verb in [Verb::Add, Verb::Check, Verb::Del] {
            let word = verb.word();
            assert_eq!(read(&format!("{word} lab")), Err(Usage::NoNamespace(verb)));
            assert_eq!(read(word), Err(Usage::NoNetwork(verb)));
        }
    }

    #[test]
    fn options_belong_to_their_commands() {
        assert_eq!(run("gc lab --keep a --keep b/eth0").keep, ["a", "b/eth0"]);
        assert!(!run("add --no-undo lab a").undo);
        assert!(run("add lab a --json").json);
        assert_eq!(
            read("del lab a --keep b"),
            Err(Usage::NotFor(Verb::Del, "--keep"))
        );
        assert_eq!(
            read("del lab a --no-undo"),
            Err(Usage::NotFor(Verb::Del, "--no-undo"))
        );
        assert!(matches!(read("add lab a --bogus"), Err(Usage::Option(_))));
        assert!(matches!(read("add lab a -i"), Err(Usage::Option(_))));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert_eq!(read("ADD lab a"), Err(Usage::UnknownCommand("ADD".into())));
        assert_eq!(
            read("add lab a eth1").unwrap_err().to_string(),
            "add: there is nothing to do with \"eth1\"; an interface is named by --ifname"
        );
        assert_eq!(read("-i eth1"), Err(Usage::NoCommand));
    }

    #[test]
    fn help_is_given_on_every_way_of_asking() {
        assert_eq!(read(""), Ok(Request::Help(None)));
        assert_eq!(read("--help"), Ok(Request::Help(None)));
        assert_eq!(read("help"), Ok(Request::Help(None)));
        assert_eq!(read("help gc"), Ok(Request::Help(Some(Verb::Gc))));
        assert_eq!(read("add -h"), Ok(Request::Help(Some(Verb::Add))));
        assert_eq!(read("help me"), Err(Usage::UnknownCommand("me".into())));
        assert_eq!(read("--version"), Ok(Request::About));
        assert_eq!(read("version"), Err(Usage::NoNetwork(Verb::Version)));
    }
}
