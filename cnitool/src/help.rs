//! The manual.

use cni_types::SpecVersion;

use crate::arguments::Verb;

const OVERVIEW: &str = "\
cnitool attaches a network namespace to a CNI network, as a container runtime would.

Usage: cnitool COMMAND NETWORK [NETNS] [OPTIONS]

Commands
  add      attach the namespace to the network and print the result
  check    report whether the attachment is still as add left it
  del      take the attachment away
  gc       take away every attachment of the network except those named
  status   report whether an add would work now
  version  list the network's plugins and the protocol versions they speak
  help     print this, or more about one command: cnitool help add

NETWORK is the name inside a configuration, not the name of its file. NETNS is the path of a network
namespace, for example /run/netns/demo; add, check and del need it.

Options, which may stand anywhere
  -i, --ifname NAME  the interface inside the namespace (default: CNI_IFNAME, else eth0)
      --keep WHAT    gc: an attachment to keep; may be repeated
      --no-undo      add: leave what the plugins did when one of them fails
      --json         print JSON on a terminal too
  -h, --help         print help
  -V, --version      print the version of cnitool

Environment
  NETCONFPATH  folder of network configurations (default: /etc/cni/net.d)
  CNI_PATH     folders of plugins, separated by colons (default: /opt/cni/bin if it exists)
  CNI_IFNAME   the interface inside the namespace
  CNI_ARGS     arguments for plugins, KEY=VALUE;KEY=VALUE
  CAP_ARGS     values for capabilities, a JSON object
What was attached is remembered in /var/lib/cni/results for check, del and gc.

Exit codes
  0  done    1  failed, and standard error says why    2  wrong usage

Example
  ip netns add demo
  cnitool add lab /run/netns/demo
  ip netns exec demo ip address
  cnitool del lab /run/netns/demo
";

const ADD: &str = "\
Usage: cnitool add NETWORK NETNS [-i NAME] [--json] [--no-undo]

Attaches the namespace to the network: runs ADD of every plugin in order. On a terminal the result
is shown as tables, elsewhere as the JSON the last plugin printed.

If a plugin fails, DEL is run for those that were begun, so that nothing stays behind; --no-undo
leaves everything as it is, for a look at it. An attachment that existed before is never touched.

Examples
  cnitool add lab /run/netns/demo
  cnitool add lab /run/netns/demo -i net1
  cnitool add lab /run/netns/demo | jq -r '.ips[0].address'
  CNI_ARGS='IP=10.1.0.9' cnitool add lab /run/netns/demo
  CAP_ARGS='{\"portMappings\": [{\"hostPort\": 8080, \"containerPort\": 80, \"protocol\": \"tcp\"}]}' \\
    cnitool add lab /run/netns/demo
";

const CHECK: &str = "\
Usage: cnitool check NETWORK NETNS [-i NAME]

Runs CHECK of every plugin with the remembered result of add. Prints nothing if all is well. Needs a
network of version 0.4.0 or newer.

Example
  cnitool check lab /run/netns/demo && echo well
";

const DEL: &str = "\
Usage: cnitool del NETWORK NETNS [-i NAME]

Takes the attachment away: runs DEL of every plugin, the last first. The namespace may be gone
already, and del may be repeated. Give the same path and interface as to add, for they name the
container.

Example
  cnitool del lab /run/netns/demo
";

const GC: &str = "\
Usage: cnitool gc NETWORK [--keep WHAT]...

Takes away EVERY attachment of the network that is not kept, also those that other runtimes made:
remembered ones by DEL, and then each plugin looks for what is left over (networks of version 1.1.0
or newer). Let no add or del run meanwhile. WHAT is one of

  CONTAINER/INTERFACE  one attachment
  CONTAINER            all remembered attachments of a container
  /PATH/OF/NETNS       those of the container that cnitool made for the namespace

Examples
  cnitool gc lab
  cnitool gc lab --keep /run/netns/demo --keep 0a1b2c/eth0
";

const STATUS: &str = "\
Usage: cnitool status NETWORK

Asks every plugin whether an add would work now. Prints nothing if so. Networks older than version
1.1.0 cannot be asked and count as ready.

Example
  cnitool status lab && echo ready
";

const VERSION: &str = "\
Usage: cnitool version NETWORK [--json]

Asks every plugin of the network, address plugins included, which versions of the protocol it
speaks. Fails if one is missing or does not speak the network's version.

Example
  cnitool version lab
";

/// The manual, or the chapter about a command.
pub(crate) fn text(topic: Option<Verb>) -> String {
    let chapter = match topic {
        None => OVERVIEW,
        Some(Verb::Add) => ADD,
        Some(Verb::Check) => CHECK,
        Some(Verb::Del) => DEL,
        Some(Verb::Gc) => GC,
        Some(Verb::Status) => STATUS,
        Some(Verb::Version) => VERSION,
    };
    let pointer = match topic {
        None => "",
        Some(_) => "\nOptions and environment variables: cnitool --help\n",
    };
    format!("{chapter}{pointer}")
}

/// Which program this is.
pub(crate) fn about() -> String {
    let versions: Vec<&str> = SpecVersion::ALL
        .into_iter()
        .map(SpecVersion::as_str)
        .collect();
    format!(
        "cnitool {} (Ferrule)\nCNI protocol versions supported: {}\n",
        env!("CARGO_PKG_VERSION"),
        versions.join(", ")
    )
}

/// Where to read on after a wrong command line.
pub(crate) fn hint(verb: Option<Verb>) -> String {
    match verb {
        Some(verb) => format!("More: cnitool help {}\n", verb.word()),
        None => {
            "Usage: cnitool add|check|del|gc|status|version NETWORK [NETNS]\nMore: cnitool --help\n"
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_knows_every_command_and_fits_the_screen() {
        let overview = text(None);
        for verb in Verb::ALL {
            assert!(overview.contains(&format!("\n  {} ", verb.word())));
            assert!(
                text(Some(verb)).starts_with(&format!("Usage: cnitool {} NETWORK", verb.word()))
            );
        }
        let texts = Verb::ALL.map(|verb| text(Some(verb))).concat() + &overview;
        for line in texts.lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
    }

    #[test]
    fn variables_and_folders_are_named_as_they_are() {
        use crate::environment::{CONFIG_FOLDER, INTERFACE, PLUGIN_FOLDER};
        let overview = text(None);
        for name in [
            "NETCONFPATH",
            "CNI_PATH",
            "CNI_IFNAME",
            "CNI_ARGS",
            "CAP_ARGS",
        ] {
            assert!(overview.contains(&format!("\n  {name} ")));
        }
        for default in [CONFIG_FOLDER, PLUGIN_FOLDER, INTERFACE] {
            assert!(overview.contains(default));
        }
    }
}
