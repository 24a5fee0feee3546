//! Looking links up and removing them.

use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkMessage};
use nix::libc::RTM_GETLINK;

use super::{Link, delete, delete_by_name, name_attribute, parse};
use crate::netlink::{Message, NetlinkError, Route};

impl Route {
    /// The link of this name, or with this alternative name; `None` when there is none.
    pub fn link_by_name(&self, name: &str) -> Result<Option<Link>, NetlinkError> {
        let step = || format!("look up link {name:?}");
        let attribute = name_attribute(name).map_err(|reason| NetlinkError::Invalid {
            step: step(),
            reason: reason.into(),
            message: None,
        })?;
        let mut body = question();
        body.attributes.push(attribute);
        self.link(&step, &body)
    }

    /// The link of this index; `None` when there is none.
    pub fn link_by_index(&self, index: u32) -> Result<Option<Link>, NetlinkError> {
        let mut body = question();
        body.header.index = index;
        self.link(&|| format!("look up link {index}"), &body)
    }

    /// All links. The cost grows with their number: look one up by name where that will do.
    pub fn links(&self) -> Result<Vec<Link>, NetlinkError> {
        self.list(
            &|| "list links".to_owned(),
            RTM_GETLINK,
            &question(),
            parse::link,
        )
    }

    /// Removes the link of this index; `false` when there was none.
    pub fn delete_link(&self, index: u32) -> Result<bool, NetlinkError> {
        self.remove_link(delete(index))
    }

    /// Removes the link of this name or alternative name; `false` when there was none.
    pub fn delete_link_by_name(&self, name: &str) -> Result<bool, NetlinkError> {
        self.remove_link(delete_by_name(name))
    }

    fn link(
        &self,
        step: &dyn Fn() -> String,
        body: &LinkMessage,
    ) -> Result<Option<Link>, NetlinkError> {
        match self.query(step, RTM_GETLINK, body, parse::link) {
            Ok(link) => Ok(Some(link)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn remove_link(&self, message: Message) -> Result<bool, NetlinkError> {
        self.execute_removal(message)
    }
}

/// A question that leaves the statistics, half of a reply, out.
fn question() -> LinkMessage {
    let mut body = LinkMessage::default();
    body.attributes
        .push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    body
}
