//! The plugin's rules as iptables has them.
//!
//! The Go plugin finds its rules by their exact text, so each has one spec: the words it is
//! written in and listed by, and the expressions the tools make of it where tables are those of
//! `nf_tables`. There the rule can be written and read without a tool, and tools still know it.

use std::net::IpAddr;

use ferrule_kernel::{Family, IpNetwork};
use ferrule_netfilter::iptables;
use ferrule_netfilter::nft::{self, Expression};

use crate::compiled_rule::CompiledRule;

/// The match on the state of a connection, and the revision of its data, in use since Linux 2.6.39.
const CONNTRACK: (&str, u32) = ("conntrack", 3);

/// A rule. Absent fields match every packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RuleSpec {
    source: Option<IpAddr>,
    destination: Option<IpAddr>,
    incoming: Option<String>,
    outgoing: Option<Outgoing>,
    /// Established connections and those related to them.
    established: bool,
    comment: Option<String>,
    /// The comment of the same rule in older releases of the Go plugin.
    older_comment: Option<String>,
    target: String,
}

/// The interface a packet leaves through.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outgoing {
    Is(String),
    IsNot(String),
}

impl RuleSpec {
    /// Accepts packets from an address.
    pub(crate) fn accept_from(address: IpAddr) -> Self {
        Self {
            source: Some(address),
            ..Self::jump_to("ACCEPT")
        }
    }

    /// Accepts replies to an address.
    pub(crate) fn accept_replies_to(address: IpAddr) -> Self {
        Self {
            destination: Some(address),
            established: true,
            ..Self::jump_to("ACCEPT")
        }
    }

    /// Jumps to a chain, or has a verdict.
    pub(crate) fn jump_to(name: &str) -> Self {
        Self {
            target: name.to_owned(),
            ..Self::default()
        }
    }

    /// The same for packets that came in through an interface.
    pub(crate) fn in_interface(self, name: &str) -> Self {
        let incoming = Some(name.to_owned());
        Self { incoming, ..self }
    }

    /// The same for packets that leave through an interface.
    pub(crate) fn out_interface(self, name: &str) -> Self {
        let outgoing = Some(Outgoing::Is(name.to_owned()));
        Self { outgoing, ..self }
    }

    /// The same for packets that leave through another interface.
    pub(crate) fn out_interface_other_than(self, name: &str) -> Self {
        let outgoing = Some(Outgoing::IsNot(name.to_owned()));
        Self { outgoing, ..self }
    }

    /// The same with a comment.
    pub(crate) fn with_comment(self, text: &str) -> Self {
        let comment = Some(text.to_owned());
        Self { comment, ..self }
    }

    /// The same; a rule with this comment instead counts as the same rule.
    pub(crate) fn or_comment(self, text: &str) -> Self {
        let older_comment = Some(text.to_owned());
        Self {
            older_comment,
            ..self
        }
    }

    /// As the tools take and list it.
    fn iptables_rule(&self) -> iptables::Rule {
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
    fn nft_rule(&self, family: Family) -> nft::Rule {
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

    /// Compiles it for a family.
    pub(crate) fn compile(&self, family: Family) -> CompiledRule {
        let older = self.older_comment.clone();
        CompiledRule {
            nft: self.nft_rule(family),
            iptables: self.iptables_rule(),
            older: older.map(|text| {
                (
                    text.clone(),
                    self.clone().with_comment(&text).iptables_rule(),
                )
            }),
        }
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
        for (spec, text) in [
            (
                RuleSpec::accept_from(address("10.1.2.3")),
                "-s 10.1.2.3/32 -j ACCEPT",
            ),
            (
                RuleSpec::accept_replies_to(address("fd00::3")),
                "-d fd00::3/128 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
            ),
            (
                RuleSpec::jump_to("CNI-FORWARD").with_comment("CNI firewall plugin rules"),
                r#"-m comment --comment "CNI firewall plugin rules" -j CNI-FORWARD"#,
            ),
            (
                RuleSpec::jump_to("X")
                    .in_interface("b")
                    .out_interface_other_than("b")
                    .with_comment("c"),
                "-i b ! -o b -m comment --comment c -j X",
            ),
            (
                RuleSpec::jump_to("DROP")
                    .in_interface("b")
                    .out_interface("b"),
                "-i b -o b -j DROP",
            ),
        ] {
            assert_eq!(spec.compile(Family::V4).to_string(), text);
        }
    }
}
