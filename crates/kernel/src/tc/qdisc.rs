//! Queueing disciplines of one link: look up, create and delete.

use netlink_packet_route::tc::{TcAttribute, TcHandle};
use nix::errno::Errno;
use nix::libc::{NLM_F_CREATE, NLM_F_EXCL, RTM_DELQDISC, RTM_GETQDISC, RTM_NEWQDISC};

use super::tbf::{self, Tbf};
use super::{HEADER, INGRESS, INGRESS_HANDLE, ROOT, ROOT_HANDLE, TCA_KIND, TCA_OPTIONS, at};
use crate::netlink::{Attributes, Malformed, Message, NetlinkError, Parsed, RtnlSocket, flag};

/// Flags of a request that fails if the object exists.
pub(super) const EXCLUSIVE: u16 = flag(NLM_F_CREATE) | flag(NLM_F_EXCL);

/// The index of the loopback link in every namespace (`LOOPBACK_IFINDEX` of the kernel).
const LOOPBACK: u32 = 1;

/// A queueing discipline as the kernel reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Qdisc {
    /// `tbf`, `ingress`, `noqueue`, …
    pub kind: String,
    /// Settings of a token bucket filter; `None` for other kinds.
    pub tbf: Option<Tbf>,
}

/// The message that creates the `ingress` queueing discipline of a link, which filters of received
/// packets need. An existing one is an error ([`NetlinkError::is_exists`]).
pub fn add_ingress(index: u32) -> Message {
    let mut body = at(index, INGRESS, INGRESS_HANDLE);
    body.attributes
        .push(TcAttribute::Kind("ingress".to_owned()));
    let step = format!("create ingress qdisc on link {index}");
    Message::new(step, RTM_NEWQDISC, EXCLUSIVE, &body)
}

/// The message that deletes the `ingress` queueing discipline with its filters. A missing one is an
/// error ([`NetlinkError::is_not_found`]).
pub fn delete_ingress(index: u32) -> Message {
    let step = format!("delete ingress qdisc of link {index}");
    Message::new(step, RTM_DELQDISC, 0, &at(index, INGRESS, INGRESS_HANDLE))
}

/// The message that deletes the root queueing discipline, so that the link has its default one. A
/// link with its default is an error ([`NetlinkError::is_not_found`]).
pub fn delete_root(index: u32) -> Message {
    let step = format!("delete root qdisc of link {index}");
    Message::new(step, RTM_DELQDISC, 0, &at(index, ROOT, ROOT_HANDLE))
}

impl RtnlSocket {
    /// The root queueing discipline of a link; `None` for a link without one, as it is down. A missing
    /// link is an error ([`NetlinkError::is_not_found`]).
    pub fn root_qdisc(&self, index: u32) -> Result<Option<Qdisc>, NetlinkError> {
        let step = || format!("look up root qdisc of link {index}");
        self.socket
            .get_echo(&step, RTM_GETQDISC, &at(index, ROOT, NONE), parse)
    }

    /// The `ingress` queueing discipline of a link; `None` if it has none.
    pub fn ingress_qdisc(&self, index: u32) -> Result<Option<Qdisc>, NetlinkError> {
        let step = || format!("look up ingress qdisc of link {index}");
        match self
            .socket
            .get_echo(&step, RTM_GETQDISC, &at(index, INGRESS, NONE), parse)
        {
            Err(error) if error.errno() == Some(Errno::ENOENT) => Ok(None),
            found => found,
        }
    }

    /// Whether the kernel has the token bucket filter, or can load its module. Nothing is created.
    ///
    /// The request has no options: the kernel loads the module first, then refuses it (`tbf_init` of
    /// `net/sched/sch_tbf.c`).
    pub fn has_tbf(&self) -> Result<bool, NetlinkError> {
        let mut body = at(LOOPBACK, ROOT, ROOT_HANDLE);
        body.attributes
            .push(TcAttribute::Kind(Tbf::KIND.to_owned()));
        let step = "look for the queueing discipline tbf".to_owned();
        match self.execute(Message::new(step, RTM_NEWQDISC, EXCLUSIVE, &body)) {
            Ok(()) => Ok(true),
            Err(error) => match error.errno() {
                Some(Errno::ENOENT | Errno::EOPNOTSUPP) => Ok(false),
                // EEXIST: the loopback link has another root discipline, so the request shows nothing.
                Some(Errno::EINVAL | Errno::EEXIST) => Ok(true),
                _ => Err(error),
            },
        }
    }
}

/// Any handle.
const NONE: TcHandle = TcHandle { major: 0, minor: 0 };

fn parse(payload: &[u8]) -> Parsed<Qdisc> {
    let mut kind = None;
    let mut options = None;
    for attribute in Attributes::new(payload.get(HEADER..).ok_or(Malformed)?) {
        match attribute.kind {
            TCA_KIND => kind = Some(attribute.text()),
            TCA_OPTIONS => options = Some(attribute),
            _ => {}
        }
    }
    let kind = kind.ok_or(Malformed)?;
    let tbf = options.filter(|_| kind == Tbf::KIND).and_then(tbf::read);
    Ok(Some(Qdisc { kind, tbf }))
}
