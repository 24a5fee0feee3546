//! Messages as bytes (D-Bus specification, "Message Protocol").

use super::DbusError;
use super::wire::{Reader, Writer};

/// Types of messages.
const METHOD_CALL: u8 = 1;
const METHOD_RETURN: u8 = 2;
const ERROR: u8 = 3;

/// Header fields.
const PATH: u8 = 1;
const INTERFACE: u8 = 2;
const MEMBER: u8 = 3;
const ERROR_NAME: u8 = 4;
const REPLY_SERIAL: u8 = 5;
const DESTINATION: u8 = 6;
const SIGNATURE: u8 = 8;

/// Length of the message before the header fields, in bytes.
pub(super) const PREFIX: usize = 16;
/// Upper bound of a message in bytes. The specification allows 128 MiB; replies to these calls are
/// short.
const LONGEST: usize = 1 << 20;

/// A method call with strings as arguments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    /// The bus name of the callee.
    pub(crate) destination: &'a str,
    /// The object path.
    pub(crate) path: &'a str,
    /// The interface of the method.
    pub(crate) interface: &'a str,
    /// The method.
    pub(crate) method: &'a str,
    /// Its arguments.
    pub(crate) arguments: &'a [&'a str],
}

/// The value of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// No value, or one of a type that this client does not read.
    Other,
    /// A string.
    Text(String),
    /// A boolean.
    Flag(bool),
}

/// A received message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Incoming {
    /// The reply to the call with this serial number.
    Return(u32, Reply),
    /// The error of the call with this serial number: name and text.
    Error(u32, String, String),
    /// Something else, such as a signal.
    Other,
}

impl Call<'_> {
    /// The message with this serial number.
    pub(super) fn encode(&self, serial: u32) -> Vec<u8> {
        let mut body = Writer::default();
        for text in self.arguments {
            body.text(text);
        }
        let mut message = Writer::default();
        let endian = if cfg!(target_endian = "big") {
            b'B'
        } else {
            b'l'
        };
        message.0.extend([endian, METHOD_CALL, 0, 1]);
        message.number(body.0.len());
        message.number(serial as usize);
        message.number(0);
        let start = message.0.len();
        for (field, text) in [
            (PATH, self.path),
            (DESTINATION, self.destination),
            (INTERFACE, self.interface),
            (MEMBER, self.method),
        ] {
            message.align(8);
            let kind = if field == PATH { b'o' } else { b's' };
            message.0.extend([field, 1, kind, 0]);
            message.text(text);
        }
        if !self.arguments.is_empty() {
            message.align(8);
            message.0.extend([SIGNATURE, 1, b'g', 0]);
            message.signature(&"s".repeat(self.arguments.len()));
        }
        let length = u32::try_from(message.0.len() - start).unwrap_or(u32::MAX);
        if let Some(place) = message.0.get_mut(start - 4..start) {
            place.copy_from_slice(&length.to_ne_bytes());
        }
        message.align(8);
        message.0.extend(body.0);
        message.0
    }

    /// Method and arguments, for errors.
    pub(super) fn doing(&self) -> String {
        format!("{} ({})", self.method, self.arguments.join(", "))
    }
}

/// Number of bytes that follow the first [`PREFIX`] ones of a message.
pub(super) fn remaining(prefix: &[u8; PREFIX]) -> Result<usize, &'static str> {
    let mut reader = Reader::new(prefix);
    reader.at = 4;
    let (Some(body), Some(_), Some(fields)) = (reader.number(), reader.number(), reader.number())
    else {
        return Err("the header is cut");
    };
    let length = (fields as usize)
        .checked_next_multiple_of(8)
        .and_then(|fields| fields.checked_add(body as usize));
    length
        .filter(|length| *length <= LONGEST)
        .ok_or("it is too long")
}

/// Reads a whole message.
pub(super) fn decode(message: &[u8]) -> Result<Incoming, &'static str> {
    let mut reader = Reader::new(message);
    let kind = *message.get(1).ok_or("it is empty")?;
    reader.at = PREFIX - 4;
    let fields = reader.number().ok_or("the header is cut")? as usize;
    let end = PREFIX + fields;
    let (mut answers, mut name, mut signature) = (None, String::new(), String::new());
    while reader.at < end {
        reader.align(8);
        let field = reader.byte().ok_or("a header field is cut")?;
        let value_kind = reader.signature().ok_or("a header field is cut")?;
        match value_kind.as_str() {
            "s" | "o" => {
                let text = reader.text().ok_or("a header field is cut")?;
                if field == ERROR_NAME {
                    name = text;
                }
            }
            "g" => {
                let text = reader.signature().ok_or("a header field is cut")?;
                if field == SIGNATURE {
                    signature = text;
                }
            }
            "u" => {
                let number = reader.number().ok_or("a header field is cut")?;
                if field == REPLY_SERIAL {
                    answers = Some(number);
                }
            }
            _ => return Err("a header field is of an unknown type"),
        }
    }
    reader.align(8);
    let Some(answers) = answers else {
        return Ok(Incoming::Other);
    };
    let cut = "the body is cut";
    match kind {
        METHOD_RETURN => {
            let reply = match signature.as_str() {
                "s" => Reply::Text(reader.text().ok_or(cut)?),
                "b" => Reply::Flag(reader.number().ok_or(cut)? != 0),
                _ => Reply::Other,
            };
            Ok(Incoming::Return(answers, reply))
        }
        ERROR => {
            let text = if signature.starts_with('s') {
                reader.text().ok_or(cut)?
            } else {
                String::new()
            };
            Ok(Incoming::Error(answers, name, text))
        }
        _ => Ok(Incoming::Other),
    }
}

impl Incoming {
    /// The outcome of the call with this serial number, if this message is its reply.
    pub(super) fn outcome(self, serial: u32, doing: &str) -> Option<Result<Reply, DbusError>> {
        match self {
            Self::Return(answers, reply) if answers == serial => Some(Ok(reply)),
            Self::Error(answers, name, text) if answers == serial => Some(Err(DbusError::Answer {
                doing: doing.to_owned(),
                name,
                text,
            })),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call<'a>(arguments: &'a [&'a str]) -> Call<'a> {
        Call {
            destination: "a.B",
            path: "/a",
            interface: "a.I",
            method: "m",
            arguments,
        }
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn a_call_is_written_as_the_specification_says() {
        let expected = [
            &b"l\x01\0\x01"[..],
            // The fields end with the last of them, not with the padding behind it.
            &[7, 0, 0, 0, 9, 0, 0, 0, 71, 0, 0, 0],
            b"\x01\x01o\0\x02\0\0\0/a\0\0\0\0\0\0",
            b"\x06\x01s\0\x03\0\0\0a.B\0\0\0\0\0",
            b"\x02\x01s\0\x03\0\0\0a.I\0\0\0\0\0",
            b"\x03\x01s\0\x01\0\0\0m\0\0\0\0\0\0\0",
            b"\x08\x01g\0\x01s\0\0",
            b"\x02\0\0\0xy\0",
        ]
        .concat();
        let message = call(&["xy"]).encode(9);
        assert_eq!(message, expected);
        assert_eq!(call(&["xy", "z"]).doing(), "m (xy, z)");
    }

    /// A message of a kind that answers call 9, with one more field and a body.
    fn answer(kind: u8, field: &[u8], body: &[u8]) -> Vec<u8> {
        let mut message = vec![b'l', kind, 0, 1];
        message.extend(u32::try_from(body.len()).unwrap().to_le_bytes());
        message.extend(1u32.to_le_bytes());
        let length = u32::try_from(8 + field.len()).unwrap();
        message.extend(length.to_le_bytes());
        message.extend(b"\x05\x01u\0\x09\0\0\0");
        message.extend(field);
        message.resize(message.len().next_multiple_of(8), 0);
        message.extend(body);
        message
    }

    #[test]
    fn answers_are_read() {
        let text = answer(METHOD_RETURN, b"\x08\x01g\0\x01s\0", b"\x02\0\0\0xy\0");
        assert_eq!(
            decode(&text),
            Ok(Incoming::Return(9, Reply::Text("xy".into())))
        );
        let flag = answer(METHOD_RETURN, b"\x08\x01g\0\x01b\0", &[1, 0, 0, 0]);
        assert_eq!(decode(&flag), Ok(Incoming::Return(9, Reply::Flag(true))));
        let empty = answer(METHOD_RETURN, b"", b"");
        assert_eq!(decode(&empty), Ok(Incoming::Return(9, Reply::Other)));
        let bare = answer(ERROR, b"\x04\x01s\0\x03\0\0\0e.E\0", b"");
        let expected = Incoming::Error(9, "e.E".into(), String::new());
        assert_eq!(decode(&bare), Ok(expected));
        let signal = answer(4, b"", b"");
        assert_eq!(decode(&signal), Ok(Incoming::Other));
    }

    #[test]
    fn only_the_answer_to_the_call_is_its_outcome() {
        let reply = |number| Incoming::Return(number, Reply::Other);
        assert!(reply(8).outcome(9, "m").is_none());
        assert!(matches!(reply(9).outcome(9, "m"), Some(Ok(Reply::Other))));
        assert!(Incoming::Other.outcome(9, "m").is_none());
        let error = Incoming::Error(9, "e.E".into(), "no".into()).outcome(9, "m (x)");
        assert_eq!(error.unwrap().unwrap_err().to_string(), "m (x): e.E: no");
    }

    #[test]
    fn nonsense_is_told_and_never_panics() {
        let whole = answer(METHOD_RETURN, b"\x08\x01g\0\x01s\0", b"\x02\0\0\0xy\0");
        for end in 0..whole.len() {
            assert!(decode(&whole[..end]).is_err(), "{end}");
        }
        for place in 0..whole.len() {
            for byte in [0, 1, 0x7f, 0xff] {
                let mut broken = whole.clone();
                broken[place] = byte;
                let _ = decode(&broken);
            }
        }
        let prefix = |body: u32, fields: u32| {
            let mut prefix = [0; PREFIX];
            prefix[0] = b'l';
            prefix[4..8].copy_from_slice(&body.to_le_bytes());
            prefix[12..].copy_from_slice(&fields.to_le_bytes());
            remaining(&prefix)
        };
        assert_eq!(prefix(3, 9), Ok(19));
        assert!(prefix(u32::MAX, 9).is_err() && prefix(3, u32::MAX).is_err());
    }
}
