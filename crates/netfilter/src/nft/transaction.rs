//! Transactions: changes that take effect together or not at all.

use netlink_packet_core::Emitable;
use nix::libc::{
    NFT_MSG_DELCHAIN, NFT_MSG_DELRULE, NFT_MSG_DELSETELEM, NFT_MSG_NEWCHAIN, NFT_MSG_NEWRULE,
    NFT_MSG_NEWSET, NFT_MSG_NEWSETELEM, NFT_MSG_NEWTABLE, NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL,
    NLM_F_REQUEST,
};

use super::chain::ChainLayout;
use super::comment::{self, COMMENT, CommentError};
use super::constants::{chain, element, message, rule, set, table};
use super::element::Element;
use super::encode::{self, ANONYMOUS_NAME};
use super::expression::SetReference;
use super::object::{Chain, Set, Table};
use super::rule::Rule;
use super::set::SetLayout;
use crate::nfnetlink::request;
use ferrule_kernel::netlink::{AttributeWriter, append_request, flag};

/// Elements travel in attributes of at most 64 KiB, which are filled up to this many bytes.
const ELEMENT_BYTES: usize = 32 * 1024;

/// Changes to rulesets, in order. [`Nft::commit`](super::Nft::commit) carries them out as one:
/// no packet sees half of them, and if one fails none takes effect.
///
/// *Adding* accepts that a table, chain, set or element exists already, provided it is the same;
/// *creating* an element fails then. Rules have no identity and are always new.
#[derive(Debug, Default)]
pub struct Transaction {
    pub(super) requests: Vec<Request>,
    pub(super) fault: Option<(String, CommentError)>,
    sets: u32,
    deletes: bool,
}

/// One message of a transaction.
#[derive(Debug)]
pub(super) struct Request {
    /// What it does, for errors.
    pub(super) operation: String,
    /// The whole netlink message without its sequence number.
    pub(super) bytes: Vec<u8>,
}

/// An object that exists already is no error, provided it is the same.
const ADD: u16 = flag(NLM_F_CREATE);

/// An object that exists already is an error.
const CREATE: u16 = flag(NLM_F_CREATE) | flag(NLM_F_EXCL);

impl Transaction {
    /// No changes yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Whether something is deleted, so that the kernel has to free it afterwards.
    pub(super) fn deletes(&self) -> bool {
        self.deletes
    }

    /// Adds a table. The comment counts only if the table is new.
    pub fn add_table(&mut self, table: Table<'_>, comment: Option<&str>) -> &mut Self {
        let operation = format!("add {table}");
        let mut body = request(table.family.number());
        body.text(table::NAME, table.name).be_u32(table::FLAGS, 0);
        if let Some(comment) = comment {
            self.check_comment(&operation, comment);
            body.bytes(table::USER_DATA, &comment::user_data(COMMENT, comment));
        }
        self.request(operation, NFT_MSG_NEWTABLE, ADD, &body)
    }

    /// Adds a chain. If it exists, type, hook and priority must be the same.
    pub fn add_chain(&mut self, chain: Chain<'_>, layout: &ChainLayout<'_>) -> &mut Self {
        let operation = format!("add {chain}");
        let mut body = chain_body(chain, chain::TABLE, chain::NAME);
        if let Some(comment) = layout.comment {
            self.check_comment(&operation, comment);
        }
        layout.append_to(&mut body);
        self.request(operation, NFT_MSG_NEWCHAIN, ADD, &body)
    }

    /// Deletes a chain with its rules. No other rule may jump to it.
    pub fn delete_chain(&mut self, chain: Chain<'_>) -> &mut Self {
        let body = chain_body(chain, chain::TABLE, chain::NAME);
        // Kernels before 5.x refuse to delete a chain that has rules.
        self.flush_chain(chain);
        self.request(format!("delete {chain}"), NFT_MSG_DELCHAIN, 0, &body)
    }

    /// Deletes all rules of a chain.
    pub fn flush_chain(&mut self, chain: Chain<'_>) -> &mut Self {
        let body = chain_body(chain, rule::TABLE, rule::CHAIN);
        self.request(format!("flush {chain}"), NFT_MSG_DELRULE, 0, &body)
    }

    /// Appends a rule.
    pub fn append_rule(&mut self, chain: Chain<'_>, rule: &Rule) -> &mut Self {
        let flags = flag(NLM_F_CREATE) | flag(NLM_F_APPEND);
        self.rule("append rule to", chain, rule, flags, None)
    }

    /// Inserts a rule before all others.
    pub fn insert_rule(&mut self, chain: Chain<'_>, rule: &Rule) -> &mut Self {
        self.rule("insert rule into", chain, rule, flag(NLM_F_CREATE), None)
    }

    /// Appends a rule after the one with a handle.
    pub fn append_rule_behind(&mut self, chain: Chain<'_>, handle: u64, rule: &Rule) -> &mut Self {
        let flags = flag(NLM_F_CREATE) | flag(NLM_F_APPEND);
        self.rule(
            "append rule to",
            chain,
            rule,
            flags,
            Some((rule::POSITION, handle)),
        )
    }

    /// Inserts a rule before the one with a handle.
    pub fn insert_rule_before(&mut self, chain: Chain<'_>, handle: u64, rule: &Rule) -> &mut Self {
        let position = Some((rule::POSITION, handle));
        self.rule(
            "insert rule into",
            chain,
            rule,
            flag(NLM_F_CREATE),
            position,
        )
    }

    /// Deletes the rule with a handle.
    pub fn delete_rule(&mut self, chain: Chain<'_>, handle: u64) -> &mut Self {
        let mut body = chain_body(chain, rule::TABLE, rule::CHAIN);
        body.be_u64(rule::HANDLE, handle);
        self.request(
            format!("delete rule {handle} of {chain}"),
            NFT_MSG_DELRULE,
            0,
            &body,
        )
    }

    /// Adds a set or map.
    pub fn add_set(&mut self, set: Set<'_>, layout: &SetLayout<'_>) -> &mut Self {
        self.set(set, layout, false)
    }

    /// Creates an anonymous set for the rule that is appended next and looks keys up in it.
    pub fn anonymous_set(
        &mut self,
        table: Table<'_>,
        layout: &SetLayout<'_>,
        elements: &[Element],
    ) -> SetReference {
        let set = table.set(ANONYMOUS_NAME);
        let number = self.sets + 1;
        self.set(set, layout, true);
        self.elements("add elements to", NFT_MSG_NEWSETELEM, ADD, set, elements);
        SetReference::Anonymous(number)
    }

    /// Adds elements. An existing key with the same data stays as it is, comment included; with other
    /// data it fails the transaction.
    pub fn add_elements(&mut self, set: Set<'_>, elements: &[Element]) -> &mut Self {
        self.elements("add elements to", NFT_MSG_NEWSETELEM, ADD, set, elements)
    }

    /// Creates elements: fails if a key exists.
    pub fn create_elements(&mut self, set: Set<'_>, elements: &[Element]) -> &mut Self {
        self.elements(
            "create elements of",
            NFT_MSG_NEWSETELEM,
            CREATE,
            set,
            elements,
        )
    }

    /// Deletes elements by their keys; fails if one does not exist.
    pub fn delete_elements(&mut self, set: Set<'_>, elements: &[Element]) -> &mut Self {
        self.elements("delete elements of", NFT_MSG_DELSETELEM, 0, set, elements)
    }

    fn rule(
        &mut self,
        verb: &str,
        chain: Chain<'_>,
        rule: &Rule,
        flags: u16,
        position: Option<(u16, u64)>,
    ) -> &mut Self {
        let operation = match rule.comment() {
            Some(comment) => format!("{verb} {chain} with comment {comment:?}"),
            None => format!("{verb} {chain}"),
        };
        let mut body = chain_body(chain, rule::TABLE, rule::CHAIN);
        if let Some((attribute, handle)) = position {
            body.be_u64(attribute, handle);
        }
        body.nested(rule::EXPRESSIONS, |list| {
            encode::append_all(list, rule.expressions());
        });
        self.check_texts(&operation, rule.comment(), rule.note());
        let data = comment::user_data_of_both(rule.comment(), rule.note());
        if !data.is_empty() {
            body.bytes(rule::USER_DATA, &data);
        }
        self.request(operation, NFT_MSG_NEWRULE, flags, &body)
    }

    fn set(&mut self, set: Set<'_>, layout: &SetLayout<'_>, is_anonymous: bool) -> &mut Self {
        let operation = format!("add {set}");
        if let Some(comment) = layout.comment {
            self.check_comment(&operation, comment);
        }
        self.sets += 1;
        let mut body = set_body(set, set::TABLE, set::NAME);
        layout.append_to(&mut body, self.sets, is_anonymous);
        self.request(operation, NFT_MSG_NEWSET, ADD, &body)
    }

    fn elements(
        &mut self,
        verb: &str,
        kind: i32,
        flags: u16,
        set: Set<'_>,
        elements: &[Element],
    ) -> &mut Self {
        let operation = format!("{verb} {set}");
        let delete = kind == NFT_MSG_DELSETELEM;
        for element in elements {
            self.check_texts(
                &operation,
                element.comment.as_deref(),
                element.note.as_deref(),
            );
        }
        let mut waiting = elements.iter().peekable();
        while waiting.peek().is_some() {
            let mut body = set_body(set, element::TABLE, element::SET);
            if set.name == ANONYMOUS_NAME {
                body.be_u32(element::SET_ID, self.sets);
            }
            body.nested(element::ELEMENTS, |list| {
                while list.len() < ELEMENT_BYTES
                    && let Some(element) = waiting.next()
                {
                    element.append_to(list, delete);
                }
            });
            self.request(operation.clone(), kind, flags, &body);
        }
        self
    }

    fn check_comment(&mut self, operation: &str, text: &str) {
        self.check_texts(operation, Some(text), None);
    }

    /// Remembers the first comment that the kernel would take but other tools would not.
    fn check_texts(&mut self, operation: &str, comment: Option<&str>, note: Option<&str>) {
        if let (Err(fault), None) = (comment::check_both(comment, note), &self.fault) {
            self.fault = Some((operation.to_owned(), fault));
        }
    }

    fn request(
        &mut self,
        operation: String,
        kind: i32,
        flags: u16,
        body: &impl Emitable,
    ) -> &mut Self {
        let mut bytes = Vec::new();
        append_request(&mut bytes, message(kind), flag(NLM_F_REQUEST) | flags, body);
        self.deletes |= [NFT_MSG_DELCHAIN, NFT_MSG_DELRULE, NFT_MSG_DELSETELEM].contains(&kind);
        self.requests.push(Request { operation, bytes });
        self
    }
}

/// A body that begins with the names of a chain and its table.
fn chain_body(chain: Chain<'_>, table_kind: u16, chain_kind: u16) -> AttributeWriter {
    let mut body = request(chain.table.family.number());
    body.text(table_kind, chain.table.name)
        .text(chain_kind, chain.name);
    body
}

/// A body that begins with the names of a set and its table.
pub(super) fn set_body(set: Set<'_>, table_kind: u16, set_kind: u16) -> AttributeWriter {
    let mut body = request(set.table.family.number());
    body.text(table_kind, set.table.name)
        .text(set_kind, set.name);
    body
}
