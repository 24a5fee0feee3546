//! The subnet file, in which flanneld writes the subnet of this node.

use std::fmt::Display;
use std::io::ErrorKind;
use std::path::Path;

use cni_types::{Cidr, Code, Error};
use ferrule_file::os_text;

/// Largest accepted file in bytes; a usual one has 120.
const MAX_BYTES: usize = 64 << 10;

/// Content of the subnet file: the overlay network and this node's subnet.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct SubnetEnv {
    /// The overlay's networks, IPv4 before IPv6, each once.
    pub(crate) networks: Vec<Cidr>,
    /// This node's subnets, IPv4 before IPv6.
    pub(crate) subnets: Vec<Cidr>,
    /// MTU of the overlay, in bytes.
    pub(crate) mtu: u32,
    /// Whether flanneld masquerades traffic that leaves the overlay.
    pub(crate) ip_masq: bool,
}

/// The error of a file that cannot be used.
fn unusable(code: Code, problem: impl Display) -> Error {
    // Text of the Go plugin, which administrators and tools search for in logs.
    let msg = format!("failed to load flannel 'subnet.env' file: {problem}");
    Error::new(code, msg).details(
        "flanneld writes it when it has got a subnet for this node: \
         check that flanneld runs here, and check the flannel pod log for this node",
    )
}

const NETWORK: &str = "FLANNEL_NETWORK";
const SUBNET: &str = "FLANNEL_SUBNET";
const IPV6_NETWORK: &str = "FLANNEL_IPV6_NETWORK";
const IPV6_SUBNET: &str = "FLANNEL_IPV6_SUBNET";
const MTU: &str = "FLANNEL_MTU";
const IPMASQ: &str = "FLANNEL_IPMASQ";
const KEYS: [&str; 6] = [NETWORK, SUBNET, IPV6_NETWORK, IPV6_SUBNET, MTU, IPMASQ];

impl SubnetEnv {
    /// Reads the file, with a bound on its length and without blocking on a pipe. A missing file is a
    /// transient condition: flanneld has not started yet.
    pub(crate) fn load(path: &Path) -> Result<Self, Error> {
        let shown = path.display();
        let text = ferrule_file::read_text(path).map_err(|error| {
            let code = match error.kind() {
                ErrorKind::NotFound => Code::TryAgain,
                _ => Code::Io,
            };
            unusable(code, format_args!("open {shown}: {}", os_text(&error)))
        })?;
        let parsed = match text.len() {
            bytes if bytes > MAX_BYTES => Err(format!(
                " is {bytes} bytes long, at most {MAX_BYTES} are expected"
            )),
            _ => Self::parse(&text),
        };
        parsed.map_err(|problem| unusable(Code::Decode, format_args!("{shown}{problem}")))
    }

    /// Parses the file. Unknown lines are ignored, and the last line of a key is used. As in the Go
    /// plugin, the family of an address is not compared with its key. The error follows the name of
    /// the file.
    fn parse(text: &str) -> Result<Self, String> {
        let mut values: [Option<&str>; KEYS.len()] = [None; KEYS.len()];
        for line in text.lines() {
            let (key, value) = match line.split_once('=') {
                Some((key, value)) => (key, Some(value)),
                None => (line, None),
            };
            for (known, slot) in KEYS.into_iter().zip(&mut values) {
                if known == key {
                    *slot = Some(value.ok_or_else(|| format!(": {key} has no value"))?);
                }
            }
        }
        let [network, subnet, ipv6_network, ipv6_subnet, mtu, ip_masq] = values;
        let absent = |pair: [Option<&str>; 2]| pair == [None, None];
        let mut keys = Vec::new();
        if absent([network, ipv6_network]) {
            keys.extend([NETWORK, IPV6_NETWORK]);
        }
        if absent([subnet, ipv6_subnet]) {
            keys.extend([SUBNET, IPV6_SUBNET]);
        }
        keys.extend(mtu.is_none().then_some(MTU));
        keys.extend(ip_masq.is_none().then_some(IPMASQ));
        if !keys.is_empty() {
            return Err(format!(" is missing {}", keys.join(", ")));
        }
        let mut env = Self {
            mtu: parse_mtu(mtu.unwrap_or_default())?,
            ip_masq: ip_masq == Some("true"),
            ..Self::default()
        };
        for (key, list) in [(NETWORK, network), (IPV6_NETWORK, ipv6_network)] {
            let mut networks = Vec::new();
            for text in list.into_iter().flat_map(|list| list.split(',')) {
                let network = parse_cidr(key, text)?;
                if !networks.contains(&network) {
                    networks.push(network);
                }
            }
            env.networks.extend(networks);
        }
        for (key, subnet) in [(SUBNET, subnet), (IPV6_SUBNET, ipv6_subnet)] {
            let subnet = subnet.map(|text| parse_cidr(key, text));
            env.subnets.extend(subnet.transpose()?);
        }
        Ok(env)
    }
}

fn parse_cidr(key: &str, text: &str) -> Result<Cidr, String> {
    match text.parse::<Cidr>() {
        Ok(cidr) => Ok(cidr.masked()),
        Err(error) => Err(format!(": {key}: {error}")),
    }
}

/// Parses digits only: the standard library also accepts a plus sign.
fn parse_mtu(text: &str) -> Result<u32, String> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.then(|| text.parse().ok()).flatten();
    number.ok_or_else(|| format!(": {MTU}: invalid number: {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<SubnetEnv, String> {
        SubnetEnv::parse(text).map_err(|problem| format!("subnet.env{problem}"))
    }

    fn cidrs(texts: &[&str]) -> Vec<Cidr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn both_families_are_read() {
        let text = "FLANNEL_NETWORK=10.1.0.0/16,10.9.1.0/16,10.9.0.0/16\r\n# a comment\nOTHER\n\
                    FLANNEL_SUBNET=10.9.9.1/24\nFLANNEL_SUBNET=10.1.17.1/24\n\
                    FLANNEL_IPV6_NETWORK=fc00::/48\nFLANNEL_IPV6_SUBNET=fc00::1/64\n\
                    FLANNEL_MTU=1472\nFLANNEL_IPMASQ=true\n FLANNEL_MTU=1\nexport FLANNEL_MTU=2";
        let env = SubnetEnv {
            networks: cidrs(&["10.1.0.0/16", "10.9.0.0/16", "fc00::/48"]),
            subnets: cidrs(&["10.1.17.0/24", "fc00::/64"]),
            mtu: 1472,
            ip_masq: true,
        };
        assert_eq!(parse(text), Ok(env));
        let text = "FLANNEL_IPV6_NETWORK=fc00::/48\nFLANNEL_IPV6_SUBNET=fc00::1/64\n\
                    FLANNEL_MTU=0\nFLANNEL_IPMASQ=True";
        let env = parse(text).unwrap();
        assert_eq!(env.subnets, cidrs(&["fc00::/64"]));
        assert_eq!((env.mtu, env.ip_masq), (0, false));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let all = "FLANNEL_NETWORK, FLANNEL_IPV6_NETWORK, FLANNEL_SUBNET, FLANNEL_IPV6_SUBNET, \
                   FLANNEL_MTU, FLANNEL_IPMASQ";
        let rest = "FLANNEL_NETWORK=10.1.0.0/16\nFLANNEL_SUBNET=10.1.17.1/24\nFLANNEL_IPMASQ=x\n";
        let with = |line: &str| format!("{rest}FLANNEL_MTU=1400\n{line}");
        for (text, error) in [
            (String::new(), format!("is missing {all}")),
            (rest.to_owned(), "is missing FLANNEL_MTU".to_owned()),
            (with("FLANNEL_SUBNET"), "FLANNEL_SUBNET has no value".into()),
            (with("FLANNEL_SUBNET="), "invalid CIDR address: ".into()),
            (
                with("FLANNEL_IPV6_NETWORK=fc00::/48, fc01::/48"),
                "FLANNEL_IPV6_NETWORK: invalid CIDR address:  fc01::/48".into(),
            ),
            (with("FLANNEL_MTU=+5"), "invalid number: \"+5\"".into()),
            (with("FLANNEL_MTU=4294967296"), "invalid number".into()),
            (with("FLANNEL_MTU="), "invalid number".into()),
        ] {
            let found = parse(&text).unwrap_err();
            assert!(found.contains(&error), "{text:?}: {found}");
        }
    }
}
