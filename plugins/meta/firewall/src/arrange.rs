//! Putting rules into a chain that others write to as well.
//!
//! Some of a chain's rules have to come before whatever else there is, in an order of their own;
//! others only have to be there, behind those. What is right stays untouched, so that a second
//! ADD changes nothing; what is missing or out of order is moved, because a rule that isolates a
//! network does nothing behind one that accepts its packets.

/// What a chain has to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted<R> {
    /// The chain.
    pub(crate) chain: String,
    /// Rules in front of all others, in this order.
    pub(crate) first: Vec<R>,
    /// Rules anywhere behind those.
    pub(crate) then: Vec<R>,
    /// Rules that must not be there.
    pub(crate) never: Vec<R>,
}

/// One change to a chain.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step<'w, R> {
    /// Deletes the rule at this place of the listing.
    Delete(usize),
    /// Puts a rule in front of all others.
    Insert(&'w R),
    /// Appends a rule.
    Append(&'w R),
}

/// What is wrong with a chain.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fault<'w, R> {
    /// The rule is not there.
    Missing(&'w R),
    /// Another rule of ours that belongs behind it is in front of it.
    Misplaced(&'w R),
    /// The rule must not be there.
    Extra(&'w R),
}

impl<R> Wanted<R> {
    /// An empty chain.
    pub(crate) fn chain(name: &str) -> Self {
        Self {
            chain: name.to_owned(),
            first: Vec::new(),
            then: Vec::new(),
            never: Vec::new(),
        }
    }

    /// The same for rules made of these.
    pub(crate) fn map<S>(self, make: impl Fn(&R) -> S) -> Wanted<S> {
        let all = |rules: &[R]| rules.iter().map(&make).collect();
        Wanted {
            first: all(&self.first),
            then: all(&self.then),
            never: all(&self.never),
            chain: self.chain,
        }
    }

    /// The first thing that is wrong with a chain of `length` rules. `is` tells whether the rule
    /// at a place of the listing is a wanted one.
    pub(crate) fn fault(
        &self,
        length: usize,
        is: impl Fn(usize, &R) -> bool,
    ) -> Option<Fault<'_, R>> {
        let there = |rule: &R| (0..length).any(|place| is(place, rule));
        let missing = || self.then.iter().find(|rule| !there(rule));
        let extra = || self.never.iter().find(|rule| there(rule));
        self.fault_in_front(length, &is)
            .or_else(|| missing().map(Fault::Missing))
            .or_else(|| extra().map(Fault::Extra))
    }

    /// The changes after which nothing is wrong.
    pub(crate) fn steps(&self, length: usize, is: impl Fn(usize, &R) -> bool) -> Vec<Step<'_, R>> {
        let one_of = |rules: &[R], place: usize| rules.iter().any(|rule| is(place, rule));
        let renew = self.fault_in_front(length, &is).is_some();
        let goes =
            |place: &usize| one_of(&self.never, *place) || renew && one_of(&self.first, *place);
        let absent = |rule: &&R| !(0..length).any(|place| is(place, rule));
        let deleted = (0..length).filter(goes).map(Step::Delete);
        let inserted = self.first.iter().rev().filter(|_| renew).map(Step::Insert);
        let appended = self.then.iter().filter(absent).map(Step::Append);
        deleted.chain(inserted).chain(appended).collect()
    }

    /// What is wrong with the rules that belong in front.
    fn fault_in_front(
        &self,
        length: usize,
        is: &impl Fn(usize, &R) -> bool,
    ) -> Option<Fault<'_, R>> {
        let place = |rule: &R| (0..length).find(|&place| is(place, rule));
        let behind = self.then.iter().filter_map(place).min().unwrap_or(length);
        let mut end = 0;
        for rule in &self.first {
            match place(rule) {
                None => return Some(Fault::Missing(rule)),
                Some(found) if found < end || found > behind => {
                    return Some(Fault::Misplaced(rule));
                }
                Some(found) => end = found + 1,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Wanted<char> {
        Wanted {
            first: vec!['a', 'b'],
            then: vec!['x', 'y'],
            never: vec!['!'],
            ..Wanted::chain("c")
        }
    }

    fn fault<'w>(wanted: &'w Wanted<char>, chain: &str) -> Option<Fault<'w, char>> {
        let chain: Vec<char> = chain.chars().collect();
        wanted.fault(chain.len(), |place, rule| chain[place] == *rule)
    }

    /// The chain after the steps.
    fn arranged(chain: &str) -> String {
        let (wanted, mut chain) = (wanted(), chain.chars().collect::<Vec<_>>());
        let old = chain.clone();
        let steps = wanted.steps(old.len(), |place, rule| old[place] == *rule);
        let mut deleted = 0;
        for step in steps {
            match step {
                Step::Delete(place) => {
                    chain.remove(place - deleted);
                    deleted += 1;
                }
                Step::Insert(rule) => chain.insert(0, *rule),
                Step::Append(rule) => chain.push(*rule),
            }
        }
        chain.into_iter().collect()
    }

    #[test]
    fn what_is_right_stays_as_it_is() {
        for chain in ["abxy", "abyx", "1a2b3x4y5"] {
            assert_eq!(fault(&wanted(), chain), None, "{chain}");
            assert_eq!(arranged(chain), chain);
        }
    }

    #[test]
    fn the_first_thing_that_is_wrong_is_told() {
        for (chain, expected) in [
            ("", Fault::Missing(&'a')),
            ("bxy", Fault::Missing(&'a')),
            ("axy", Fault::Missing(&'b')),
            ("baxy", Fault::Misplaced(&'b')),
            ("axby", Fault::Misplaced(&'b')),
            ("abx", Fault::Missing(&'y')),
            ("a!bxy", Fault::Extra(&'!')),
        ] {
            assert_eq!(fault(&wanted(), chain), Some(expected), "{chain}");
        }
    }

    #[test]
    fn what_is_wrong_is_put_right_around_the_rules_of_others() {
        for (chain, expected) in [
            ("", "abxy"),
            ("1", "ab1xy"),
            ("1a2x", "ab12xy"),
            ("b1a2xy", "ab12xy"),
            ("axby", "abxy"),
            ("aabxy", "aabxy"),
            ("baaxy", "abxy"),
            ("ab!x!1y", "abx1y"),
        ] {
            assert_eq!(arranged(chain), expected, "{chain}");
            assert_eq!(fault(&wanted(), expected), None);
        }
    }
}
