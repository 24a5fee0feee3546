//! The environment variables of the protocol, in the order in which plugins check them.

/// The verb: `ADD`, `DEL`, `CHECK`, `GC`, `STATUS` or `VERSION`.
pub const COMMAND: &str = "CNI_COMMAND";
/// The container's identity, chosen by the runtime.
pub const CONTAINER_ID: &str = "CNI_CONTAINERID";
/// Path of the container's network namespace.
pub const NETNS: &str = "CNI_NETNS";
/// Name of the interface inside the container.
pub const IFNAME: &str = "CNI_IFNAME";
/// Extra `KEY=VALUE` pairs, separated by semicolons.
pub const ARGS: &str = "CNI_ARGS";
/// Folders holding plugin executables, separated by colons.
pub const PATH: &str = "CNI_PATH";
/// `1` or `true`: the container's namespace may be the plugin's own.
pub const NETNS_OVERRIDE: &str = "CNI_NETNS_OVERRIDE";
