//! By what servers know a client: its DUID and the number of its association (IAID).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::lease::LeaseKey;

/// A DUID made of a UUID (RFC 6355).
const DUID_UUID: u16 = 4;
/// The longest DUID, with its type (RFC 8415, section 11.1).
const LONGEST: usize = 130;

/// A DHCP unique identifier, written in hexadecimal digits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct Duid(Vec<u8>);

/// The text is no DUID.
#[derive(Debug, thiserror::Error)]
#[error("not the hexadecimal digits of a DUID")]
pub(crate) struct NoDuid;

impl Duid {
    /// The DUID in an option; `None` for one that is empty or too long.
    pub(super) fn new(bytes: &[u8]) -> Option<Self> {
        (1..=LONGEST)
            .contains(&bytes.len())
            .then(|| Self(bytes.to_owned()))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether there is none, as of an IPv4 server.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Duid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Duid {
    type Err = NoDuid;

    fn from_str(text: &str) -> Result<Self, NoDuid> {
        let digit = |byte: u8| {
            char::from(byte)
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        };
        let pairs = text.as_bytes().chunks(2).map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        });
        let bytes = pairs.collect::<Option<Vec<u8>>>().ok_or(NoDuid)?;
        Self::new(&bytes).ok_or(NoDuid)
    }
}

impl From<Duid> for String {
    fn from(duid: Duid) -> Self {
        duid.to_string()
    }
}

impl TryFrom<String> for Duid {
    type Error = NoDuid;

    fn try_from(text: String) -> Result<Self, NoDuid> {
        text.parse()
    }
}

/// Client and association of an attachment: hashes of its name, so that they are the same for every
/// lease it ever has, on this node or another, and for no other attachment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// The client.
    pub(super) duid: Duid,
    /// The association of its address.
    pub(super) iaid: u32,
}

impl Identity {
    pub(super) fn of(key: &LeaseKey) -> Self {
        let hash: [u8; 32] = Sha256::digest(key.to_string().as_bytes()).into();
        let [uuid @ .., _, _, _, _, _, _, _, _, _, _, _, _, a, b, c, d] = hash;
        let mut uuid: [u8; 16] = uuid;
        // Version 8, of an own making, and the variant of RFC 9562.
        uuid[6] = uuid[6] & 0x0f | 0x80;
        uuid[8] = uuid[8] & 0x3f | 0x80;
        Self {
            duid: Duid([&DUID_UUID.to_be_bytes()[..], &uuid].concat()),
            iaid: u32::from_be_bytes([a, b, c, d]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(container_id: &str) -> LeaseKey {
        LeaseKey {
            network: "net".to_owned(),
            container_id: container_id.to_owned(),
            ifname: "eth0".to_owned(),
            ..LeaseKey::default()
        }
    }

    #[test]
    fn an_attachment_keeps_its_identity() {
        let identity = Identity::of(&key("c1"));
        assert_eq!(identity, Identity::of(&key("c1")));
        // Servers keep addresses by it: a change would give every container another one.
        assert_eq!(
            identity.duid.to_string(),
            "0004de004fcb525a829494b7e3b1da3a03e4"
        );
        assert_eq!(identity.iaid, 0xee69_c81a);
    }

    #[test]
    fn attachments_differ() {
        let [one, two] = ["c1", "c2"].map(|name| Identity::of(&key(name)));
        assert!(one.duid != two.duid && one.iaid != two.iaid);
    }

    #[test]
    fn text_is_read_back() {
        let duid = Identity::of(&key("c1")).duid;
        assert_eq!(duid.to_string().parse::<Duid>().unwrap(), duid);
        for wrong in ["", "0", "0g", "ä0", &"00".repeat(131)] {
            assert!(wrong.parse::<Duid>().is_err(), "{wrong:?}");
        }
    }
}
