//! A set of ranges, of which an attachment gets one address.

use std::fmt;
use std::net::IpAddr;

use crate::config::RangeConfig;
use crate::range::Range;

/// Disjoint ranges of one family, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RangeSet {
    ranges: Vec<Range>,
}

impl RangeSet {
    /// Checks the ranges one by one, then against each other. The error says what is wrong.
    pub(crate) fn new(configs: &[RangeConfig]) -> Result<Self, String> {
        let mut ranges: Vec<Range> = Vec::with_capacity(configs.len());
        for config in configs {
            let range = Range::new(config)?;
            if ranges
                .first()
                .is_some_and(|first| first.subnet.is_ipv4() != range.subnet.is_ipv4())
            {
                return Err("mixed address families".to_owned());
            }
            ranges.push(range);
        }
        for (index, one) in ranges.iter().enumerate() {
            if let Some(other) = ranges.iter().skip(index + 1).find(|r| r.overlaps(one)) {
                return Err(format!("subnets {one} and {other} overlap"));
            }
        }
        if ranges.is_empty() {
            return Err("empty range set".to_owned());
        }
        Ok(Self { ranges })
    }

    /// The ranges in the order of the configuration.
    pub(crate) fn ranges(&self) -> &[Range] {
        &self.ranges
    }

    /// The range that the address is in, and its position.
    pub(crate) fn range_of(&self, address: IpAddr) -> Option<(usize, &Range)> {
        self.ranges
            .iter()
            .enumerate()
            .find(|(_, range)| range.contains(address))
    }

    /// Whether one of the ranges has the address.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        self.range_of(address).is_some()
    }

    /// Whether this is a set of IPv4 addresses.
    pub(crate) fn is_ipv4(&self) -> bool {
        self.ranges
            .first()
            .is_some_and(|range| range.subnet.is_ipv4())
    }

    /// Whether the two sets have an address in common.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.ranges
            .iter()
            .any(|one| other.ranges.iter().any(|range| range.overlaps(one)))
    }
}

impl fmt::Display for RangeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.ranges.iter().map(ToString::to_string).collect();
        f.write_str(&texts.join(","))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A set from texts like `10.0.0.0/24`, `10.0.0.0/24 10.0.0.5-10.0.0.9` and
    /// `10.0.0.0/24 10.0.0.5-10.0.0.9 10.0.0.7`, the last word being the gateway.
    pub(crate) fn set(ranges: &[&str]) -> Result<RangeSet, String> {
        let config = |text: &&str| {
            let mut words = text.split(' ');
            let subnet = words.next().map(|word| word.parse().unwrap());
            let ends = words.next().and_then(|word| word.split_once('-'));
            RangeConfig {
                subnet,
                range_start: ends.map(|(start, _)| start.parse().unwrap()),
                range_end: ends.map(|(_, end)| end.parse().unwrap()),
                gateway: words.next().map(|word| word.parse().unwrap()),
            }
        };
        RangeSet::new(&ranges.iter().map(config).collect::<Vec<_>>())
    }

    #[test]
    fn sets_have_one_family_and_no_overlaps() {
        assert_eq!(set(&[]), Err("empty range set".to_owned()));
        assert_eq!(
            set(&["10.0.0.0/24", "fd00::/64"]),
            Err("mixed address families".to_owned())
        );
        assert_eq!(
            set(&["10.0.0.0/24", "10.0.0.0/16"]).unwrap_err(),
            "subnets 10.0.0.1-10.0.0.254 and 10.0.0.1-10.0.255.254 overlap"
        );
        let split = [
            "10.0.0.0/24 10.0.0.10-10.0.0.20",
            "10.0.0.0/24 10.0.0.22-10.0.0.30",
        ];
        assert_eq!(
            set(&split).unwrap().to_string(),
            "10.0.0.10-10.0.0.20,10.0.0.22-10.0.0.30"
        );
    }

    #[test]
    fn the_first_wrong_range_is_named() {
        assert_eq!(
            set(&["10.0.0.0/24", "10.0.1.0/31", "fd00::/64"]).unwrap_err(),
            "network 10.0.1.0/31 too small to allocate from"
        );
    }

    #[test]
    fn look_ups_tell_the_range() {
        let set = set(&[
            "10.0.0.0/24 10.0.0.10-10.0.0.20",
            "10.0.0.0/24 10.0.0.22-10.0.0.30",
        ])
        .unwrap();
        let position = |text: &str| set.range_of(text.parse().unwrap()).map(|(index, _)| index);
        assert_eq!(position("10.0.0.20"), Some(0));
        assert_eq!(position("10.0.0.22"), Some(1));
        assert_eq!(position("10.0.0.21"), None);
    }
}
