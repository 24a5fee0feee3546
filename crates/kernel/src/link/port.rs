//! Links as ports of a bridge.

use netlink_packet_route::link::{InfoBridgePort, InfoPortData, InfoPortKind};
use nix::libc::{RTM_NEWLINK, RTM_SETLINK};
use rtnetlink::LinkUnspec;

use crate::netlink::Message;

/// Settings of a bridge port, as the kernel reports them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortState {
    /// Whether frames may leave by the port on which they arrived.
    pub hairpin: bool,
    /// Whether frames to other isolated ports are dropped.
    pub isolated: bool,
}

/// Changes to a bridge port; absent values are left as they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PortSettings {
    /// Index of the bridge that the link becomes a port of.
    pub master: Option<u32>,
    /// See [`PortState::hairpin`].
    pub hairpin: Option<bool>,
    /// See [`PortState::isolated`]; from kernel 4.18 on.
    pub isolated: Option<bool>,
}

/// The message that makes a link a bridge port, changes the settings of a port, or both.
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
    // The kernel looks up the master before it applies either, so IFLA_MASTER and the port's options
    // need separate requests; and only RTM_NEWLINK applies the options.
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
