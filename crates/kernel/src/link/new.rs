//! Settings common to the creation of links of every single kind.

use std::os::fd::{AsRawFd as _, BorrowedFd};

use netlink_packet_route::link::LinkMessage;
use rtnetlink::LinkMessageBuilder;

use super::create;
use crate::mac::Mac;
use crate::netlink::Message;

/// A link to be created in one operation: it is created in its namespace, with name, address and MTU, and
/// was never visible anywhere else or in any other state.
///
/// Up to kernel 6.14 the name must be free not only in the target namespace but, by an oversight,
/// also in the socket's own: with `netns` set, `EEXIST` may mean either.
#[derive(Debug, Clone, Copy)]
pub struct NewLink<'a> {
    /// Name, 1 to 15 bytes.
    pub name: &'a str,
    /// Index, in the socket's namespace, of the link below it; `None` for kinds without one.
    pub parent: Option<u32>,
    /// The namespace in which it is created, which must stay open until the message has been sent; the
    /// socket's own when absent.
    pub netns: Option<BorrowedFd<'a>>,
    /// Largest packet in bytes; the kind's default, which is the parent's, when absent.
    pub mtu: Option<u32>,
    /// Link-layer address; chosen by the kernel when absent.
    pub mac: Option<Mac>,
    /// Whether it is created up. Kernel 6.1 does not rename a link that is.
    pub up: bool,
}

impl<'a> NewLink<'a> {
    /// A link of this name in the socket's namespace, down and with its kind's defaults.
    pub fn named(name: &'a str) -> Self {
        Self {
            name,
            parent: None,
            netns: None,
            mtu: None,
            mac: None,
            up: false,
        }
    }

    /// The message that creates it as a link of `kind`, whose builder has the kind's own settings.
    pub(super) fn create<K>(&self, kind: &str, builder: LinkMessageBuilder<K>) -> Message {
        create(kind, &[self.name], &self.fill(builder))
    }

    fn fill<K>(&self, builder: LinkMessageBuilder<K>) -> LinkMessage {
        let mut link = builder.name(self.name);
        if let Some(parent) = self.parent {
            link = link.link(parent);
        }
        if let Some(netns) = self.netns {
            link = link.setns_by_fd(netns.as_raw_fd());
        }
        if let Some(mtu) = self.mtu {
            link = link.mtu(mtu);
        }
        if let Some(mac) = self.mac {
            link = link.address(mac.as_bytes().to_vec());
        }
        if self.up {
            link = link.up();
        }
        link.build()
    }
}
