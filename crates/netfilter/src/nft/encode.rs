//! Encoding of expressions.

use super::expression::{Expression, Nat, SetReference, Verdict};
use super::register::Register;
use ferrule_kernel::netlink::AttributeWriter;

/// `NFTA_LIST_ELEM`, `NFTA_EXPR_NAME`, `NFTA_EXPR_DATA`.
const ELEMENT: u16 = 1;
const NAME: u16 = 1;
const DATA: u16 = 2;

/// `NFTA_DATA_VALUE` and `NFTA_DATA_VERDICT` with its `NFTA_VERDICT_CODE` and `_CHAIN`.
const VALUE: u16 = 1;
const VERDICT: u16 = 2;
const VERDICT_CODE: u16 = 1;
const VERDICT_CHAIN: u16 = 2;

/// The pattern from which the kernel generates the name of an anonymous set.
pub(crate) const ANONYMOUS_NAME: &str = "__set%d";

/// `NFT_LOOKUP_F_INV`.
const LOOKUP_NEGATED: u32 = 1;

/// `NF_NAT_RANGE_PROTO_SPECIFIED`; the flag for addresses the kernel adds itself.
const NAT_PORT: u32 = 2;

/// Appends expressions to an attribute that is a list of them.
pub(crate) fn append_all(list: &mut AttributeWriter, expressions: &[Expression]) {
    for expression in expressions {
        list.nested(ELEMENT, |element| {
            element.text(NAME, name(expression));
            element.nested(DATA, |data| fill(data, expression));
        });
    }
}

/// Appends a constant.
pub(crate) fn append_value(body: &mut AttributeWriter, kind: u16, value: &[u8]) {
    body.nested(kind, |data| {
        data.bytes(VALUE, value);
    });
}

/// Appends a verdict where data is expected.
pub(crate) fn append_verdict(body: &mut AttributeWriter, kind: u16, verdict: &Verdict) {
    let (code, chain) = verdict.parts();
    body.nested(kind, |data| {
        data.nested(VERDICT, |parts| {
            parts.bytes(VERDICT_CODE, &code.to_be_bytes());
            if let Some(chain) = chain {
                parts.text(VERDICT_CHAIN, chain);
            }
        });
    });
}

fn name(expression: &Expression) -> &str {
    match expression {
        Expression::Meta { .. } => "meta",
        Expression::Payload { .. } => "payload",
        Expression::Cmp { .. } => "cmp",
        Expression::Bitwise { .. } => "bitwise",
        Expression::Lookup { .. } => "lookup",
        Expression::Immediate { .. } | Expression::Verdict(_) => "immediate",
        Expression::Nat { .. } => "nat",
        Expression::Masquerade => "masq",
        Expression::Conntrack { .. } => "ct",
        Expression::Fib { .. } => "fib",
        Expression::Counter { .. } => "counter",
        Expression::Match { .. } => "match",
        Expression::Target { .. } => "target",
        Expression::Other { name } => name,
    }
}

/// Writes the attributes of one expression, whose numbers are commented by the enum of
/// `linux/netfilter/nf_tables.h` they are from.
fn fill(data: &mut AttributeWriter, expression: &Expression) {
    match expression {
        // nft_meta_attributes: DREG, KEY, SREG
        Expression::Meta { key, to } => {
            data.be_u32(2, key.number()).be_u32(1, to.number());
        }
        // nft_payload_attributes: DREG, BASE, OFFSET, LEN
        Expression::Payload {
            base,
            offset,
            length,
            to,
        } => {
            data.be_u32(1, to.number()).be_u32(2, base.number());
            data.be_u32(3, *offset).be_u32(4, *length);
        }
        // nft_cmp_attributes: SREG, OP, DATA
        Expression::Cmp { from, op, with } => {
            data.be_u32(1, from.number()).be_u32(2, op.number());
            append_value(data, 3, with);
        }
        // nft_bitwise_attributes: SREG, DREG, LEN, MASK, XOR
        Expression::Bitwise {
            from,
            to,
            mask,
            xor,
        } => {
            data.be_u32(1, from.number()).be_u32(2, to.number());
            data.be_u32(3, u32::try_from(mask.len()).unwrap_or(u32::MAX));
            append_value(data, 4, mask);
            append_value(data, 5, xor);
        }
        Expression::Lookup {
            set,
            key,
            negated,
            value,
        } => {
            fill_lookup(data, set, *key, *negated, *value);
        }
        // nft_immediate_attributes: DREG, DATA
        Expression::Immediate { to, value } => {
            data.be_u32(1, to.number());
            append_value(data, 2, value);
        }
        Expression::Verdict(verdict) => {
            data.be_u32(1, Register::VERDICT.number());
            append_verdict(data, 2, verdict);
        }
        Expression::Nat {
            kind,
            family,
            address,
            port,
        } => {
            fill_nat(data, *kind, family.number(), *address, *port);
        }
        // nft_ct_attributes: DREG, KEY, DIRECTION, SREG
        Expression::Conntrack { key, to } => {
            data.be_u32(2, key.number()).be_u32(1, to.number());
        }
        // nft_fib_attributes: DREG, RESULT, FLAGS
        Expression::Fib { flags, result, to } => {
            data.be_u32(3, *flags)
                .be_u32(2, *result)
                .be_u32(1, to.number());
        }
        // nft_counter_attributes: BYTES, PACKETS
        Expression::Counter { packets, bytes } => {
            data.be_u64(1, *bytes).be_u64(2, *packets);
        }
        // nft_match_attributes: NAME, REV, INFO
        // nft_target_attributes: the same
        Expression::Match {
            name,
            revision,
            data: structure,
        }
        | Expression::Target {
            name,
            revision,
            data: structure,
        } => {
            data.text(1, name).be_u32(2, *revision).bytes(3, structure);
        }
        Expression::Masquerade | Expression::Other { .. } => {}
    }
}

/// `nft_lookup_attributes`: SET, SREG, DREG, `SET_ID`, FLAGS.
fn fill_lookup(
    data: &mut AttributeWriter,
    set: &SetReference,
    key: Register,
    negated: bool,
    value: Option<Register>,
) {
    data.be_u32(2, key.number());
    if let Some(value) = value {
        data.be_u32(3, value.number());
    }
    match set {
        SetReference::Named(name) => data.text(1, name),
        SetReference::Anonymous(number) => data.text(1, ANONYMOUS_NAME).be_u32(4, *number),
    };
    if negated {
        data.be_u32(5, LOOKUP_NEGATED);
    }
}

/// `nft_nat_attributes`: TYPE, FAMILY, `REG_ADDR_MIN`, `REG_ADDR_MAX`, `REG_PROTO_MIN`,
/// `REG_PROTO_MAX`, FLAGS.
fn fill_nat(
    data: &mut AttributeWriter,
    kind: Nat,
    family: u8,
    address: Option<Register>,
    port: Option<Register>,
) {
    data.be_u32(1, kind.number()).be_u32(2, u32::from(family));
    if let Some(address) = address {
        data.be_u32(3, address.number());
    }
    if let Some(port) = port {
        data.be_u32(5, port.number()).be_u32(7, NAT_PORT);
    }
}
