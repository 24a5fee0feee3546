//! The plugin's rules as iptables has them.
//!
//! The Go plugin finds its rules by their exact text, so each has one form: the words it is
//! written in and listed by, and the expressions the tools make of it where tables are those of
//! `nf_tables`. There the rule can be written and read without a tool, and tools still know it.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use ferrule_kernel::iptables;
use ferrule_kernel::nft::{self, Expression};
use ferrule_kernel::{Family, IpNetwork};

/// The match that looks at the state of a connection, and its data's version in use since 2.6.39.
const CONNTRACK: (&str, u32) = ("conntrack", 3);
/// The match that carries a comment.
const COMMENT: &str = "comment";

/// A rule. What is absent is not compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Form {
    source: Option<IpAddr>,
    destination: Option<IpAddr>,
    incoming: Option<String>,
    outgoing: Option<Outgoing>,
    /// Connections that were let through before, and what belongs to them.
    established: bool,
    comment: Option<String>,
    /// The comment that older releases of the Go plugin put on the same rule.
    older_comment: Option<String>,
    target: String,
}

/// The interface a packet leaves through.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outgoing {
    Is(String),
    IsNot(String),
}

impl Form {
    /// Accepts what an address sends.
    pub(crate) fn accept_from(address: IpAddr) -> Self {
        Self {
            source: Some(address),
            ..Self::target("ACCEPT")
        }
    }

    /// Accepts answers to an address.
    pub(crate) fn accept_answers_to(address: IpAddr) -> Self {
        Self {
            destination: Some(address),
            established: true,
            ..Self::target("ACCEPT")
        }
    }

    /// Leads to a chain, or ends with a verdict.
    pub(crate) fn target(name: &str) -> Self {
        Self {
            target: name.to_owned(),
            ..Self::default()
        }
    }

    /// The same for packets that came in through an interface.
    pub(crate) fn entering(self, name: &str) -> Self {
        let incoming = Some(name.to_owned());
        Self { incoming, ..self }
    }

    /// The same for packets that leave through an interface.
    pub(crate) fn leaving(self, name: &str) -> Self {
        let outgoing = Some(Outgoing::Is(name.to_owned()));
        Self { outgoing, ..self }
    }

    /// The same for packets that leave through another interface.
    pub(crate) fn not_leaving(self, name: &str) -> Self {
        let outgoing = Some(Outgoing::IsNot(name.to_owned()));
        Self { outgoing, ..self }
    }

    /// The same with a comment.
    pub(crate) fn with_comment(self, text: &str) -> Self {
        let comment = Some(text.to_owned());
        Self { comment, ..self }
    }

    /// The same; what has this comment instead is not another rule.
    pub(crate) fn or_comment(self, text: &str) -> Self {
        let older_comment = Some(text.to_owned());
        Self {
            older_comment,
            ..self
        }
    }

    /// As the tools take and list it.
    fn words(&self) -> iptables::Rule {
        let mut rule = iptables::Rule::new();
        if let Some(address) = self.source {
            rule = rule.source(IpNetwork::from(address));
        }
        if let Some(address) = self.destination {
            rule = rule.destination(IpNetwork::from(address));
        }
        if let Some(name) = &self.incoming {
            rule = rule.words(["-i", name]);
        }
        rule = match &self.outgoing {
            None => rule,
            Some(Outgoing::Is(name)) => rule.words(["-o", name]),
            Some(Outgoing::IsNot(name)) => rule.words(["!", "-o", name]),
        };
        if self.established {
            rule = rule.words(["-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED"]);
        }
        if let Some(comment) = &self.comment {
            rule = rule.comment(comment);
        }
        rule.jump(&self.target)
    }

    /// As the tools write it to a table of `nf_tables`.
    fn expressions(&self, family: Family) -> nft::Rule {
        let mut rule = nft::Rule::new(nft::Family::of(family));
        if let Some(address) = self.source {
            rule = rule.source(IpNetwork::from(address));
        }
        if let Some(address) = self.destination {
            rule = rule.destination(IpNetwork::from(address));
        }
        if let Some(name) = &self.incoming {
            rule = rule.in_interface(name);
        }
        rule = match &self.outgoing {
            None => rule,
            Some(Outgoing::Is(name)) => rule.out_interface(name),
            Some(Outgoing::IsNot(name)) => rule.out_interface_other_than(name),
        };
        if self.established {
            rule = rule.with(related_or_established());
        }
        if let Some(comment) = &self.comment {
            rule = rule.with_comment(comment);
        }
        let rule = rule.counter();
        match self.target.as_str() {
            "ACCEPT" => rule.accept(),
            "DROP" => rule.drop(),
            "RETURN" => rule.return_to_caller(),
            chain => rule.jump(chain),
        }
    }

    /// Writes it both ways.
    pub(crate) fn prepare(&self, family: Family) -> Prepared {
        let write = |form: &Self| Written {
            words: form.words(),
            rule: form.expressions(family),
        };
        let older = self.older_comment.as_ref();
        Prepared {
            current: write(self),
            older: older.map(|comment| write(&self.clone().with_comment(comment))),
        }
    }
}

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
            Expression::Compare {
                from,
                comparison,
                with,
            },
            Expression::Compare {
                from: from2,
                comparison: comparison2,
                with: with2,
            },
        ) => (from, comparison, trimmed(with)) == (from2, comparison2, trimmed(with2)),
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

    #[test]
    fn the_text_is_that_of_the_go_plugin() {
        for (form, text) in [
            (
                Form::accept_from(address("10.1.2.3")),
                "-s 10.1.2.3/32 -j ACCEPT",
            ),
            (
                Form::accept_answers_to(address("fd00::3")),
                "-d fd00::3/128 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
            ),
            (
                Form::target("CNI-FORWARD").with_comment("CNI firewall plugin rules"),
                r#"-m comment --comment "CNI firewall plugin rules" -j CNI-FORWARD"#,
            ),
            (
                Form::target("X")
                    .entering("b")
                    .not_leaving("b")
                    .with_comment("c"),
                "-i b ! -o b -m comment --comment c -j X",
            ),
            (
                Form::target("DROP").entering("b").leaving("b"),
                "-i b -o b -j DROP",
            ),
        ] {
            assert_eq!(form.prepare(Family::V4).to_string(), text);
        }
    }

    fn held(form: &Form) -> nft::ListedRule {
        let rule = form.expressions(Family::V4);
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
                Expression::Compare { with, .. } => with.truncate(2),
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
