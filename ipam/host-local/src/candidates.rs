//! The addresses of a range set, in the order of allocation.
//!
//! Round robin: the search starts after the address allocated last and ends with it, so that a
//! released address stays unused as long as possible. The order is exactly upstream's, since both
//! plugins may use one folder.

use std::net::IpAddr;

use crate::range::{Range, address, following, number};
use crate::range_set::RangeSet;

/// An address that may be allocated if it is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate<'s> {
    /// The address.
    pub(crate) address: IpAddr,
    /// The range it is in.
    pub(crate) range: &'s Range,
}

/// Every address of the set once, starting after `last`; without the gateway of each range.
///
/// Starts with the first address of the first range if `last` is unknown or in none of the ranges.
pub(crate) fn candidates(
    set: &RangeSet,
    last: Option<IpAddr>,
) -> impl Iterator<Item = Candidate<'_>> {
    let (position, begin) = start(set, last);
    let whole = |range| (range, None, None);
    let from_start = set.ranges().iter().skip(position);
    let head = from_start.clone().take(1);
    let before_start = set.ranges().iter().take(position);
    head.clone()
        .map(move |range| (range, begin, None))
        .chain(from_start.skip(1).chain(before_start).map(whole))
        .chain(
            head.filter(move |_| begin.is_some())
                .map(move |range| (range, None, begin)),
        )
        .flat_map(|(range, from, before)| stretch(range, from, before))
}

/// The range to begin in, and the address to begin at if that is not its first one.
fn start(set: &RangeSet, last: Option<IpAddr>) -> (usize, Option<IpAddr>) {
    match last.and_then(|last| Some((last, set.range_of(last)?))) {
        Some((last, (position, range))) if last < range.last => (position, Some(following(last))),
        Some((_, (position, _))) => ((position + 1) % set.ranges().len(), None),
        None => (0, None),
    }
}

/// The addresses of a range from one address on, up to but not including another.
fn stretch(
    range: &Range,
    from: Option<IpAddr>,
    before: Option<IpAddr>,
) -> impl Iterator<Item = Candidate<'_>> {
    let low = number(from.unwrap_or(range.first));
    let high = match before {
        Some(before) => number(before).saturating_sub(1),
        None => number(range.last),
    };
    (low..=high)
        .map(|number| address(number, range.first))
        .filter(|address| *address != range.gateway)
        .map(|address| Candidate { address, range })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::range_set::tests::set;

    fn order(ranges: &[&str], last: &str) -> Vec<String> {
        let set = set(ranges).unwrap();
        candidates(&set, last.parse().ok())
            .map(|candidate| candidate.address.to_string())
            .collect()
    }

    #[test]
    fn a_fresh_pool_begins_at_its_first_address_and_skips_the_gateway() {
        assert_eq!(
            order(&["10.0.0.0/29"], ""),
            ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"]
        );
        assert_eq!(order(&["10.0.0.0/30"], ""), ["10.0.0.2"]);
        assert_eq!(order(&["::/126"], ""), ["::2", "::3"]);
    }

    #[test]
    fn the_search_goes_on_behind_the_last_one_and_ends_with_it() {
        assert_eq!(
            order(&["10.0.0.0/29"], "10.0.0.4"),
            ["10.0.0.5", "10.0.0.6", "10.0.0.2", "10.0.0.3", "10.0.0.4"]
        );
        assert_eq!(
            order(&["10.0.0.0/29"], "10.0.0.6"),
            ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"]
        );
        // In no range: as fresh. The gateway in the cursor's place: its successor.
        assert_eq!(order(&["10.0.0.0/30"], "10.9.9.9"), ["10.0.0.2"]);
        assert_eq!(order(&["10.0.0.0/30"], "10.0.0.1"), ["10.0.0.2"]);
    }

    #[test]
    fn ranges_follow_each_other_in_configured_order() {
        let ranges = ["10.9.0.0/30", "10.1.0.0/30 10.1.0.0-10.1.0.3 10.1.0.2"];
        assert_eq!(
            order(&ranges, ""),
            ["10.9.0.2", "10.1.0.0", "10.1.0.1", "10.1.0.3"]
        );
        assert_eq!(
            order(&ranges, "10.9.0.2"),
            ["10.1.0.0", "10.1.0.1", "10.1.0.3", "10.9.0.2"]
        );
        assert_eq!(
            order(&ranges, "10.1.0.0"),
            ["10.1.0.1", "10.1.0.3", "10.9.0.2", "10.1.0.0"]
        );
    }

    #[test]
    fn the_gateway_of_another_range_is_not_kept_back() {
        let ranges = [
            "10.0.0.0/24 10.0.0.1-10.0.0.2",
            "10.0.0.0/24 10.0.0.4-10.0.0.5 10.0.0.2",
        ];
        assert_eq!(order(&ranges, ""), ["10.0.0.2", "10.0.0.4", "10.0.0.5"]);
    }

    #[test]
    fn a_large_range_is_not_walked_to_its_end() {
        let set = set(&["fd00::/64"]).unwrap();
        let last = "fd00::ffff:ffff:ffff:fffe".parse().ok();
        let first: Vec<_> = candidates(&set, last).take(3).map(|c| c.address).collect();
        let texts = first.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(texts, ["fd00::ffff:ffff:ffff:ffff", "fd00::2", "fd00::3"]);
    }

    /// The rule told step by step: one forward, at an end to the next range, gateways left out.
    fn model(set: &RangeSet, last: Option<IpAddr>) -> Vec<IpAddr> {
        let ranges = set.ranges();
        let step = |(index, at): (usize, IpAddr)| {
            if at == ranges[index].last {
                let index = (index + 1) % ranges.len();
                (index, ranges[index].first)
            } else {
                (index, following(at))
            }
        };
        let known = last.and_then(|last| Some((set.range_of(last)?.0, last)));
        let begin = known.map_or((0, ranges[0].first), step);
        let mut order = Vec::new();
        let mut here = begin;
        loop {
            if here.1 != ranges[here.0].gateway {
                order.push(here.1);
            }
            here = step(here);
            if here == begin {
                return order;
            }
        }
    }

    proptest! {
        #[test]
        fn the_order_is_the_models(
            bounds in prop::collection::btree_set(0u32..60, 2..9),
            gateways in prop::collection::vec(0u32..60, 4),
            reversed: bool,
            last in prop::option::of(0u32..64),
        ) {
            let at = |n: u32| IpAddr::from(std::net::Ipv4Addr::from(0x0a00_0000 + n));
            let bounds: Vec<u32> = bounds.into_iter().collect();
            let mut texts: Vec<String> = bounds
                .chunks_exact(2)
                .zip(&gateways)
                .map(|(ends, gateway)| {
                    format!("10.0.0.0/26 {}-{} {}", at(ends[0]), at(ends[1]), at(*gateway))
                })
                .collect();
            if reversed {
                texts.reverse();
            }
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let set = set(&texts).unwrap();
            let last = last.map(at);
            let order: Vec<IpAddr> = candidates(&set, last).map(|c| c.address).collect();
            prop_assert_eq!(order, model(&set, last));
        }
    }
}
