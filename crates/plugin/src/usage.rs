//! What an executable answers to a person, who starts it without `CNI_COMMAND`.
//!
//! Programs read the first line, too, and compare the version in it with releases of the Go plugins:
//! nerdctl takes what follows `CNI firewall plugin ` as a semantic version (1.1.0 for networks of
//! their own, 1.7.1 for the policy `isolated`), Nomad takes the first word that is one (bridge mode
//! needs a bridge of 0.4.0). So the line has the release that the plugin takes the place of, and
//! Ferrule's own in what semantic versioning calls build metadata.

use std::ffi::OsString;
use std::process::ExitCode;

use cni_types::{Error, SpecVersion, bounded, env};

use crate::{log, run};

/// The release of the Go plugins whose configuration and behaviour the plugins have.
const GO_RELEASE: &str = "1.9.1";

/// The exit status of wrong arguments.
const WRONG_USAGE: u8 = 2;

/// What an executable does besides the protocol's verbs, as `dhcp daemon`.
#[derive(Debug)]
pub struct Subcommand {
    /// The first argument that starts it.
    pub name: &'static str,
    /// One line for `--help`, lower case.
    pub about: &'static str,
    /// Runs it, given the arguments after its name, and returns the exit status.
    pub run: fn(&[OsString]) -> ExitCode,
}

/// Name, versions and subcommands of an executable.
pub(crate) struct Usage {
    pub(crate) name: &'static str,
    pub(crate) versions: &'static [SpecVersion],
    pub(crate) subcommands: &'static [Subcommand],
}

impl Usage {
    /// Acts on the arguments. Without any, standard output stays empty, as it belongs to the protocol.
    pub(crate) fn answer(&self, arguments: &[OsString]) -> Result<ExitCode, Error> {
        let Some((first, rest)) = arguments.split_first() else {
            log(self.version().trim_end());
            return Ok(ExitCode::SUCCESS);
        };
        if let Some(subcommand) = self.subcommands.iter().find(|sub| first == sub.name) {
            return Ok((subcommand.run)(rest));
        }
        match (first.to_str(), rest.first()) {
            (Some("-h" | "--help"), None) => run::print(&self.help())?,
            (Some("-V" | "--version"), None) => run::print(&self.version())?,
            (Some("-h" | "--help" | "-V" | "--version"), Some(second)) => {
                return Ok(self.unknown(second));
            }
            _ => return Ok(self.unknown(first)),
        }
        Ok(ExitCode::SUCCESS)
    }

    fn unknown(&self, argument: &OsString) -> ExitCode {
        let name = self.name;
        log(format_args!(
            "{name}: unknown argument {:?}\nMore: {name} --help",
            bounded(&argument.to_string_lossy())
        ));
        ExitCode::from(WRONG_USAGE)
    }

    fn version(&self) -> String {
        let versions: Vec<&str> = self.versions.iter().map(|v| v.as_str()).collect();
        format!(
            "CNI {} plugin v{GO_RELEASE}+ferrule.{own}\n\
             CNI protocol versions supported: {}\n\
             Ferrule {own}, in place of release {GO_RELEASE} of the Go plugins\n",
            self.name,
            versions.join(", "),
            own = env!("CARGO_PKG_VERSION"),
        )
    }

    fn help(&self) -> String {
        let mut arguments = vec![
            ("-h, --help", "print this"),
            ("-V, --version", "print the lines above"),
        ];
        arguments.extend(self.subcommands.iter().map(|sub| (sub.name, sub.about)));
        let arguments: Vec<String> = arguments
            .iter()
            .map(|(word, about)| format!("  {word:<15} {about}\n"))
            .collect();
        format!(
            "{}
A container runtime starts this executable with a verb (ADD, DEL, CHECK, STATUS, GC, VERSION) in the
variable {command} and a network's configuration on standard input; the other variables are
{id}, {netns}, {ifname}, {args} and {path}. By hand: cnitool add NETWORK NETNS

Arguments, where {command} is not set:
{}
Configuration: {}/blob/main/docs/{}.md
",
            self.version(),
            arguments.concat(),
            env!("CARGO_PKG_REPOSITORY"),
            self.name,
            command = env::COMMAND,
            id = env::CONTAINER_ID,
            netns = env::NETNS,
            ifname = env::IFNAME,
            args = env::ARGS,
            path = env::PATH,
        )
    }
}
