//! Expressions as the kernel dumps them.
//!
//! An expression that cannot be read becomes [`Expression::Other`]: a rule of another program, or of a
//! newer kernel, must not make a chain unreadable.

use super::expression::{Base, CmpOp, Conntrack, Expression, Meta, Nat, SetReference, Verdict};
use super::object::Family;
use super::register::Register;
use ferrule_kernel::netlink::Attributes;

const ELEMENT: u16 = 1;
const NAME: u16 = 1;
const DATA: u16 = 2;

const VALUE: u16 = 1;
const VERDICT: u16 = 2;
const VERDICT_CODE: u16 = 1;
const VERDICT_CHAIN: u16 = 2;

const LOOKUP_NEGATED: u32 = 1;

/// The prefix of the names that the kernel generates for anonymous sets.
const ANONYMOUS_PREFIX: &str = "__set";

/// Data of an immediate, an element or a op.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Data {
    Value(Vec<u8>),
    Verdict(Verdict),
}

/// Reads a list of expressions.
pub(crate) fn expressions(list: Attributes<'_>) -> Vec<Expression> {
    list.filter(|attribute| attribute.kind == ELEMENT)
        .map(|element| expression(&element.nested()))
        .collect()
}

/// Reads data.
pub(crate) fn data(data: &Attributes<'_>) -> Option<Data> {
    if let Some(value) = data.get(VALUE) {
        return Some(Data::Value(value.value.to_vec()));
    }
    let verdict = data.nested(VERDICT)?;
    Some(Data::Verdict(Verdict::from_parts(
        verdict.be_i32(VERDICT_CODE)?,
        verdict.text(VERDICT_CHAIN),
    )))
}

fn expression(element: &Attributes<'_>) -> Expression {
    let name = element.text(NAME).unwrap_or_default();
    let data = element.nested(DATA).unwrap_or_default();
    read(&data, &name).unwrap_or(Expression::Other { name })
}

fn register(data: &Attributes<'_>, kind: u16) -> Option<Register> {
    data.be_u32(kind).map(Register::from_number)
}

fn value(data: &Attributes<'_>, kind: u16) -> Option<Vec<u8>> {
    match self::data(&data.nested(kind)?)? {
        Data::Value(value) => Some(value),
        Data::Verdict(_) => None,
    }
}

/// Reads the expression of a name; attribute numbers as in `encode.rs`.
fn read(data: &Attributes<'_>, name: &str) -> Option<Expression> {
    Some(match name {
        "meta" => Expression::Meta {
            key: Meta::from_number(data.be_u32(2)?),
            to: register(data, 1)?,
        },
        // With a direction (attribute 3) it is another expression.
        "ct" if data.get(3).is_none() => Expression::Conntrack {
            key: Conntrack::from_number(data.be_u32(2)?),
            to: register(data, 1)?,
        },
        "payload" => Expression::Payload {
            to: register(data, 1)?,
            base: Base::from_number(data.be_u32(2)?),
            offset: data.be_u32(3)?,
            length: data.be_u32(4)?,
        },
        "cmp" => Expression::Cmp {
            from: register(data, 1)?,
            op: CmpOp::from_number(data.be_u32(2)?),
            with: value(data, 3)?,
        },
        "bitwise" => Expression::Bitwise {
            from: register(data, 1)?,
            to: register(data, 2)?,
            mask: value(data, 4)?,
            xor: value(data, 5)?,
        },
        "lookup" => lookup(data)?,
        "immediate" => match self::data(&data.nested(2)?)? {
            Data::Value(value) => Expression::Immediate {
                to: register(data, 1)?,
                value,
            },
            Data::Verdict(verdict) => Expression::Verdict(verdict),
        },
        "nat" => Expression::Nat {
            kind: Nat::from_number(data.be_u32(1)?)?,
            family: Family::from_number(u8::try_from(data.be_u32(2)?).ok()?)?,
            address: register(data, 3),
            port: register(data, 5),
        },
        // Flags and ports of a masquerade would make it another one.
        "masq" if data.clone().next().is_none() => Expression::Masquerade,
        "fib" => Expression::Fib {
            to: register(data, 1)?,
            result: data.be_u32(2)?,
            flags: data.be_u32(3)?,
        },
        "counter" => Expression::Counter {
            bytes: data.be_u64(1).unwrap_or(0),
            packets: data.be_u64(2).unwrap_or(0),
        },
        "match" => Expression::Match {
            name: data.text(1)?,
            revision: data.be_u32(2)?,
            data: data.get(3)?.value.to_vec(),
        },
        "target" => Expression::Target {
            name: data.text(1)?,
            revision: data.be_u32(2)?,
            data: data.get(3)?.value.to_vec(),
        },
        _ => return None,
    })
}

fn lookup(data: &Attributes<'_>) -> Option<Expression> {
    let name = data.text(1)?;
    Some(Expression::Lookup {
        set: if name.starts_with(ANONYMOUS_PREFIX) {
            SetReference::Anonymous(0)
        } else {
            SetReference::Named(name)
        },
        key: register(data, 2)?,
        value: register(data, 3),
        negated: data.be_u32(5).unwrap_or(0) & LOOKUP_NEGATED != 0,
    })
}
