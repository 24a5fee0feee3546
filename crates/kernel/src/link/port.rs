//! Links as ports of a bridge.

use netlink_packet_route::link::{InfoBridgePort, InfoPortData, InfoPortKind};
use nix::libc::{RTM_NEWLINK, RTM_SETLINK};
use rtnetlink::LinkUnspec;

use crate::netlink::Message;

/// What a bridge keeps about one of its ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortState {
    /// Whether packets may leave through the port they came in by.
    pub hairpin: bool,
    /// Whether the port may not talk to other isolated ports.
    pub isolated: bool,
}

/// Changes to a port; what is absent stays as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PortSettings {
    /// Index of the bridge to become a port of.
    pub master: Option<u32>,
    /// See [`PortState::hairpin`].
    pub hairpin: Option<bool>,
    /// See [`PortState::isolated`]; kernels before 4.18 do not have it.
    pub isolated: Option<bool>,
}

/// Makes a link a port of a bridge, changes what the bridge keeps about it, or both.
pub fn set_port(index: u32, settings: PortSettings) -> Message {
    let operation = format!("set bridge port {index}{}", settings.described());
    let options: Vec<_> = [
        settings.hairpin.map(InfoBridgePort::HairpinMode),
        settings.isolated.map(InfoBridgePort::Isolated),
    ]
    .into_iter()
    .flatten()
    .collect();
    let join = |master| LinkUnspec::new_with_index(index).controller(master).build();
    let configure = LinkUnspec::new_with_index(index)
        .set_port_kind(InfoPortKind::Bridge)
        .set_port_data(InfoPortData::BridgePort(options))
        .build();
    // The kernel looks the master up before it reads either, so joining a bridge and the options
    // of the port cannot share a request; and only RTM_NEWLINK reads options.
    match (settings.master, settings.hairpin.or(settings.isolated)) {
        (Some(master), None) => Message::new(operation, RTM_SETLINK, 0, &join(master)),
        (Some(master), Some(_)) => Message::new(operation, RTM_SETLINK, 0, &join(master))
            .followed_by(RTM_NEWLINK, 0, &configure),
        (None, _) => Message::new(operation, RTM_NEWLINK, 0, &configure),
    }
}

impl PortSettings {
    fn described(self) -> String {
        let switched = |word, value: Option<bool>| {
            value.map(|on| format!(" {word} {}", if on { "on" } else { "off" }))
        };
        let words = [
            self.master.map(|master| format!(" of bridge {master}")),
            switched("hairpin", self.hairpin),
            switched("isolated", self.isolated),
        ];
        words.into_iter().flatten().collect()
    }
}
