//! Routing rules (ip-rule(8)): which routing table is used for which packets.

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use nix::libc::{NLM_F_CREATE, NLM_F_EXCL, RTM_DELRULE, RTM_GETRULE, RTM_NEWRULE};

use crate::addr::Family;
use crate::netlink::{Attributes, Malformed, Message, NetlinkError, Parsed, RtnlSocket, flag};

/// Length of `struct fib_rule_hdr` of `linux/fib_rules.h`.
const HEADER: usize = 12;

const FRA_SRC: u16 = 2;
const FRA_PRIORITY: u16 = 6;
const FRA_TABLE: u16 = 15;

/// `FR_ACT_TO_TBL`: looks up a table.
const TO_TABLE: u8 = 1;

/// A rule as the kernel reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Source prefix of the packets it matches; `None` matches every source.
    pub source: Option<IpNetwork>,
    /// The table it looks up; `None` for rules with another action, such as `blackhole`.
    pub table: Option<u32>,
    /// Rules are evaluated in ascending priority.
    pub priority: u32,
}

/// A rule that looks up a table for packets from some source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewRule {
    /// Source prefix of the packets.
    pub source: IpNetwork,
    /// The table to look up.
    pub table: u32,
    /// Rules are evaluated in ascending priority. When absent, the kernel adds the rule before all
    /// others except that of the table `local`, and deletes a rule of any priority.
    pub priority: Option<u32>,
}

impl NewRule {
    /// The message that adds the rule. An equal rule of the same priority is an error
    /// ([`NetlinkError::is_exists`]); without a priority the kernel chooses a free one.
    pub fn add(&self) -> Message {
        let operation = format!("add rule {}", self.described());
        let flags = flag(NLM_F_CREATE) | flag(NLM_F_EXCL);
        Message::new(operation, RTM_NEWRULE, flags, &self.body())
    }

    /// The message that deletes the first rule with these values. The lack of one is an error
    /// ([`NetlinkError::is_not_found`]).
    pub fn delete(&self) -> Message {
        let operation = format!("delete rule {}", self.described());
        Message::new(operation, RTM_DELRULE, 0, &self.body())
    }

    fn body(&self) -> RuleMessage {
        let mut body = RuleMessage::default();
        body.header.family = Family::of(self.source.ip()).number();
        body.header.src_len = self.source.prefix();
        body.header.action = RuleAction::ToTable;
        body.attributes
            .push(RuleAttribute::Source(self.source.ip()));
        // The table field of the header has 8 bits.
        body.attributes.push(RuleAttribute::Table(self.table));
        body.attributes
            .extend(self.priority.map(RuleAttribute::Priority));
        body
    }

    fn described(&self) -> String {
        format!("from {} lookup {}", self.source, self.table)
    }
}

impl RtnlSocket {
    /// All rules of one family in order of evaluation. The kernel cannot filter this dump.
    pub fn rules(&self, family: Family) -> Result<Vec<Rule>, NetlinkError> {
        let mut body = RuleMessage::default();
        body.header.family = family.number();
        let operation = || "list routing rules".to_owned();
        self.socket.dump(&operation, RTM_GETRULE, &body, |payload| {
            parse(payload, family)
        })
    }

    /// Deletes a rule; `false` if there is no such rule.
    pub fn delete_rule(&self, rule: &NewRule) -> Result<bool, NetlinkError> {
        self.delete(rule.delete())
    }
}

/// Reads one rule; `None` for other families.
fn parse(payload: &[u8], wanted: Family) -> Parsed<Rule> {
    let (header, attributes): (&[u8; HEADER], _) = payload.split_first_chunk().ok_or(Malformed)?;
    let [family, _, prefix, _, table, _, _, action, ..] = *header;
    if Family::from_number(family) != Some(wanted) {
        return Ok(None);
    }
    let (mut source, mut table, mut priority): (Option<IpAddr>, u32, u32) = (None, table.into(), 0);
    for attribute in Attributes::new(attributes) {
        match attribute.kind {
            FRA_SRC => source = attribute.ip(),
            FRA_TABLE => table = attribute.u32().ok_or(Malformed)?,
            FRA_PRIORITY => priority = attribute.u32().ok_or(Malformed)?,
            _ => {}
        }
    }
    let source = source.map(|ip| IpNetwork::new(ip, prefix)).transpose();
    Ok(Some(Rule {
        source: source.map_err(|_| Malformed)?,
        table: (action == TO_TABLE).then_some(table),
        priority,
    }))
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::Emitable as _;

    use super::*;

    #[test]
    fn a_rule_reads_back_as_written() {
        for (source, table) in [("10.0.0.5/32", 100), ("fd00::/64", 5000)] {
            let new = NewRule {
                source: source.parse().unwrap(),
                table,
                priority: Some(7),
            };
            let body = new.body();
            let mut bytes = vec![0; body.buffer_len()];
            body.emit(&mut bytes);
            let expected = Rule {
                source: Some(new.source),
                table: Some(table),
                priority: 7,
            };
            let family = Family::of(new.source.ip());
            assert_eq!(parse(&bytes, family), Ok(Some(expected)));
            let other = [Family::V4, Family::V6].into_iter().find(|f| *f != family);
            assert_eq!(parse(&bytes, other.unwrap()), Ok(None));
            bytes[7] = 6; // blackhole
            assert_eq!(parse(&bytes, family).unwrap().unwrap().table, None);
        }
        assert_eq!(parse(&[2; 11], Family::V4), Err(Malformed));
    }
}
