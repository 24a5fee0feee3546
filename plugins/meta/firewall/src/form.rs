//! The plugin's rules as iptables has them.
//!
//! The Go plugin finds its rules by their exact text, so each has one form: the words it is
//! written in and listed by, and the expressions the tools make of it where tables are those of
//! `nf_tables`. There the rule can be written and read without a tool, and tools still know it.

use std::net::IpAddr;

use ferrule_kernel::{Family, IpNetwork};
use ferrule_netfilter::iptables;
use ferrule_netfilter::nft::{self, Expression};

use crate::written::{Prepared, Written};

/// The match that looks at the state of a connection, and its data's version in use since 2.6.39.
const CONNTRACK: (&str, u32) = ("conntrack", 3);

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
        let older = older.map(|comment| write(&self.clone().with_comment(comment)));
        Prepared::new(write(self), older)
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
}
