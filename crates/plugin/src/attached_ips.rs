//! Which addresses of the previous result are those of the attachment.

use cni_types::{CniResult, Interface, IpConfig};

/// The addresses that the result puts on the interface `ifname`, or on no interface of its list.
///
/// A host's interface may have the same name: with a namespace named for one of that name, the
/// others are the host's.
pub fn attached_ips(result: &CniResult, ifname: &str) -> Vec<IpConfig> {
    let is_inside = |i: &Interface| i.name == ifname && !i.sandbox.is_empty();
    let knows_namespaces = result.interfaces.iter().any(is_inside);
    let is_ours = |ip: &&IpConfig| match result.interface_of(ip) {
        None => true,
        Some(i) if knows_namespaces => is_inside(i),
        Some(i) => i.name == ifname,
    };
    result.ips.iter().filter(is_ours).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(sandboxes: [&str; 2]) -> CniResult {
        let ip = |number: u8, interface| IpConfig {
            interface,
            address: format!("10.0.0.{number}/24").parse().unwrap(),
            gateway: None,
        };
        CniResult {
            interfaces: sandboxes
                .map(|sandbox| Interface {
                    name: "net1".into(),
                    sandbox: sandbox.into(),
                    ..Interface::default()
                })
                .into(),
            ips: vec![
                ip(1, Some(0)),
                ip(2, Some(1)),
                ip(3, Some(7)),
                ip(4, Some(-1)),
                ip(5, None),
            ],
            ..CniResult::default()
        }
    }

    fn numbers(result: &CniResult, ifname: &str) -> Vec<String> {
        let found = attached_ips(result, ifname);
        found.iter().map(|ip| ip.address.to_string()).collect()
    }

    #[test]
    fn addresses_of_no_interface_count_and_those_of_others_do_not() {
        let nobodys = ["10.0.0.3/24", "10.0.0.4/24", "10.0.0.5/24"];
        let of_container = result(["", "/run/netns/c"]);
        assert_eq!(
            numbers(&of_container, "net1"),
            [&["10.0.0.2/24"], &nobodys[..]].concat()
        );
        assert_eq!(numbers(&of_container, "eth0"), nobodys);
        let silent = result(["", ""]);
        assert_eq!(numbers(&silent, "net1").len(), 5);
    }
}
