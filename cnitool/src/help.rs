//! The long texts of the manual.

use cni_types::SpecVersion;

pub(crate) const OVERVIEW: &str = "\
Environment
  NETCONFPATH  folder of network configurations (default: /etc/cni/net.d)
  CNI_PATH     folders of plugins, separated by colons (default: /opt/cni/bin if it exists)
  CNI_IFNAME   the interface inside the namespace
  CNI_ARGS     arguments for plugins, KEY=VALUE;KEY=VALUE
  CAP_ARGS     values for capabilities, a JSON object
Attachments are cached in /var/lib/cni/results for check, del and gc.

Exit codes
  0  done    1  failed, and standard error says why    2  wrong usage

Example
  ip netns add demo
  cnitool add mynet /run/netns/demo
  ip netns exec demo ip address
  cnitool del mynet /run/netns/demo";

pub(crate) const ADD: &str = "\
Attaches the namespace to the network: runs ADD of every plugin in order. On a terminal the result
is shown as tables, elsewhere as the JSON the last plugin printed.

If a plugin fails, DEL is run for the plugins that were started, so that nothing remains; --no-undo
skips this, so that the failure can be inspected. An attachment that existed before stays.";
pub(crate) const ADD_EXAMPLES: &str = "\
Examples
  cnitool add mynet /run/netns/demo
  cnitool add mynet /run/netns/demo -i net1
  cnitool add mynet /run/netns/demo | jq -r '.ips[0].address'
  CNI_ARGS='IgnoreUnknown=1;IP=10.1.0.9' cnitool add mynet /run/netns/demo
  CAP_ARGS='{\"portMappings\": [{\"hostPort\": 8080, \"containerPort\": 80, \"protocol\": \"tcp\"}]}' \\
    cnitool add mynet /run/netns/demo";

pub(crate) const CHECK: &str = "\
Runs CHECK of every plugin with the cached result of add. Prints nothing on success. Needs a network
of version 0.4.0 or newer.";
pub(crate) const CHECK_EXAMPLES: &str = "\
Example
  cnitool check mynet /run/netns/demo && echo well";

pub(crate) const DEL: &str = "\
Removes the attachment: runs DEL of every plugin, the last first. The namespace may be gone, and del
may be repeated. Use the same path and interface as for add, since they identify the container.";
pub(crate) const DEL_EXAMPLES: &str = "\
Example
  cnitool del mynet /run/netns/demo";

pub(crate) const GC: &str = "\
Removes EVERY attachment of the network that is not kept, including those of other runtimes: runs
DEL for the cached ones, then GC of every plugin (networks of version 1.1.0 or newer). Prints the
attachments that were removed. No add or del may run meanwhile. WHAT is one of

  CONTAINER/INTERFACE  one attachment
  CONTAINER            all attachments of the container, whose id may be shortened
  /PATH/OF/NETNS       all attachments of the namespace

and must be one that cnitool list knows: another is refused, since what it means would be removed.";
pub(crate) const GC_EXAMPLES: &str = "\
Examples
  cnitool gc mynet --dry-run
  cnitool gc mynet --keep /run/netns/demo
  cnitool gc mynet --keep-nothing";

pub(crate) const STATUS: &str = "\
Runs STATUS of every plugin: whether an add would work now. Prints nothing on success. Networks
older than version 1.1.0 have no STATUS and count as ready.";
pub(crate) const STATUS_EXAMPLES: &str = "\
Example
  cnitool status mynet && echo ready";

pub(crate) const VERSION: &str = "\
Lists the protocol versions of every plugin of the network, including IPAM plugins. Fails if one is
missing or does not support the network's version.";
pub(crate) const VERSION_EXAMPLES: &str = "\
Example
  cnitool version mynet";

pub(crate) const LIST: &str = "\
Lists the attachments in /var/lib/cni/results, which containerd, CRI-O, podman and cnitool share,
and those that only links of the host tell of: network, container, interface, addresses, state, age
and namespace. No network need be configured.";
pub(crate) const LIST_EXAMPLES: &str = "\
Examples
  cnitool list
  cnitool list mynet
  cnitool list --json | jq -r '.[] | select(.namespaceLives == false) | .containerID'";

pub(crate) const SHOW: &str = "\
Draws the attachments that list names, by what they are attached to: bridges and other masters with
their addresses, the ends of pairs on the host, containers, addresses and published ports.";
pub(crate) const SHOW_EXAMPLES: &str = "\
Examples
  cnitool show
  cnitool show mynet --svg > mynet.svg
  cnitool show --dot | head";

pub(crate) const EXPLAIN: &str = "\
Prints all that the node has of a container: links, addresses, routes, rules of both packet filters,
leases, queueing disciplines, flows, records of plugins, and what CHECK of each plugin says. What is
missing or cannot be read is said, and the rest is printed.

The container is named by its id or the beginning of it, followed by /INTERFACE for one of its
interfaces, or by the path of its namespace.";
pub(crate) const EXPLAIN_EXAMPLES: &str = "\
Examples
  cnitool explain /run/netns/demo
  cnitool explain /run/netns/demo --json | jq .checks";

pub(crate) const VALIDATE: &str = "\
Checks configurations without touching the node: against the schemas of Ferrule's plugins, by the
rules of runtimes, and against each other. Finds misspelt keys, which plugins ignore without a word,
wrong types, overlapping ranges, capabilities that nobody reads, chains that cannot work, names and
addresses that two networks have, and plugins that are not in CNI_PATH. Each finding is a line:
FILE:LINE:COLUMN: error or warning: KEY: what is wrong. Exit status 1 if there is an error.";
pub(crate) const VALIDATE_EXAMPLES: &str = "\
Examples
  cnitool validate
  cnitool validate --strict 10-mynet.conflist
  cnitool validate --json net.d | jq -r '.files[].findings[].message'";

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_and_folders_are_named_as_they_are() {
        use crate::environment::{CONFIG_FOLDER, PLUGIN_FOLDER};
        for name in [
            "NETCONFPATH",
            "CNI_PATH",
            "CNI_IFNAME",
            "CNI_ARGS",
            "CAP_ARGS",
        ] {
            assert!(OVERVIEW.contains(&format!("\n  {name} ")));
        }
        for default in [CONFIG_FOLDER, PLUGIN_FOLDER] {
            assert!(OVERVIEW.contains(default));
        }
    }
}
