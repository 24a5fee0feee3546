//! The plugin and daemon `dhcp`, seen from outside: by its results, on the wire, and in the lease
//! files of real servers.

mod client;
mod daemon;
mod failures;
mod growth;
mod hostile;
mod ipv6;
mod kills;
mod lease;
mod namespaces;
mod options;
mod parallel;
mod peers;
mod pod;
mod renewal;
mod routes;
