//! A rule compiled for comparison with the many rules of a listing.

use std::fmt;

use ferrule_netfilter::iptables::{self, held};
use ferrule_netfilter::nft;

/// A rule in the form of iptables' tools and in that of `nf_tables`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CompiledRule {
    /// As `nf_tables` holds it.
    pub(crate) nft: nft::Rule,
    /// As the tools write and list it.
    pub(crate) iptables: iptables::Rule,
    /// The same rule as older releases of the Go plugin wrote it, with another comment.
    pub(crate) older: Option<(String, iptables::Rule)>,
}

impl CompiledRule {
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

impl fmt::Display for CompiledRule {
    /// As `iptables -S` prints it, without the chain.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iptables.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use ferrule_kernel::Family;
    use ferrule_netfilter::nft::Expression;

    use super::*;
    use crate::rule_spec::RuleSpec;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn held(spec: &RuleSpec) -> nft::ListedRule {
        let rule = spec.compile(Family::V4).nft;
        nft::ListedRule {
            handle: 1,
            comment: rule.comment().map(str::to_owned),
            note: None,
            expressions: rule.expressions().to_vec(),
        }
    }

    #[test]
    fn a_rule_is_recognised_whoever_wrote_it() {
        let spec = RuleSpec::jump_to("DROP")
            .in_interface("b")
            .out_interface("b")
            .with_comment("c");
        let compiled = spec.compile(Family::V4);
        assert!(compiled.held(&held(&spec)).is_some());
        // As iptables writes it: short names, the comment in a match, counts.
        let mut theirs = held(&spec);
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
        assert!(compiled.held(&theirs).is_some(), "{theirs:?}");
    }

    #[test]
    fn an_older_comment_is_recognised() {
        let spec = RuleSpec::jump_to("X").with_comment("new").or_comment("old");
        let compiled = spec.compile(Family::V4);
        for (comment, known) in [("new", true), ("old", true), ("other", false)] {
            let found = held(&spec.clone().with_comment(comment));
            let form = compiled.held(&found).map(ToString::to_string);
            assert_eq!(form.is_some(), known);
            assert!(form.is_none_or(|text| text == format!("-m comment --comment {comment} -j X")));
        }
    }

    #[test]
    fn another_rule_is_not_mistaken_for_it() {
        let three = address("10.1.2.3");
        let specs = [
            RuleSpec::accept_from(three),
            RuleSpec::accept_from(address("10.1.2.0")),
            RuleSpec::accept_replies_to(three),
            RuleSpec::jump_to("ACCEPT"),
            RuleSpec::jump_to("DROP"),
            RuleSpec::jump_to("X"),
            RuleSpec::jump_to("X").with_comment("c"),
            RuleSpec::jump_to("X").in_interface("b"),
            RuleSpec::jump_to("X").in_interface("b2"),
            RuleSpec::jump_to("X").in_interface("b").out_interface("b"),
            RuleSpec::jump_to("X")
                .in_interface("b")
                .out_interface_other_than("b"),
        ];
        for (place, spec) in specs.iter().enumerate() {
            let listed = held(spec);
            let same = |other: &&RuleSpec| other.compile(Family::V4).held(&listed).is_some();
            assert_eq!(specs.iter().filter(same).count(), 1, "{place}");
        }
    }
}
