//! Rules of iptables as `nf_tables` holds them, whoever wrote them.
//!
//! iptables' tools write a comment as a match inside the rule, `nft` and this crate beside it. The
//! tools count packets, and some writers leave out zero bytes at the end of names and structures.

use std::borrow::Cow;

use crate::nft::{Expression, ListedRule, Rule};

/// The match that carries a comment; its data are 256 bytes of text.
const COMMENT: &str = "comment";

/// The comment on a rule, inside it or beside it.
pub fn comment(held: &ListedRule) -> Option<Cow<'_, str>> {
    let inside = held.expressions.iter().find_map(|one| match one {
        Expression::Match { name, data, .. } if name == COMMENT => {
            let text = data.split(|byte| *byte == 0).next()?;
            Some(String::from_utf8_lossy(text))
        }
        _ => None,
    });
    inside.or_else(|| held.comment.as_deref().map(Cow::Borrowed))
}

/// Whether a rule matches the same packets as `rule` and has the same verdict. Comments and
/// counters do not matter.
pub fn decides_as(held: &ListedRule, rule: &Rule) -> bool {
    let (ours, theirs) = (rule.expressions(), &held.expressions);
    deciding(ours).count() == deciding(theirs).count()
        && deciding(ours)
            .zip(deciding(theirs))
            .all(|(one, other)| is_same(one, other))
}

/// The expressions other than counters and comments.
fn deciding(expressions: &[Expression]) -> impl Iterator<Item = &Expression> {
    expressions.iter().filter(|one| match one {
        Expression::Counter { .. } => false,
        Expression::Match { name, .. } => name != COMMENT,
        _ => true,
    })
}

fn is_same(one: &Expression, other: &Expression) -> bool {
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

/// The bytes without the zeros at their end.
fn trimmed(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().rev().take_while(|byte| **byte == 0).count();
    bytes.get(..bytes.len() - zeros).unwrap_or(bytes)
}
