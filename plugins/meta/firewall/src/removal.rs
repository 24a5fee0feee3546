//! The removal of the rules of an address.

use std::net::IpAddr;

use ferrule_kernel::Family;

/// An address whose rules are removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Removal {
    pub(crate) address: IpAddr,
    /// The tag of the removed attachment.
    pub(crate) tag: String,
    pub(crate) owner: Owner,
}

/// Whose rules of an address are removed. Rules carry no owner, but their order shows who wrote them:
/// the Go plugin accepts replies first (see [`crate::chains::of_address`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Anybody's: the address is in the previous result, and no other attachment has it.
    Any,
    /// Ours: the address is only recorded. Rules of the Go plugin are then for another container.
    Ours,
    /// Those of the Go plugin: the address is in the previous result, but another attachment of ours
    /// has it now.
    GoPlugin,
}

/// The removals of one family.
pub(crate) fn of_family(removals: &[Removal], family: Family) -> Vec<&Removal> {
    let of_family = |removal: &&Removal| Family::of(removal.address) == family;
    removals.iter().filter(of_family).collect()
}

/// The addresses of one family.
pub(crate) fn addresses_of(addresses: &[IpAddr], family: Family) -> Vec<IpAddr> {
    let of_family = |address: &&IpAddr| Family::of(**address) == family;
    addresses.iter().filter(of_family).copied().collect()
}

/// The places of the rules to delete in a listing of `length` rules. `compile` returns the two rules
/// of an address; `is` compares the rule at a place of the listing with one of them.
pub(crate) fn rules_to_delete<R>(
    removals: &[&Removal],
    length: usize,
    compile: impl Fn(IpAddr) -> [R; 2],
    is: impl Fn(usize, &R) -> bool,
) -> Vec<usize> {
    let mut places = Vec::new();
    for removal in removals {
        let [from, answers] = compile(removal.address)
            .map(|rule| -> Vec<usize> { (0..length).filter(|&place| is(place, &rule)).collect() });
        let both = answers.first().zip(from.first());
        let theirs = both.is_some_and(|(answers, from)| answers < from);
        let goes = match removal.owner {
            Owner::Any => true,
            Owner::Ours => !theirs,
            Owner::GoPlugin => theirs,
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

    /// The places deleted for `x`; capitals are the second rule of an address.
    fn gone(listing: &str, owner: Owner) -> Vec<usize> {
        let target = Removal {
            address: [10, 1, 2, 3].into(),
            tag: "t".into(),
            owner,
        };
        let rules: Vec<char> = listing.chars().collect();
        let is = |place: usize, rule: &char| rules[place] == *rule;
        rules_to_delete(&[&target], rules.len(), |_| ['x', 'X'], is)
    }

    #[test]
    fn all_rules_of_an_address_go_and_no_others() {
        for owner in [Owner::Any, Owner::Ours] {
            assert_eq!(gone("aAxXb", owner), [2, 3]);
            assert_eq!(gone("xaxXX", owner), [0, 2, 3, 4]);
            assert_eq!(gone("aX", owner), [1]);
            assert_eq!(gone("xa", owner), [0]);
            assert_eq!(gone("aA", owner), Vec::<usize>::new());
        }
    }

    #[test]
    fn the_order_tells_whose_rules_they_are() {
        let none = Vec::<usize>::new();
        assert_eq!(gone("aXx", Owner::Any), [1, 2]);
        assert_eq!(gone("aXx", Owner::Ours), none);
        assert_eq!(gone("aXx", Owner::GoPlugin), [1, 2]);
        assert_eq!(gone("axX", Owner::GoPlugin), none);
        assert_eq!(gone("ax", Owner::GoPlugin), none);
    }
}
