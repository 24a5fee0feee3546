//! Looking links up and removing them.

use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkMessage};
use nix::libc::{RTM_DELLINK, RTM_GETLINK, RTNLGRP_LINK};

use super::change::LinkChange;
use super::{Link, delete, delete_by_name, delete_group, name_attribute, parse};
use crate::netlink::{Batch, Malformed, Message, NetlinkError, RequestError, RtnlSocket};

/// How many links are removed at once: nothing else changes on the node meanwhile.
const MOST_AT_ONCE: usize = 100;

impl RtnlSocket {
    /// The link of this name, or with this alternative name; `None` when there is none.
    pub fn link_by_name(&self, name: &str) -> Result<Option<Link>, NetlinkError> {
        let [link] = self.batch().run_and_look_up([LinkSelector::Name(name)])?;
        Ok(link)
    }

    /// The link of this index; `None` when there is none.
    pub fn link_by_index(&self, index: u32) -> Result<Option<Link>, NetlinkError> {
        let [link] = self.batch().run_and_look_up([LinkSelector::Index(index)])?;
        Ok(link)
    }

    /// All links. The cost grows with their number: look one up by name where that will do.
    pub fn links(&self) -> Result<Vec<Link>, NetlinkError> {
        self.socket.dump(
            &|| "list links".to_owned(),
            RTM_GETLINK,
            &get_link(),
            parse::link,
        )
    }

    /// The ports of the bridge, VRF or bond of this index. The kernel chooses them: the answer grows
    /// with their number alone.
    pub fn ports(&self, master: u32) -> Result<Vec<Link>, NetlinkError> {
        let mut body = get_link();
        body.attributes.push(LinkAttribute::Controller(master));
        let parse =
            |payload: &[u8]| Ok(parse::link(payload)?.filter(|link| link.master == Some(master)));
        self.socket.dump(
            &|| format!("list ports of link {master}"),
            RTM_GETLINK,
            &body,
            parse,
        )
    }

    /// Removes the link of this index; `false` when there was none.
    ///
    /// Its name, addresses and routes are free then. The kernel goes on, in a child process, with what
    /// nobody has to wait for.
    pub fn delete_link(&self, index: u32) -> Result<bool, NetlinkError> {
        self.delete_until_gone(delete(index), &[index])
    }

    /// Removes the link of this name or alternative name; `false` when there was none.
    pub fn delete_link_by_name(&self, name: &str) -> Result<bool, NetlinkError> {
        self.delete(delete_by_name(name))
    }

    /// Removes the links of these indices; those that are gone do not matter. `group` must be one that
    /// no link is in.
    ///
    /// Removing a link, the kernel waits for all processors, for 20 ms or so. It does so once for all
    /// links of a group.
    pub fn delete_links(&self, indices: &[u32], group: u32) -> Result<(), NetlinkError> {
        for some in indices.chunks(MOST_AT_ONCE) {
            let mut batch = self.batch();
            for index in some {
                let join = LinkChange::new(*index).group(group);
                batch.add(join.message().unless_gone());
            }
            batch.run()?;
            self.delete_until_gone(delete_group(group), some)?;
        }
        Ok(())
    }

    /// Removes links by a message; `false` when there were none.
    fn delete_until_gone(&self, message: Message, indices: &[u32]) -> Result<bool, NetlinkError> {
        let mut waited: Vec<u32> = indices.to_vec();
        let outcome = self.execute_until(message, RTNLGRP_LINK, &mut |kind, body| {
            if kind == RTM_DELLINK
                && let Some(gone) = parse::index_of_removed(body)
            {
                waited.retain(|index| *index != gone);
            }
            waited.is_empty()
        });
        Ok(NetlinkError::none_if_not_found(outcome)?.is_some())
    }
}

impl Batch<'_> {
    /// As [`Batch::run`], and looks links up in the same system call, as the changes left them:
    /// `None` where there is none.
    pub fn run_and_look_up<const N: usize>(
        mut self,
        sought: [LinkSelector<'_>; N],
    ) -> Result<[Option<Link>; N], NetlinkError> {
        for link in sought {
            self.add(link.get());
        }
        let mut found = [const { None }; N];
        let mut places = found.iter_mut();
        let mut failure = None;
        self.transact(&mut |object| {
            let link = match object.map(parse::link) {
                Ok(Ok(link)) => Ok(link),
                Ok(Err(Malformed)) => Err(RequestError::Malformed.during("look up a link")),
                Err(error) if error.is_not_found() => Ok(None),
                Err(error) => Err(error),
            };
            match (places.next(), link) {
                (Some(place), Ok(link)) => *place = link,
                (_, Err(error)) => {
                    failure.get_or_insert(error);
                }
                (None, Ok(_)) => {}
            }
        })?;
        failure.map_or(Ok(found), Err)
    }
}

/// How a link is to be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkSelector<'a> {
    /// By its name or alternative name.
    Name(&'a str),
    /// By its index.
    Index(u32),
}

impl LinkSelector<'_> {
    fn get(self) -> Message {
        let mut body = get_link();
        let operation = match self {
            Self::Name(name) => format!("look up link {name:?}"),
            Self::Index(index) => format!("look up link {index}"),
        };
        match self {
            Self::Name(name) => match name_attribute(name) {
                Ok(attribute) => body.attributes.push(attribute),
                Err(reason) => return Message::invalid(operation, reason.into()),
            },
            Self::Index(index) => body.header.index = index,
        }
        Message::get(operation, RTM_GETLINK, &body)
    }
}

/// A request for links without statistics, which are half of a reply.
fn get_link() -> LinkMessage {
    let mut body = LinkMessage::default();
    body.attributes
        .push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    body
}
