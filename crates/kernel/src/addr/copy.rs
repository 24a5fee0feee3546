//! Copies of addresses with all their attributes, to be added again.

use nix::libc::{NLM_F_CREATE, NLM_F_EXCL, RTM_NEWADDR};

use super::{Address, Family, HEADER, IFA_F_DADFAILED, IFA_F_TENTATIVE, IFA_FLAGS, parse};
use crate::netlink::{AttributeWriter, Attributes, Malformed, Message, Parsed, flag};

const IFA_F_NODAD: u32 = 0x02;

/// An address with all its attributes (peer, lifetimes, label), so that it can be added again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressCopy {
    /// The address.
    pub address: Address,
    index: u32,
    body: AttributeWriter,
}

impl AddressCopy {
    /// Reads one address; `None` for other links and families.
    pub(super) fn parse(payload: &[u8], index: u32, family: Option<Family>) -> Parsed<Self> {
        let Some(address) = parse(payload, index, family)? else {
            return Ok(None);
        };
        let (header, attributes): (&[u8; HEADER], _) =
            payload.split_first_chunk().ok_or(Malformed)?;
        let [number, prefix, low_flags, rest @ ..] = *header;
        let attributes = Attributes::new(attributes);
        let attribute = attributes.get(IFA_FLAGS);
        let flags = attribute.map_or(Some(low_flags.into()), |found| found.u32());
        let flags = flags.ok_or(Malformed)? & !(IFA_F_TENTATIVE | IFA_F_DADFAILED) | IFA_F_NODAD;
        // The attribute replaces the 8 bits of flags in the header.
        let fixed = [number, prefix, 0];
        let mut body = AttributeWriter::after(&[&fixed[..], &rest].concat());
        body.copy(attributes, &[IFA_FLAGS]).u32(IFA_FLAGS, flags);
        Ok(Some(Self {
            address,
            index,
            body,
        }))
    }

    /// The message that adds the address to its link again. It is usable at once: duplicate address
    /// detection has already run for it. An address that the link has is an error
    /// ([`NetlinkError::is_exists`](crate::netlink::NetlinkError::is_exists)).
    pub fn add(&self) -> Message {
        let (address, index) = (self.address.address, self.index);
        let operation = format!("add address {address} to link {index} again");
        let flags = flag(NLM_F_CREATE) | flag(NLM_F_EXCL);
        Message::new(operation, RTM_NEWADDR, flags, &self.body)
    }
}
