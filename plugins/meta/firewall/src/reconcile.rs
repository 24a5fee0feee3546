//! Reconciles a chain that others write to as well.
//!
//! Some rules must come first, in a fixed order; others must follow them anywhere. Correct rules stay
//! untouched, so that a second ADD changes nothing. Missing and misplaced rules are written again: a
//! rule that isolates a network has no effect behind one that accepts its packets.

/// The rules that a chain must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DesiredChain<R> {
    /// The chain.
    pub(crate) chain: String,
    /// Rules before all others, in this order.
    pub(crate) first: Vec<R>,
    /// Rules anywhere after those.
    pub(crate) then: Vec<R>,
    /// Rules that must be absent.
    pub(crate) never: Vec<R>,
}

/// One change to a chain.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Op<'w, R> {
    /// Deletes the rule at this place of the listing.
    Delete(usize),
    /// Inserts a rule before all others.
    Insert(&'w R),
    /// Appends a rule.
    Append(&'w R),
}

/// A difference between a chain and the desired one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Drift<'w, R> {
    /// The rule is missing.
    Missing(&'w R),
    /// A rule of ours that must follow it precedes it.
    Misplaced(&'w R),
    /// The rule must be absent.
    Extra(&'w R),
}

impl<'w, R> Drift<'w, R> {
    /// What is wrong, for the report of CHECK.
    pub(crate) fn what(&self) -> &'static str {
        match self {
            Self::Missing(_) => "rule not found",
            Self::Misplaced(_) => "rule in the wrong place",
            Self::Extra(_) => "rule of another ingress policy",
        }
    }

    /// The rule that it is about.
    pub(crate) fn rule(&self) -> &'w R {
        match self {
            Self::Missing(rule) | Self::Misplaced(rule) | Self::Extra(rule) => rule,
        }
    }
}

impl<R> DesiredChain<R> {
    /// An empty chain.
    pub(crate) fn empty(name: &str) -> Self {
        Self {
            chain: name.to_owned(),
            first: Vec::new(),
            then: Vec::new(),
            never: Vec::new(),
        }
    }

    /// The first difference of a chain of `length` rules. `is` compares the rule at a place of the
    /// listing with a desired one.
    pub(crate) fn drift(
        &self,
        length: usize,
        is: impl Fn(usize, &R) -> bool,
    ) -> Option<Drift<'_, R>> {
        let there = |rule: &R| (0..length).any(|place| is(place, rule));
        let missing = || self.then.iter().find(|rule| !there(rule));
        let extra = || self.never.iter().find(|rule| there(rule));
        self.drift_in_front(length, &is)
            .or_else(|| missing().map(Drift::Missing))
            .or_else(|| extra().map(Drift::Extra))
    }

    /// The changes that make the chain the desired one.
    pub(crate) fn ops(&self, length: usize, is: impl Fn(usize, &R) -> bool) -> Vec<Op<'_, R>> {
        let one_of = |rules: &[R], place: usize| rules.iter().any(|rule| is(place, rule));
        let renew = self.drift_in_front(length, &is).is_some();
        let goes =
            |place: &usize| one_of(&self.never, *place) || renew && one_of(&self.first, *place);
        let absent = |rule: &&R| !(0..length).any(|place| is(place, rule));
        let deleted = (0..length).filter(goes).map(Op::Delete);
        let inserted = self.first.iter().rev().filter(|_| renew).map(Op::Insert);
        let appended = self.then.iter().filter(absent).map(Op::Append);
        deleted.chain(inserted).chain(appended).collect()
    }

    /// The first difference of the rules that come first.
    fn drift_in_front(
        &self,
        length: usize,
        is: &impl Fn(usize, &R) -> bool,
    ) -> Option<Drift<'_, R>> {
        let place = |rule: &R| (0..length).find(|&place| is(place, rule));
        let behind = self.then.iter().filter_map(place).min().unwrap_or(length);
        let mut end = 0;
        for rule in &self.first {
            match place(rule) {
                None => return Some(Drift::Missing(rule)),
                Some(found) if found < end || found > behind => {
                    return Some(Drift::Misplaced(rule));
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

    fn desired() -> DesiredChain<char> {
        DesiredChain {
            first: vec!['a', 'b'],
            then: vec!['x', 'y'],
            never: vec!['!'],
            ..DesiredChain::empty("c")
        }
    }

    fn drift<'w>(desired: &'w DesiredChain<char>, chain: &str) -> Option<Drift<'w, char>> {
        let chain: Vec<char> = chain.chars().collect();
        desired.drift(chain.len(), |place, rule| chain[place] == *rule)
    }

    /// The chain after the ops.
    fn arranged(chain: &str) -> String {
        let (desired, mut chain) = (desired(), chain.chars().collect::<Vec<_>>());
        let old = chain.clone();
        let ops = desired.ops(old.len(), |place, rule| old[place] == *rule);
        let mut deleted = 0;
        for op in ops {
            match op {
                Op::Delete(place) => {
                    chain.remove(place - deleted);
                    deleted += 1;
                }
                Op::Insert(rule) => chain.insert(0, *rule),
                Op::Append(rule) => chain.push(*rule),
            }
        }
        chain.into_iter().collect()
    }

    #[test]
    fn what_is_right_stays_as_it_is() {
        for chain in ["abxy", "abyx", "1a2b3x4y5"] {
            assert_eq!(drift(&desired(), chain), None, "{chain}");
            assert_eq!(arranged(chain), chain);
        }
    }

    #[test]
    fn the_first_thing_that_is_wrong_is_told() {
        for (chain, expected) in [
            ("", Drift::Missing(&'a')),
            ("bxy", Drift::Missing(&'a')),
            ("axy", Drift::Missing(&'b')),
            ("baxy", Drift::Misplaced(&'b')),
            ("axby", Drift::Misplaced(&'b')),
            ("abx", Drift::Missing(&'y')),
            ("a!bxy", Drift::Extra(&'!')),
        ] {
            assert_eq!(drift(&desired(), chain), Some(expected), "{chain}");
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
            assert_eq!(drift(&desired(), expected), None);
        }
    }
}
