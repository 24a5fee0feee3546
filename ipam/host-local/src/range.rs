//! A range of addresses, and the rules a configured one must keep.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cni_types::Cidr;

use crate::config::RangeConfig;

/// A checked range: every address from `first` to `last` may be allocated, except the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    /// The network whose prefix length the addresses get.
    pub(crate) subnet: Cidr,
    /// The lowest address.
    pub(crate) first: IpAddr,
    /// The highest address.
    pub(crate) last: IpAddr,
    /// The gateway in the result. It may lie outside the subnet, as link-local IPv6 ones do.
    pub(crate) gateway: IpAddr,
}

impl Range {
    /// Checks a configured range and fills in what is left out, in upstream's order of checks. The
    /// error says what is wrong with it.
    pub(crate) fn new(config: &RangeConfig) -> Result<Self, String> {
        let subnet = config.subnet.ok_or("the key subnet is missing")?;
        let bits = if subnet.is_ipv4() { 32 } else { 128 };
        if subnet.prefix() > bits - 2 {
            // Network, gateway and broadcast address leave nothing.
            return Err(format!("network {subnet} too small to allocate from"));
        }
        if subnet.is_ipv4_mapped() {
            return Err(format!(
                "subnet {subnet} is an IPv4 network written as IPv6: write it as IPv4"
            ));
        }
        let network = subnet.masked();
        if network != subnet {
            return Err(format!(
                "network {subnet} has host bits set: \
                 for a prefix length of {} the network address is {}",
                network.prefix(),
                network.address()
            ));
        }
        let lowest = following(subnet.address());
        let highest = highest_by_default(subnet);
        let first = match (config.range_start, config.range_end) {
            (Some(start), _) if !subnet.contains(start) => {
                return Err(format!("rangeStart {start} not in network {subnet}"));
            }
            (Some(start), Some(end)) if start > end => {
                return Err(format!("rangeStart {start} is greater than rangeEnd {end}"));
            }
            (start, _) => start.unwrap_or(lowest),
        };
        let last = match config.range_end {
            Some(end) if !subnet.contains(end) => {
                return Err(format!("rangeEnd {end} not in network {subnet}"));
            }
            Some(end) if end < first => {
                return Err(format!("rangeEnd {end} is less than rangeStart {first}"));
            }
            // Without `rangeEnd` the range ends before the broadcast address, hence before it begins.
            None if first > highest => {
                return Err(format!(
                    "rangeStart {first} is the broadcast address: set rangeEnd to hand it out"
                ));
            }
            end => end.unwrap_or(highest),
        };
        Ok(Self {
            subnet,
            first,
            last,
            gateway: config.gateway.unwrap_or(lowest),
        })
    }

    /// Whether the address lies between the ends, both included.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        self.first <= address && address <= self.last
    }

    /// Whether the two have an address in common; their subnets do not matter.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.contains(other.first) || other.contains(self.first)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// The number an address stands for.
pub(crate) fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

/// The address of `family`'s family that `number` stands for.
pub(crate) fn address(number: u128, family: IpAddr) -> IpAddr {
    match family {
        // Numbers of IPv4 addresses have no higher bits.
        IpAddr::V4(_) => Ipv4Addr::from(u32::try_from(number).unwrap_or(u32::MAX)).into(),
        IpAddr::V6(_) => Ipv6Addr::from(number).into(),
    }
}

/// The next address; the very last one of a family follows itself.
pub(crate) fn following(from: IpAddr) -> IpAddr {
    address(number(from).saturating_add(1), from)
}

/// IPv4 keeps its broadcast address back; IPv6 has none.
fn highest_by_default(subnet: Cidr) -> IpAddr {
    let top = subnet.network().broadcast();
    match top {
        IpAddr::V4(_) => address(number(top).saturating_sub(1), top),
        IpAddr::V6(_) => top,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> RangeConfig {
        let [subnet, start, end, gateway] = text.split(' ').collect::<Vec<_>>()[..] else {
            panic!("four words: {text}");
        };
        let address = |text: &str| (text != "-").then(|| text.parse().unwrap());
        RangeConfig {
            subnet: (subnet != "-").then(|| subnet.parse().unwrap()),
            range_start: address(start),
            range_end: address(end),
            gateway: address(gateway),
        }
    }

    #[test]
    fn what_is_left_out_is_filled_in() {
        for (written, range, gateway) in [
            ("192.0.2.0/24 - - -", "192.0.2.1-192.0.2.254", "192.0.2.1"),
            ("192.0.2.0/25 - - -", "192.0.2.1-192.0.2.126", "192.0.2.1"),
            ("10.0.0.4/30 - - -", "10.0.0.5-10.0.0.6", "10.0.0.5"),
            (
                "2001:db8:1::/64 - - -",
                "2001:db8:1::1-2001:db8:1:0:ffff:ffff:ffff:ffff",
                "2001:db8:1::1",
            ),
            ("fd00::/126 - - -", "fd00::1-fd00::3", "fd00::1"),
            (
                "192.0.2.0/24 192.0.2.40 192.0.2.50 192.0.2.254",
                "192.0.2.40-192.0.2.50",
                "192.0.2.254",
            ),
            // The ends of the network are handed out when asked for.
            (
                "192.0.2.0/24 192.0.2.0 192.0.2.255 -",
                "192.0.2.0-192.0.2.255",
                "192.0.2.1",
            ),
            ("0.0.0.0/0 - - -", "0.0.0.1-255.255.255.254", "0.0.0.1"),
            // A gateway need not be in the network, nor of its family.
            (
                "192.0.2.0/24 - - 10.0.0.1",
                "192.0.2.1-192.0.2.254",
                "10.0.0.1",
            ),
            (
                "192.0.2.0/24 - - fe80::1",
                "192.0.2.1-192.0.2.254",
                "fe80::1",
            ),
        ] {
            let checked = Range::new(&config(written)).unwrap();
            assert_eq!(checked.to_string(), range, "{written}");
            assert_eq!(checked.gateway.to_string(), gateway, "{written}");
        }
    }

    #[test]
    fn each_rule_has_its_error() {
        for (written, gist) in [
            ("- 192.0.2.1 - -", "key subnet is missing"),
            ("192.0.2.0/31 - - -", "network 192.0.2.0/31 too small"),
            ("192.0.2.1/32 - - -", "network 192.0.2.1/32 too small"),
            ("fd00::/127 - - -", "network fd00::/127 too small"),
            ("::ffff:10.0.0.0/120 - - -", "IPv4 network written as IPv6"),
            (
                "192.0.2.12/24 - - -",
                "prefix length of 24 the network address is 192.0.2.0",
            ),
            (
                "192.0.3.0/23 - - -",
                "prefix length of 23 the network address is 192.0.2.0",
            ),
            (
                "fd00:0:0:1::/63 - - -",
                "prefix length of 63 the network address is fd00::",
            ),
            ("fd00::1/64 - - -", "the network address is fd00::"),
            (
                "192.0.2.0/24 192.0.3.1 - -",
                "rangeStart 192.0.3.1 not in network 192.0.2.0/24",
            ),
            (
                "192.0.2.0/24 fd00::1 - -",
                "rangeStart fd00::1 not in network",
            ),
            (
                "192.0.2.0/24 192.0.2.9 192.0.2.8 -",
                "rangeStart 192.0.2.9 is greater than rangeEnd 192.0.2.8",
            ),
            (
                "192.0.2.0/24 192.0.2.255 - -",
                "rangeStart 192.0.2.255 is the broadcast address",
            ),
            (
                "192.0.2.0/24 - 192.0.3.1 -",
                "rangeEnd 192.0.3.1 not in network",
            ),
            (
                "192.0.2.0/24 - 192.0.2.0 -",
                "rangeEnd 192.0.2.0 is less than rangeStart 192.0.2.1",
            ),
            (
                "192.0.2.0/24 - fd00::1 -",
                "rangeEnd fd00::1 not in network",
            ),
        ] {
            let error = Range::new(&config(written)).unwrap_err();
            assert!(error.contains(gist), "{written}: {error}");
        }
    }

    #[test]
    fn membership_includes_both_ends_and_no_other_family() {
        let range = Range::new(&config("192.0.2.0/24 192.0.2.40 192.0.2.50 -")).unwrap();
        let contains = |text: &str| range.contains(text.parse().unwrap());
        assert!(contains("192.0.2.40") && contains("192.0.2.50"));
        assert!(!contains("192.0.2.39") && !contains("192.0.2.51"));
        assert!(!contains("::192.0.2.45") && !contains("fd00::1"));
    }

    #[test]
    fn ranges_overlap_when_they_share_an_address() {
        for (one, other, overlap) in [
            ("10.0.0.0/20 - - -", "10.1.0.0/20 - - -", false),
            ("10.0.0.0/20 - - -", "2001:db8::/64 - - -", false),
            ("10.0.0.0/20 - - -", "10.0.0.0/20 - - -", true),
            ("10.0.0.0/20 - - -", "10.0.1.0/24 - - -", true),
            (
                "10.0.0.0/24 10.0.0.10 10.0.0.20 -",
                "10.0.0.0/24 10.0.0.21 10.0.0.30 -",
                false,
            ),
            (
                "10.0.0.0/24 10.0.0.10 10.0.0.20 -",
                "10.0.0.0/24 10.0.0.20 10.0.0.30 -",
                true,
            ),
        ] {
            let [first, second] = [one, other].map(|text| Range::new(&config(text)).unwrap());
            assert_eq!(first.overlaps(&second), overlap, "{one} and {other}");
            assert_eq!(second.overlaps(&first), overlap, "{other} and {one}");
        }
    }

    #[test]
    fn the_last_address_of_a_family_has_no_successor() {
        for text in ["255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"] {
            let top: IpAddr = text.parse().unwrap();
            assert_eq!(following(top), top);
        }
    }
}
