//! Knowing a rule again, in a tool's listing or in a table of `nf_tables`, whoever wrote it.

use std::borrow::Cow;
use std::fmt;

use ferrule_netfilter::iptables;
use ferrule_netfilter::nft::{self, Expression};

/// The match that carries a comment.
const COMMENT: &str = "comment";

/// A rule in both ways of writing, to be compared with many listed ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Prepared {
    /// As it is made.
    pub(crate) current: Written,
    /// As older releases have made it.
    older: Option<Written>,
}

/// A rule in both ways of writing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// For the tools.
    pub(crate) words: iptables::Rule,
    /// For tables of `nf_tables`.
    pub(crate) rule: nft::Rule,
}

impl Prepared {
    /// A rule as it is made, and as older releases have made it.
    pub(crate) fn new(current: Written, older: Option<Written>) -> Self {
        Self { current, older }
    }

    /// The writing of this rule that a tool listed, if it is this rule.
    pub(crate) fn listed(&self, listed: &iptables::ListedRule) -> Option<&Written> {
        self.writings().find(|written| listed.rule == written.words)
    }

    /// The writing of this rule that `nf_tables` holds, whoever wrote it, if it is this rule.
    pub(crate) fn held(&self, held: &nft::ListedRule) -> Option<&Written> {
        let alike = |(one, other): (&Expression, &Expression)| is_alike(one, other);
        let (ours, theirs) = (self.current.rule.expressions(), &held.expressions);
        let same = telling(ours).count() == telling(theirs).count()
            && telling(ours).zip(telling(theirs)).all(alike);
        let comment = comment(held).filter(|_| same);
        self.writings()
            .find(|written| same && written.rule.comment() == comment.as_deref())
    }

    fn writings(&self) -> impl Iterator<Item = &Written> {
        std::iter::once(&self.current).chain(&self.older)
    }
}

impl fmt::Display for Prepared {
    /// As `iptables -S` prints it, without the chain.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.current.words.fmt(f)
    }
}

/// What decides about packets: counters and comments do not.
fn telling(expressions: &[Expression]) -> impl Iterator<Item = &Expression> {
    expressions.iter().filter(|one| match one {
        Expression::Counter { .. } => false,
        Expression::Match { name, .. } => name != COMMENT,
        _ => true,
    })
}

/// Whether both do the same. Some writers leave out zero bytes at the end of names and structures.
fn is_alike(one: &Expression, other: &Expression) -> bool {
    match (one, other) {
        (
            Expression::Match {
                name,
                revision,
                data,
            },
            Expression::Match {
                name: name2,
                revision: revision2,
                data: data2,
            },
        ) => (name, revision, trimmed(data)) == (name2, revision2, trimmed(data2)),
        (
            Expression::Cmp { from, op, with },
            Expression::Cmp {
                from: from2,
                op: op2,
                with: with2,
            },
        ) => (from, op, trimmed(with)) == (from2, op2, trimmed(with2)),
        _ => one == other,
    }
}

/// Bytes without the zeros at their end.
fn trimmed(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().rev().take_while(|byte| **byte == 0).count();
    bytes.get(..bytes.len() - zeros).unwrap_or(bytes)
}

/// The comment, where the tools or where `nft` puts it.
fn comment(held: &nft::ListedRule) -> Option<Cow<'_, str>> {
    let in_match = || {
        held.expressions.iter().find_map(|one| match one {
            Expression::Match { name, data, .. } if name == COMMENT => {
                let text = data.split(|byte| *byte == 0).next().unwrap_or_default();
                Some(String::from_utf8_lossy(text))
            }
            _ => None,
        })
    };
    held.comment.as_deref().map(Cow::Borrowed).or_else(in_match)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use ferrule_kernel::Family;

    use super::*;
    use crate::form::Form;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn held(form: &Form) -> nft::ListedRule {
        let rule = form.prepare(Family::V4).current.rule;
        nft::ListedRule {
            handle: 1,
            comment: rule.comment().map(str::to_owned),
            note: None,
            expressions: rule.expressions().to_vec(),
        }
    }

    #[test]
    fn a_rule_is_known_whoever_wrote_it() {
        let form = Form::target("DROP")
            .entering("b")
            .leaving("b")
            .with_comment("c");
        let wanted = form.prepare(Family::V4);
        assert!(wanted.held(&held(&form)).is_some());
        // As iptables writes it: short names, the comment in a match, counts.
        let mut theirs = held(&form);
        theirs.comment = None;
        for one in &mut theirs.expressions {
            match one {
                Expression::Cmp { with, .. } => with.truncate(2),
                Expression::Counter { packets, .. } => *packets = 7,
                _ => {}
            }
        }
        let comment = Expression::Match {
            name: COMMENT.to_owned(),
            revision: 0,
            data: b"c\0\0".to_vec(),
        };
        theirs.expressions.insert(4, comment);
        assert!(wanted.held(&theirs).is_some(), "{theirs:?}");
    }

    #[test]
    fn an_older_comment_is_as_good() {
        let form = Form::target("X").with_comment("new").or_comment("old");
        let wanted = form.prepare(Family::V4);
        for (comment, known) in [("new", true), ("old", true), ("other", false)] {
            let found = held(&form.clone().with_comment(comment));
            let writing = wanted.held(&found);
            assert_eq!(writing.is_some(), known);
            assert!(writing.is_none_or(|one| one.rule.comment() == Some(comment)));
        }
    }

    #[test]
    fn another_rule_is_not_taken_for_it() {
        let three = address("10.1.2.3");
        let forms = [
            Form::accept_from(three),
            Form::accept_from(address("10.1.2.0")),
            Form::accept_answers_to(three),
            Form::target("ACCEPT"),
            Form::target("DROP"),
            Form::target("X"),
            Form::target("X").with_comment("c"),
            Form::target("X").entering("b"),
            Form::target("X").entering("b2"),
            Form::target("X").entering("b").leaving("b"),
            Form::target("X").entering("b").not_leaving("b"),
        ];
        for (place, form) in forms.iter().enumerate() {
            let written = held(form);
            let same = |other: &&Form| other.prepare(Family::V4).held(&written).is_some();
            assert_eq!(forms.iter().filter(same).count(), 1, "{place}");
        }
    }
}
