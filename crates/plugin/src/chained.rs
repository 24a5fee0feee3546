//! What plugins have in common that come behind others in a list: the previous result, which they
//! pass on.

use cni_types::{Cidr, CniResult, Code, Error, IpConfig};

use crate::Call;

impl<C> Call<C> {
    /// The result that a chained plugin builds on and answers again, which ADD cannot do without.
    pub fn chained_result(&self) -> Result<CniResult, Error> {
        self.request
            .prev_result()?
            .ok_or_else(|| Error::new(Code::InvalidConfig, "must be called as chained plugin"))
    }
}

/// The addresses that `result` gives the container's interface `ifname`, or no interface at all.
///
/// Addresses of the host's side, such as a gateway's, are not the container's.
pub fn container_addresses<'r>(
    result: &'r CniResult,
    ifname: &str,
) -> impl Iterator<Item = Cidr> + 'r {
    let ifname = ifname.to_owned();
    let inside = move |ip: &&IpConfig| {
        result
            .interface_of(ip)
            .is_none_or(|interface| interface.name == ifname && !interface.sandbox.is_empty())
    };
    result.ips.iter().filter(inside).map(|ip| ip.address)
}

#[cfg(test)]
mod tests {
    use cni_types::Interface;

    use super::*;

    fn ip(address: &str, interface: Option<i64>) -> IpConfig {
        IpConfig {
            interface,
            address: address.parse().unwrap(),
            gateway: None,
        }
    }

    #[test]
    fn only_addresses_inside_the_container_are_its_own() {
        let interface = |name: &str, sandbox: &str| Interface {
            name: name.into(),
            sandbox: sandbox.into(),
            ..Interface::default()
        };
        let result = CniResult {
            interfaces: vec![
                interface("eth0", ""),
                interface("eth0", "/run/netns/c"),
                interface("net1", "/run/netns/c"),
            ],
            ips: vec![
                ip("10.0.0.1/24", Some(0)),
                ip("10.0.0.2/24", Some(1)),
                ip("10.0.0.3/24", Some(2)),
                ip("10.0.0.4/24", Some(9)),
                ip("10.0.0.5/24", None),
            ],
            ..CniResult::default()
        };
        let found: Vec<_> = container_addresses(&result, "eth0")
            .map(|address| address.to_string())
            .collect();
        assert_eq!(found, ["10.0.0.2/24", "10.0.0.4/24", "10.0.0.5/24"]);
    }
}
