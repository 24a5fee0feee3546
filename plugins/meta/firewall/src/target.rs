//! Addresses whose rules are to go.

use std::net::IpAddr;

use ferrule_kernel::Family;

/// An address whose rules are to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) address: IpAddr,
    /// The tag of the attachment that goes.
    pub(crate) tag: String,
    pub(crate) whose: Whose,
}

/// Which rules of an address go. Rules have no owner, but their order tells who made them: the Go
/// plugin lets answers through first (see [`crate::layout::of_address`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// All: the runtime named the address, and nobody else has it.
    Anyone,
    /// Ours: the address is only noted. Rules that the Go plugin has made meanwhile are for
    /// another container.
    Ours,
    /// Those of the Go plugin: the runtime named the address, but another container has got it
    /// from us.
    Theirs,
}

/// Those of one family.
pub(crate) fn of_family(targets: &[Target], family: Family) -> Vec<&Target> {
    let of_family = |target: &&Target| Family::of(target.address) == family;
    targets.iter().filter(of_family).collect()
}

/// The addresses of one family.
pub(crate) fn addresses_of(addresses: &[IpAddr], family: Family) -> Vec<IpAddr> {
    let of_family = |address: &&IpAddr| Family::of(**address) == family;
    addresses.iter().filter(of_family).copied().collect()
}

/// Finds the rules of addresses that go in a listing of `length` rules. `prepare` makes the two
/// rules of an address; `is` tells whether the rule at a place of the listing is one of them.
pub(crate) fn doomed<R>(
    targets: &[&Target],
    length: usize,
    prepare: impl Fn(IpAddr) -> [R; 2],
    is: impl Fn(usize, &R) -> bool,
) -> Vec<usize> {
    let mut places = Vec::new();
    for target in targets {
        let [from, answers] = prepare(target.address)
            .map(|rule| -> Vec<usize> { (0..length).filter(|&place| is(place, &rule)).collect() });
        let both = answers.first().zip(from.first());
        let theirs = both.is_some_and(|(answers, from)| answers < from);
        let goes = match target.whose {
            Whose::Anyone => true,
            Whose::Ours => !theirs,
            Whose::Theirs => theirs,
        };
        if goes {
            places.extend(from);
            places.extend(answers);
        }
    }
    places.sort_unstable();
    places.dedup();
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which places of a listing go for `x`; capitals are the second rule of an address.
    fn gone(listing: &str, whose: Whose) -> Vec<usize> {
        let target = Target {
            address: [10, 1, 2, 3].into(),
            tag: "t".into(),
            whose,
        };
        let rules: Vec<char> = listing.chars().collect();
        let is = |place: usize, rule: &char| rules[place] == *rule;
        doomed(&[&target], rules.len(), |_| ['x', 'X'], is)
    }

    #[test]
    fn all_rules_of_an_address_go_and_no_others() {
        for whose in [Whose::Anyone, Whose::Ours] {
            assert_eq!(gone("aAxXb", whose), [2, 3]);
            assert_eq!(gone("xaxXX", whose), [0, 2, 3, 4]);
            assert_eq!(gone("aX", whose), [1]);
            assert_eq!(gone("xa", whose), [0]);
            assert_eq!(gone("aA", whose), Vec::<usize>::new());
        }
    }

    #[test]
    fn the_order_tells_whose_rules_they_are() {
        let none = Vec::<usize>::new();
        assert_eq!(gone("aXx", Whose::Anyone), [1, 2]);
        assert_eq!(gone("aXx", Whose::Ours), none);
        assert_eq!(gone("aXx", Whose::Theirs), [1, 2]);
        assert_eq!(gone("axX", Whose::Theirs), none);
        assert_eq!(gone("ax", Whose::Theirs), none);
    }
}
