//! Rules and elements in the words of the `nft` tool, for people: complete for what this crate knows,
//! by its name for everything else.

#[cfg(test)]
mod tests;
mod value;

use std::fmt::{self, Write as _};

use super::dump::ListedRule;
use super::element::Element;
use super::expression::{Base, CmpOp, Conntrack, Expression, Meta, Nat, SetReference, Verdict};
use super::field::DataType;
use super::register::Register;
use value::{Kind, bits, hex, prefix, value_text, values};

/// Fields that have names: base, first byte, number of bytes.
const PAYLOAD: [(Base, u32, u32, &str, Kind); 11] = [
    (Base::Network, 12, 4, "ip saddr", Kind::Address),
    (Base::Network, 16, 4, "ip daddr", Kind::Address),
    (Base::Network, 8, 16, "ip6 saddr", Kind::Address),
    (Base::Network, 24, 16, "ip6 daddr", Kind::Address),
    (Base::Network, 9, 1, "ip protocol", Kind::Transport),
    (Base::Network, 6, 1, "ip6 nexthdr", Kind::Transport),
    (Base::Transport, 0, 2, "th sport", Kind::Number),
    (Base::Transport, 2, 2, "th dport", Kind::Number),
    (Base::Link, 0, 6, "ether daddr", Kind::Mac),
    (Base::Link, 6, 6, "ether saddr", Kind::Mac),
    (Base::Link, 12, 2, "ether type", Kind::Bytes),
];

/// Names of bits of `enum ip_conntrack_info` and `ip_conntrack_status`.
const STATES: [(u32, &str); 5] = [
    (1, "invalid"),
    (2, "established"),
    (4, "related"),
    (8, "new"),
    (64, "untracked"),
];
const STATUSES: [(u32, &str); 4] = [
    (2, "seen-reply"),
    (4, "assured"),
    (16, "snat"),
    (32, "dnat"),
];

/// What a register holds.
#[derive(Debug, Clone)]
struct Loaded {
    at: Register,
    /// The field; of a constant its value.
    text: String,
    kind: Kind,
    /// Bytes that the whole field has; 0 if they are unknown.
    width: usize,
    mask: Option<Vec<u8>>,
}

impl fmt::Display for ListedRule {
    /// As `nft list ruleset` prints it, with the comment at its end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut reader = Reader::default();
        for expression in &self.expressions {
            reader.read(expression);
        }
        f.write_str(&reader.words.join(" "))?;
        match &self.comment {
            Some(comment) => write!(f, " comment {comment:?}"),
            None => Ok(()),
        }
    }
}

impl ListedRule {
    /// The chains that it calls or continues in.
    pub fn targets(&self) -> impl Iterator<Item = &str> {
        self.expressions.iter().filter_map(|one| match one {
            Expression::Verdict(Verdict::Jump(chain) | Verdict::Goto(chain)) => {
                Some(chain.as_str())
            }
            _ => None,
        })
    }
}

impl Element {
    /// Its key, data and comment, given the types of the key's and the data's parts; `None` for a type
    /// that this crate does not know.
    pub fn describe(&self, key: &[Option<DataType>], data: &[Option<DataType>]) -> String {
        let mut text = values(&self.key, key);
        if let Some(last) = self.last.as_ref().filter(|last| **last != self.key) {
            let _ = write!(text, "-{}", values(last, key));
        }
        if let Some(found) = &self.data {
            let _ = write!(text, " : {}", values(found, data));
        }
        if let Some(comment) = &self.comment {
            let _ = write!(text, " comment {comment:?}");
        }
        text
    }
}

/// Reads the expressions of a rule one after the other.
#[derive(Default)]
struct Reader {
    words: Vec<String>,
    registers: Vec<Loaded>,
}

impl Reader {
    fn read(&mut self, expression: &Expression) {
        match expression {
            Expression::Meta { key, to } => {
                let (text, kind) = meta(*key);
                self.load(*to, text, kind, 0);
            }
            Expression::Payload {
                base,
                offset,
                length,
                to,
            } => {
                let (text, kind, width) = payload(*base, *offset, *length);
                self.load(*to, text, kind, width);
            }
            Expression::Conntrack { key, to } => {
                let (text, kind) = conntrack(*key);
                self.load(*to, text, kind, 0);
            }
            Expression::Fib { flags, result, to } => {
                let (text, kind) = fib(*flags, *result);
                self.load(*to, text, kind, 0);
            }
            Expression::Immediate { to, value } => {
                let kind = match value.len() {
                    2 => Kind::Number,
                    4 | 16 => Kind::Address,
                    _ => Kind::Bytes,
                };
                self.load(*to, value_text(kind, value), kind, 0);
            }
            Expression::Bitwise {
                from,
                to,
                mask,
                xor,
            } => self.bitwise(*from, *to, mask, xor),
            Expression::Cmp { from, op, with } => self.cmp(*from, *op, with),
            Expression::Lookup {
                set,
                key,
                negated,
                value,
            } => self.lookup(set, *key, *negated, *value),
            Expression::Verdict(verdict) => self.words.push(verdict.to_string()),
            Expression::Nat {
                kind,
                family,
                address,
                port,
            } => {
                let kind = match kind {
                    Nat::Source => "snat",
                    Nat::Destination => "dnat",
                };
                let address = address.map(|at| self.text_of(at)).unwrap_or_default();
                let text = match port.map(|at| self.text_of(at)) {
                    Some(port) if address.contains("::") => format!("[{address}]:{port}"),
                    Some(port) if port != address => format!("{address}:{port}"),
                    _ => address,
                };
                self.words.push(format!("{kind} {family} to {text}"));
            }
            Expression::Masquerade => self.words.push("masquerade".to_owned()),
            Expression::Counter { packets, bytes } => {
                self.words
                    .push(format!("counter packets {packets} bytes {bytes}"));
            }
            Expression::Match { name, .. } => self.words.push(format!("xt match {name}")),
            Expression::Target { name, .. } => self.words.push(format!("xt target {name}")),
            Expression::Other { name } => self.words.push(name.clone()),
        }
    }

    fn load(&mut self, at: Register, text: String, kind: Kind, width: usize) {
        self.registers.retain(|loaded| loaded.at != at);
        self.registers.push(Loaded {
            at,
            text,
            kind,
            width,
            mask: None,
        });
    }

    fn loaded(&self, at: Register) -> Option<&Loaded> {
        self.registers.iter().find(|loaded| loaded.at == at)
    }

    fn text_of(&self, at: Register) -> String {
        self.loaded(at)
            .map(|loaded| loaded.text.clone())
            .unwrap_or_default()
    }

    fn bitwise(&mut self, from: Register, to: Register, mask: &[u8], xor: &[u8]) {
        let Some(mut loaded) = self.loaded(from).cloned() else {
            return;
        };
        self.registers.retain(|other| other.at != to);
        loaded.at = to;
        if xor.iter().any(|byte| *byte != 0) {
            loaded.text = format!("({} & {} ^ {})", loaded.text, hex(mask), hex(xor));
        } else {
            loaded.mask = Some(mask.to_vec());
        }
        self.registers.push(loaded);
    }

    fn cmp(&mut self, from: Register, op: CmpOp, with: &[u8]) {
        let sign = match op {
            CmpOp::Equal => "",
            CmpOp::Different => "!= ",
            CmpOp::Other(2) => "< ",
            CmpOp::Other(3) => "<= ",
            CmpOp::Other(4) => "> ",
            CmpOp::Other(_) => ">= ",
        };
        let Some(loaded) = self.loaded(from) else {
            return;
        };
        let text = match (&loaded.mask, loaded.kind) {
            (Some(mask), Kind::Bits(names)) if with.iter().all(|byte| *byte == 0) => {
                let sign = if op == CmpOp::Different { "" } else { "! " };
                format!("{} {sign}{}", loaded.text, bits(names, mask))
            }
            (Some(mask), Kind::Address) if let Some(prefix) = prefix(mask) => {
                format!(
                    "{} {sign}{}/{prefix}",
                    loaded.text,
                    value_text(Kind::Address, with)
                )
            }
            (Some(mask), kind) => {
                let (mask, value) = (value_text(Kind::HostNumber, mask), value_text(kind, with));
                let sign = if sign.is_empty() { "== " } else { sign };
                format!("{} & {mask} {sign}{value}", loaded.text)
            }
            // The tool compares the first bytes alone where a prefix ends between bytes.
            (None, Kind::Address) if with.len() < loaded.width => {
                let mut whole = with.to_vec();
                whole.resize(loaded.width, 0);
                let prefix = with.len() * 8;
                format!(
                    "{} {sign}{}/{prefix}",
                    loaded.text,
                    value_text(Kind::Address, &whole)
                )
            }
            (None, kind) => format!("{} {sign}{}", loaded.text, value_text(kind, with)),
        };
        self.words.push(text);
    }

    /// The fields of the key are what was loaded from its register on.
    fn lookup(
        &mut self,
        set: &SetReference,
        key: Register,
        negated: bool,
        value: Option<Register>,
    ) {
        let fields = self.registers.iter().skip_while(|loaded| loaded.at != key);
        let fields: Vec<&str> = fields.map(|loaded| loaded.text.as_str()).collect();
        let fields = fields.join(" . ");
        match value {
            None => {
                let sign = if negated { "!= " } else { "" };
                self.words.push(format!("{fields} {sign}{set}"));
            }
            Some(Register::VERDICT) => self.words.push(format!("{fields} vmap {set}")),
            Some(to) => self.load(to, format!("{fields} map {set}"), Kind::Bytes, 0),
        }
    }
}

fn meta(key: Meta) -> (String, Kind) {
    let (text, kind) = match key {
        Meta::Protocol => ("meta protocol", Kind::Bytes),
        Meta::Mark => ("meta mark", Kind::HostNumber),
        Meta::InInterface => ("iifname", Kind::Interface),
        Meta::OutInterface => ("oifname", Kind::Interface),
        Meta::Family => ("meta nfproto", Kind::Family),
        Meta::Transport => ("meta l4proto", Kind::Transport),
        Meta::Other(number) => return (format!("meta {number}"), Kind::Bytes),
    };
    (text.to_owned(), kind)
}

fn conntrack(key: Conntrack) -> (String, Kind) {
    let (text, kind) = match key {
        Conntrack::State => ("ct state", Kind::Bits(&STATES)),
        Conntrack::Status => ("ct status", Kind::Bits(&STATUSES)),
        Conntrack::Other(number) => return (format!("ct {number}"), Kind::Bytes),
    };
    (text.to_owned(), kind)
}

fn payload(base: Base, offset: u32, length: u32) -> (String, Kind, usize) {
    let is_it = |(of, from, whole, _, kind): &&(Base, u32, u32, &str, Kind)| {
        let begins = *kind == Kind::Address && length < *whole;
        *of == base && *from == offset && (*whole == length || begins)
    };
    // The beginning of an IPv4 address and that of an IPv6 address never begin at one byte.
    if let Some((_, _, whole, name, kind)) = PAYLOAD.iter().find(is_it) {
        return ((*name).to_owned(), *kind, *whole as usize);
    }
    let base = match base {
        Base::Link => "ll".to_owned(),
        Base::Network => "nh".to_owned(),
        Base::Transport => "th".to_owned(),
        Base::Other(number) => number.to_string(),
    };
    (
        format!("@{base},{},{}", offset * 8, length * 8),
        Kind::Bytes,
        0,
    )
}

fn fib(flags: u32, result: u32) -> (String, Kind) {
    const FLAGS: [(u32, &str); 5] = [
        (1, "saddr"),
        (2, "daddr"),
        (4, "mark"),
        (8, "iif"),
        (16, "oif"),
    ];
    let flags = FLAGS.iter().filter(|(bit, _)| flags & bit != 0);
    let flags: Vec<&str> = flags.map(|(_, name)| *name).collect();
    let (result, kind) = match result {
        1 => ("oif", Kind::HostNumber),
        2 => ("oifname", Kind::Interface),
        _ => ("type", Kind::AddressType),
    };
    (format!("fib {} {result}", flags.join(" . ")), kind)
}
