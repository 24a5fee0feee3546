//! The plugin's rules as iptables has them.
//!
//! The Go plugin finds its rules by their exact text, so each has two forms: the words it is written
//! in and listed by, and the expressions the tools make of it where tables are those of `nf_tables`.
//! There the rule can be written and read without a tool, and tools still know it.

use std::fmt;
use std::net::IpAddr;

use ferrule_kernel::{Family, IpNetwork};
use ferrule_netfilter::iptables::{self, held};
use ferrule_netfilter::nft::{self, Expression};

/// The match on the state of a connection, and the revision of its data, in use since Linux 2.6.39.
const CONNTRACK: (&str, u32) = ("conntrack", 3);

/// A rule, built from left to right: addresses, interfaces, further matches, the comment, the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    /// As the tools write and list it.
    pub(crate) iptables: iptables::Rule,
    /// As `nf_tables` holds it.
    pub(crate) nft: nft::Rule,
    /// The same rule as older releases of the Go plugin wrote it, with another comment.
    older: Option<(String, iptables::Rule)>,
}

impl Rule {
    /// A rule that matches every packet of a family.
    pub(crate) fn new(family: Family) -> Self {
        Self {
            iptables: iptables::Rule::new(),
            nft: nft::Rule::new(nft::Family::of(family)),
            older: None,
        }
    }

    /// Accepts packets from an address.
    pub(crate) fn accept_from(address: IpAddr) -> Self {
        let source = IpNetwork::from(address);
        Self::new(Family::of(address))
            .with(|rule| rule.source(source), |rule| rule.source(source))
            .jump("ACCEPT")
    }

    /// Accepts replies to an address.
    pub(crate) fn accept_replies_to(address: IpAddr) -> Self {
        let to = IpNetwork::from(address);
        let states = ["-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED"];
        Self::new(Family::of(address))
            .with(|rule| rule.destination(to), |rule| rule.destination(to))
            .with(
                |rule| rule.words(states),
                |rule| rule.with(related_or_established()),
            )
            .jump("ACCEPT")
    }

    /// Matches packets that came in through an interface.
    pub(crate) fn in_interface(self, name: &str) -> Self {
        self.with(
            |rule| rule.words(["-i", name]),
            |rule| rule.in_interface(name),
        )
    }

    /// Matches packets that leave through an interface.
    pub(crate) fn out_interface(self, name: &str) -> Self {
        self.with(
            |rule| rule.words(["-o", name]),
            |rule| rule.out_interface(name),
        )
    }

    /// Matches packets that leave through another interface.
    pub(crate) fn out_interface_other_than(self, name: &str) -> Self {
        self.with(
            |rule| rule.words(["!", "-o", name]),
            |rule| rule.out_interface_other_than(name),
        )
    }

    /// Adds a comment.
    pub(crate) fn comment(self, text: &str) -> Self {
        self.with(|rule| rule.comment(text), |rule| rule.with_comment(text))
    }

    /// Adds a comment; the rule with the other one instead counts as the same.
    pub(crate) fn comment_or(self, text: &str, other: &str) -> Self {
        let older = Some((other.to_owned(), self.iptables.clone().comment(other)));
        Self {
            older,
            ..self.comment(text)
        }
    }

    /// Jumps to a chain, or has a verdict.
    pub(crate) fn jump(self, target: &str) -> Self {
        self.with(
            |rule| rule.jump(target),
            |rule| match (rule.counter(), target) {
                (rule, "ACCEPT") => rule.accept(),
                (rule, "DROP") => rule.drop(),
                (rule, "RETURN") => rule.return_to_caller(),
                (rule, chain) => rule.jump(chain),
            },
        )
    }

    /// The rule with more, in both forms.
    fn with(
        self,
        iptables: impl Fn(iptables::Rule) -> iptables::Rule,
        nft: impl FnOnce(nft::Rule) -> nft::Rule,
    ) -> Self {
        Self {
            nft: nft(self.nft),
            older: self.older.map(|(text, rule)| (text, iptables(rule))),
            iptables: iptables(self.iptables),
        }
    }

    /// The form in which a tool listed this rule, if it is this rule.
    pub(crate) fn listed(&self, listed: &iptables::ListedRule) -> Option<&iptables::Rule> {
        let older = self.older.iter().map(|(_, rule)| rule);
        let mut forms = std::iter::once(&self.iptables).chain(older);
        forms.find(|rule| listed.rule == **rule)
    }

    /// The form in which a tool would list the rule that `nf_tables` holds, whoever wrote it, if it
    /// is this rule.
    pub(crate) fn held(&self, held: &nft::ListedRule) -> Option<&iptables::Rule> {
        if !held::decides_as(held, &self.nft) {
            return None;
        }
        let comment = held::comment(held);
        if comment.as_deref() == self.nft.comment() {
            return Some(&self.iptables);
        }
        let older = self.older.as_ref();
        older
            .filter(|(text, _)| comment.as_deref() == Some(text.as_str()))
            .map(|(_, rule)| rule)
    }
}

impl fmt::Display for Rule {
    /// As `iptables -S` prints it, without the chain.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iptables.fmt(f)
    }
}

/// The match `-m conntrack --ctstate RELATED,ESTABLISHED`: `struct xt_conntrack_mtinfo3` of
/// `linux/netfilter/xt_conntrack.h`, all zero but for which fact is compared and with what.
fn related_or_established() -> Expression {
    /// Length with padding, and places of `match_flags` and `state_mask`.
    const LENGTH: usize = 168;
    const FLAGS: std::ops::Range<usize> = 146..148;
    const STATES: std::ops::Range<usize> = 150..152;
    /// `XT_CONNTRACK_STATE`, and a bit per state (`XT_CONNTRACK_STATE_BIT`).
    const COMPARE_STATE: u16 = 1;
    const ESTABLISHED: u16 = 2;
    const RELATED: u16 = 4;

    let mut data = vec![0; LENGTH];
    for (place, value) in [(FLAGS, COMPARE_STATE), (STATES, ESTABLISHED | RELATED)] {
        if let Some(bytes) = data.get_mut(place) {
            bytes.copy_from_slice(&value.to_ne_bytes());
        }
    }
    let (name, revision) = CONNTRACK;
    Expression::Match {
        name: name.to_owned(),
        revision,
        data,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn rule() -> Rule {
        Rule::new(Family::V4)
    }

    fn held(rule: &Rule) -> nft::ListedRule {
        nft::ListedRule {
            handle: 1,
            comment: rule.nft.comment().map(str::to_owned),
            note: None,
            expressions: rule.nft.expressions().to_vec(),
        }
    }

    #[test]
    fn the_text_is_that_of_the_go_plugin() {
        for (rule, text) in [
            (
                Rule::accept_from(address("10.1.2.3")),
                "-s 10.1.2.3/32 -j ACCEPT",
            ),
            (
                Rule::accept_replies_to(address("fd00::3")),
                "-d fd00::3/128 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
            ),
            (
                rule()
                    .comment("CNI firewall plugin rules")
                    .jump("CNI-FORWARD"),
                r#"-m comment --comment "CNI firewall plugin rules" -j CNI-FORWARD"#,
            ),
            (
                rule()
                    .in_interface("b")
                    .out_interface_other_than("b")
                    .comment("c")
                    .jump("X"),
                "-i b ! -o b -m comment --comment c -j X",
            ),
            (
                rule().in_interface("b").out_interface("b").jump("DROP"),
                "-i b -o b -j DROP",
            ),
        ] {
            assert_eq!(rule.to_string(), text);
        }
    }

    #[test]
    fn a_rule_is_recognised_whoever_wrote_it() {
        let between = rule().in_interface("b").out_interface("b");
        let between = between.comment("c").jump("DROP");
        assert!(between.held(&held(&between)).is_some());
        // As iptables writes it: short names, the comment in a match, counts.
        let mut theirs = held(&between);
        theirs.comment = None;
        for one in &mut theirs.expressions {
            match one {
                Expression::Cmp { with, .. } => with.truncate(2),
                Expression::Counter { packets, .. } => *packets = 7,
                _ => {}
            }
        }
        let comment = Expression::Match {
            name: "comment".to_owned(),
            revision: 0,
            data: b"c\0\0".to_vec(),
        };
        theirs.expressions.insert(4, comment);
        assert!(between.held(&theirs).is_some(), "{theirs:?}");
    }

    #[test]
    fn an_older_comment_is_recognised() {
        let ours = rule().comment_or("new", "old").jump("X");
        for (comment, known) in [("new", true), ("old", true), ("other", false)] {
            let found = held(&rule().comment(comment).jump("X"));
            let form = ours.held(&found).map(ToString::to_string);
            assert_eq!(form.is_some(), known);
            assert!(form.is_none_or(|text| text == format!("-m comment --comment {comment} -j X")));
        }
    }

    #[test]
    fn another_rule_is_not_mistaken_for_it() {
        let three = address("10.1.2.3");
        let in_b = || rule().in_interface("b");
        let rules = [
            Rule::accept_from(three),
            Rule::accept_from(address("10.1.2.0")),
            Rule::accept_replies_to(three),
            rule().jump("ACCEPT"),
            rule().jump("DROP"),
            rule().jump("X"),
            rule().comment("c").jump("X"),
            in_b().jump("X"),
            rule().in_interface("b2").jump("X"),
            in_b().out_interface("b").jump("X"),
            in_b().out_interface_other_than("b").jump("X"),
        ];
        for (place, rule) in rules.iter().enumerate() {
            let listed = held(rule);
            let same = |other: &&Rule| other.held(&listed).is_some();
            assert_eq!(rules.iter().filter(same).count(), 1, "{place}");
        }
    }
}
