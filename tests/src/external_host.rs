//! A host outside the node.

use ferrule_testkit::{Container, Host};

/// A namespace with the addresses `192.0.2.9` and `2001:db8::9` and without routes to the containers,
/// connected to the host by its link `wire` with `192.0.2.1` and `2001:db8::1`.
pub fn external_host(host: &Host) -> Container {
    let outside = host.netns("outside");
    host.ip("link add wire type veth peer name eth0 netns outside");
    host.ip("link set wire up");
    host.ip("address add 192.0.2.1/24 dev wire");
    host.ip("address add 2001:db8::1/64 dev wire nodad");
    outside.ip("link set eth0 up");
    outside.ip("address add 192.0.2.9/24 dev eth0");
    outside.ip("address add 2001:db8::9/64 dev eth0 nodad");
    outside
}
