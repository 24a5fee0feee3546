//! Reading: one chain, one set, one element, never a whole ruleset.

use nix::libc::{
    NFT_MSG_GETCHAIN, NFT_MSG_GETGEN, NFT_MSG_GETRULE, NFT_MSG_GETSET, NFT_MSG_GETSETELEM,
    NFT_MSG_GETTABLE,
};

use super::Nft;
use super::chain::ListedChain;
use super::comment::{self, COMMENT, NOTE};
use super::constants::{GENERATION, chain, element, message, rule, set, table};
use super::decode;
use super::element::Element;
use super::expression::Expression;
use super::object::{Chain, Set, Table};
use super::rule::Rule;
use super::transaction::set_body;
use crate::nfnetlink::{attributes, request};
use ferrule_kernel::netlink::{Malformed, NetlinkError, Parsed};

/// A rule as the kernel dumps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedRule {
    /// The number it is deleted by, unique in its table.
    pub handle: u64,
    /// The comment on it.
    pub comment: Option<String>,
    /// The note on it.
    pub note: Option<String>,
    /// Its expressions. Anonymous sets have the number zero.
    pub expressions: Vec<Expression>,
}

impl ListedRule {
    /// Whether it does the same as `rule`. Comments, counter values and the elements of anonymous sets
    /// are ignored.
    pub fn same_as(&self, rule: &Rule) -> bool {
        let expected = rule.expressions();
        self.expressions.len() == expected.len()
            && self
                .expressions
                .iter()
                .zip(expected)
                .all(|(one, other)| one.alike(other))
    }

    /// Reads a rule of a reply if its comment is wanted; of others only the comment is read.
    fn parse(payload: &[u8], wanted: impl Fn(Option<&str>) -> bool) -> Parsed<Self> {
        let parts = attributes(payload);
        let data = parts.get(rule::USER_DATA).map(|data| data.value);
        let comment = data.and_then(|data| comment::find(COMMENT, data));
        if !wanted(comment.as_deref()) {
            return Ok(None);
        }
        let expressions = parts.get(rule::EXPRESSIONS);
        Ok(Some(Self {
            handle: parts.be_u64(rule::HANDLE).ok_or(Malformed)?,
            comment,
            note: data.and_then(|data| comment::find(NOTE, data)),
            expressions: expressions
                .map(|list| decode::expressions(list.nested()))
                .unwrap_or_default(),
        }))
    }
}

impl Nft {
    /// The generation of the namespace's ruleset; every committed transaction increments it.
    pub(super) fn generation(&self) -> Result<u32, NetlinkError> {
        let operation = || "ask for the generation of the ruleset".to_owned();
        self.socket.get(
            &operation,
            message(NFT_MSG_GETGEN),
            &request(0),
            |payload| {
                attributes(payload)
                    .be_u32(GENERATION)
                    .map(Some)
                    .ok_or(Malformed)
            },
        )
    }

    /// Whether a table exists.
    pub fn has_table(&self, table: Table<'_>) -> Result<bool, NetlinkError> {
        let mut body = request(table.family.number());
        body.text(table::NAME, table.name);
        let operation = || format!("look for {table}");
        let found = self
            .socket
            .get(&operation, message(NFT_MSG_GETTABLE), &body, |_| {
                Ok(Some(()))
            });
        Ok(NetlinkError::none_if_not_found(found)?.is_some())
    }

    /// Whether a set or map exists.
    pub fn has_set(&self, set: Set<'_>) -> Result<bool, NetlinkError> {
        let body = set_body(set, set::TABLE, set::NAME);
        let operation = || format!("look for {set}");
        let found = self
            .socket
            .get(&operation, message(NFT_MSG_GETSET), &body, |_| Ok(Some(())));
        Ok(NetlinkError::none_if_not_found(found)?.is_some())
    }

    /// A chain by name; `None` if it, or its table, does not exist.
    pub fn chain(&self, chain: Chain<'_>) -> Result<Option<ListedChain>, NetlinkError> {
        let mut body = request(chain.table.family.number());
        body.text(chain::TABLE, chain.table.name)
            .text(chain::NAME, chain.name);
        let operation = || format!("look for {chain}");
        NetlinkError::none_if_not_found(self.socket.get(
            &operation,
            message(NFT_MSG_GETCHAIN),
            &body,
            parse_chain,
        ))
    }

    /// The chains of a table, without their rules; none if the table does not exist.
    pub fn chains(&self, table: Table<'_>) -> Result<Vec<ListedChain>, NetlinkError> {
        let mut body = request(table.family.number());
        // Newer kernels dump the table's chains only, older ones the family's.
        body.text(chain::TABLE, table.name);
        let operation = || format!("list the chains of {table}");
        let kind = message(NFT_MSG_GETCHAIN);
        let listed = self.socket.dump(&operation, kind, &body, |payload| {
            Ok(parse_chain(payload)?.filter(|chain| chain.table == table.name))
        });
        Ok(NetlinkError::none_if_not_found(listed)?.unwrap_or_default())
    }

    /// The rules of a chain, in order; none if the chain does not exist.
    pub fn rules(&self, chain: Chain<'_>) -> Result<Vec<ListedRule>, NetlinkError> {
        self.list_rules(chain, |_| true)
    }

    /// Those rules of a chain whose comment is wanted, in order. Of a long chain this is several
    /// times faster than reading all rules and filtering them afterwards.
    pub fn rules_with_comment(
        &self,
        chain: Chain<'_>,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<ListedRule>, NetlinkError> {
        self.list_rules(chain, |comment| comment.is_some_and(&wanted))
    }

    fn list_rules(
        &self,
        chain: Chain<'_>,
        wanted: impl Fn(Option<&str>) -> bool,
    ) -> Result<Vec<ListedRule>, NetlinkError> {
        let mut body = request(chain.table.family.number());
        body.text(rule::TABLE, chain.table.name)
            .text(rule::CHAIN, chain.name);
        let operation = || format!("list the rules of {chain}");
        let kind = message(NFT_MSG_GETRULE);
        let listed = self.socket.dump(&operation, kind, &body, |payload| {
            ListedRule::parse(payload, &wanted)
        });
        Ok(NetlinkError::none_if_not_found(listed)?.unwrap_or_default())
    }

    /// All elements of a set or map; none if it does not exist.
    pub fn elements(&self, set: Set<'_>) -> Result<Vec<Element>, NetlinkError> {
        let body = set_body(set, element::TABLE, element::SET);
        let operation = || format!("list the elements of {set}");
        let kind = message(NFT_MSG_GETSETELEM);
        let listed = self.socket.dump(&operation, kind, &body, |payload| {
            parse_elements(payload).map(Some)
        });
        Ok(NetlinkError::none_if_not_found(listed)?
            .unwrap_or_default()
            .concat())
    }

    /// The element that has the key of `wanted`, looked up by the kernel; `None` if it, or the set,
    /// does not exist.
    pub fn element(&self, set: Set<'_>, wanted: &Element) -> Result<Option<Element>, NetlinkError> {
        let mut body = set_body(set, element::TABLE, element::SET);
        body.nested(element::ELEMENTS, |list| wanted.append_to(list, true));
        let operation = || format!("look for an element of {set}");
        let kind = message(NFT_MSG_GETSETELEM);
        NetlinkError::none_if_not_found(self.socket.get(&operation, kind, &body, |payload| {
            Ok(parse_elements(payload)?.into_iter().next())
        }))
    }
}

fn parse_chain(payload: &[u8]) -> Parsed<ListedChain> {
    ListedChain::parse(&attributes(payload))
        .map(Some)
        .ok_or(Malformed)
}

fn parse_elements(payload: &[u8]) -> Result<Vec<Element>, Malformed> {
    attributes(payload)
        .filter(|attribute| attribute.kind == element::ELEMENTS)
        .flat_map(|list| list.nested())
        .map(|one| Element::parse(one.nested()).ok_or(Malformed))
        .collect()
}
