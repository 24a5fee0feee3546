//! Redirection of a link's ingress to another link: a `u32` filter with a `mirred` action.

use netlink_packet_route::tc::{
    TcAction, TcActionAttribute, TcActionMirror, TcActionMirrorOption, TcActionOption,
    TcActionType, TcAttribute, TcFilterU32, TcFilterU32Option, TcHandle, TcMirror,
    TcMirrorActionType, TcOption, TcU32Key, TcU32Selector, TcU32SelectorFlags,
};
use nix::libc::{ETH_P_ALL, RTM_GETTFILTER, RTM_NEWTFILTER};

use super::qdisc::EXCLUSIVE;
use super::{HEADER, INGRESS_HANDLE, TCA_OPTIONS, at};
use crate::netlink::{Attribute, Attributes, Malformed, Message, NetlinkError, Parsed, RtnlSocket};

const TCA_U32_DIVISOR: u16 = 4;
const TCA_U32_SEL: u16 = 5;
const TCA_U32_ACT: u16 = 7;
const TCA_ACT_KIND: u16 = 1;
const TCA_ACT_OPTIONS: u16 = 2;
const TCA_MIRRED_PARMS: u16 = 2;
/// `TCA_EGRESS_REDIR` of `linux/tc_act/tc_mirred.h`.
const EGRESS_REDIRECT: u32 = 1;

/// Priority of the filter: the first one evaluated.
const PRIORITY: u32 = 1;

/// A filter of a link's ingress, as the kernel reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IngressFilter {
    /// Whether it matches every packet.
    pub matches_all: bool,
    /// Index of the link whose egress its first action redirects to.
    pub redirect: Option<u32>,
}

/// The message that redirects all ingress of link `index` to the egress of link `target`; an IFB
/// link passes it back to the ingress path. Needs the [ingress](super::add_ingress) queueing
/// discipline.
pub fn redirect(index: u32, target: u32) -> Message {
    let mut selector = TcU32Selector::default();
    selector.flags = TcU32SelectorFlags::Terminal;
    selector.nkeys = 1;
    selector.keys = vec![TcU32Key::default()];
    let mut mirror = TcMirror::default();
    mirror.generic.action = TcActionType::Stolen;
    mirror.eaction = TcMirrorActionType::EgressRedir;
    mirror.ifindex = target;
    let mut action = TcAction::default();
    action.attributes = vec![
        TcActionAttribute::Kind(TcActionMirror::KIND.to_owned()),
        TcActionAttribute::Options(vec![TcActionOption::Mirror(TcActionMirrorOption::Parms(
            mirror,
        ))]),
    ];
    let class = TcHandle { major: 1, minor: 1 };
    let options = [
        TcFilterU32Option::ClassId(class),
        TcFilterU32Option::Selector(selector),
        TcFilterU32Option::Action(vec![action]),
    ];
    let mut body = at(index, INGRESS_HANDLE, TcHandle { major: 0, minor: 0 });
    // Priority in the upper half, protocol in network byte order in the lower one.
    let protocol = u16::try_from(ETH_P_ALL).unwrap_or_default().to_be();
    body.header.info = PRIORITY << 16 | u32::from(protocol);
    body.attributes = vec![
        TcAttribute::Kind(TcFilterU32::KIND.to_owned()),
        TcAttribute::Options(options.map(TcOption::U32).into()),
    ];
    let step = format!("redirect ingress of link {index} to link {target}");
    Message::new(step, RTM_NEWTFILTER, EXCLUSIVE, &body)
}

impl RtnlSocket {
    /// The filters of a link's ingress, in order of evaluation.
    pub fn ingress_filters(&self, index: u32) -> Result<Vec<IngressFilter>, NetlinkError> {
        let step = || format!("list ingress filters of link {index}");
        let none = TcHandle { major: 0, minor: 0 };
        let body = at(index, INGRESS_HANDLE, none);
        self.socket.dump(&step, RTM_GETTFILTER, &body, parse)
    }
}

/// Reads one entry of a dump; `None` for entries that are no filters: the head of each priority, and
/// the hash tables of `u32`.
fn parse(payload: &[u8]) -> Parsed<IngressFilter> {
    let mut attributes = Attributes::new(payload.get(HEADER..).ok_or(Malformed)?);
    let Some(options) = attributes.find(|found| found.kind == TCA_OPTIONS) else {
        return Ok(None);
    };
    let find = |kind| options.nested().find(|found| found.kind == kind);
    if find(TCA_U32_DIVISOR).is_some() {
        return Ok(None);
    }
    Ok(Some(IngressFilter {
        matches_all: find(TCA_U32_SEL).is_some_and(matches_all),
        redirect: find(TCA_U32_ACT)
            .and_then(|actions| actions.nested().next())
            .and_then(redirect_target),
    }))
}

/// Whether all keys of a selector (`struct tc_u32_sel`, its keys after 16 bytes) have an empty mask.
fn matches_all(selector: Attribute<'_>) -> bool {
    let keys = selector.value.get(16..).unwrap_or_default();
    keys.chunks_exact(16)
        .all(|key| key.iter().take(4).all(|byte| *byte == 0))
}

/// The link whose egress a `mirred` action redirects to (`struct tc_mirred`).
fn redirect_target(action: Attribute<'_>) -> Option<u32> {
    let find = |kind| action.nested().find(|found| found.kind == kind);
    if find(TCA_ACT_KIND)?.text() != TcActionMirror::KIND {
        return None;
    }
    let parameters = find(TCA_ACT_OPTIONS)?
        .nested()
        .find(|found| found.kind == TCA_MIRRED_PARMS)?
        .value;
    let number = |offset: usize| {
        let bytes = parameters.get(offset..)?.first_chunk()?;
        Some(u32::from_ne_bytes(*bytes))
    };
    if number(20)? == EGRESS_REDIRECT {
        number(24)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truncated_entries_are_malformed() {
        assert_eq!(parse(&[0; 19]), Err(Malformed));
        assert_eq!(parse(&[0; 20]), Ok(None), "an entry without options");
    }

    #[test]
    fn keys_with_an_empty_mask_match_everything() {
        let selector = |mask: [u8; 4]| {
            let mut value = vec![0; 16];
            value.extend(mask);
            value.extend([0; 12]);
            value
        };
        let all = |value: &[u8]| matches_all(Attribute { kind: 5, value });
        assert!(all(&selector([0; 4])));
        assert!(!all(&selector([0, 0, 0, 1])));
    }
}
