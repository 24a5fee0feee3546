//! What the picture shows: what containers are attached to, and the attachments at it.

use ferrule_kernel::Link;
use serde::Serialize;

use crate::node::{Host, Known, PublishedPort, short_id};

/// All attachments, by what they are attached to.
#[derive(Debug, Serialize)]
pub(crate) struct Picture {
    pub(crate) groups: Vec<Group>,
}

/// A bridge or master of the host with the attachments at it, or those attachments that have none.
#[derive(Debug, Serialize)]
pub(crate) struct Group {
    pub(crate) kind: GroupKind,
    /// The name of the bridge or master; empty for the other kinds.
    pub(crate) name: String,
    /// Its addresses.
    pub(crate) addresses: Vec<String>,
    /// `up` or `down`; empty where there is no link.
    pub(crate) state: String,
    /// Its MTU in bytes; 0 where there is no link.
    pub(crate) mtu: u32,
    /// Its ports that belong to no attachment, for example an uplink.
    #[serde(rename = "otherPorts")]
    pub(crate) other_ports: Vec<String>,
    pub(crate) attachments: Vec<Member>,
}

/// What the attachments of a group have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum GroupKind {
    /// Ports of a bridge, VRF or bond.
    Bridge,
    /// On a link of the host: macvlan, ipvlan, vlan.
    Master,
    /// Veth pairs that end at the host itself.
    Routed,
    /// Interfaces without a counterpart on the host.
    Own,
    /// Interfaces that are not there, or whose namespace is out of reach.
    Absent,
}

/// One attachment.
#[derive(Debug, Serialize)]
pub(crate) struct Member {
    pub(crate) network: String,
    #[serde(rename = "containerID")]
    pub(crate) container_id: String,
    #[serde(skip)]
    pub(crate) short_id: String,
    pub(crate) pod: String,
    pub(crate) ifname: String,
    /// The kind of the interface; empty for hardware.
    pub(crate) kind: String,
    /// The end of its pair on the host; empty if it has none.
    #[serde(rename = "hostEnd")]
    pub(crate) host_end: String,
    pub(crate) addresses: Vec<String>,
    /// Published ports: `8080->80/tcp`.
    pub(crate) ports: Vec<String>,
    pub(crate) state: String,
}

impl Group {
    /// What stands above its attachments.
    pub(crate) fn title(&self) -> String {
        match self.kind {
            GroupKind::Bridge => format!("bridge {}", self.name),
            GroupKind::Master => format!("master {}", self.name),
            GroupKind::Routed => "routed by the host".to_owned(),
            GroupKind::Own => "no counterpart on the host".to_owned(),
            GroupKind::Absent => "not attached any more, or out of reach".to_owned(),
        }
    }
}

impl Member {
    /// The container as people know it.
    pub(crate) fn container(&self) -> String {
        if self.pod.is_empty() {
            self.short_id.clone()
        } else {
            format!("{} ({})", self.pod, self.short_id)
        }
    }
}

impl Picture {
    pub(crate) fn of(host: &Host, attachments: &[Known]) -> Self {
        let ids: Vec<&str> = attachments
            .iter()
            .map(|one| one.entry.attachment.container_id.as_str())
            .collect();
        let mut groups: Vec<Group> = Vec::new();
        for known in attachments {
            let end = host_end(host, known);
            let (kind, link) = place(host, known, end);
            let name = link.map(|link| link.name.clone()).unwrap_or_default();
            let is_it = |group: &Group| group.kind == kind && group.name == name;
            let at = groups.iter().position(is_it).unwrap_or_else(|| {
                groups.push(Group::new(host, kind, link));
                groups.len() - 1
            });
            if let Some(group) = groups.get_mut(at) {
                group.attachments.push(member(known, end, &ids));
            }
        }
        for group in &mut groups {
            let ends: Vec<&String> = group.attachments.iter().map(|one| &one.host_end).collect();
            let foreign: Vec<String> = group
                .other_ports
                .iter()
                .filter(|port| !ends.contains(port))
                .cloned()
                .collect();
            group.other_ports = foreign;
        }
        groups.sort_by(|one, other| (one.kind, &one.name).cmp(&(other.kind, &other.name)));
        Self { groups }
    }
}

impl Group {
    fn new(host: &Host, kind: GroupKind, link: Option<&Link>) -> Self {
        let addresses = link.and_then(|link| host.socket.addresses(link.index, None).ok());
        let addresses = addresses.into_iter().flatten().filter(|one| one.scope == 0);
        let ports = |link: &Link| {
            let ports = host
                .links
                .iter()
                .filter(|port| port.master == Some(link.index));
            ports.map(|port| port.name.clone()).collect()
        };
        Self {
            kind,
            name: link.map(|link| link.name.clone()).unwrap_or_default(),
            addresses: addresses.map(|one| one.address.to_string()).collect(),
            state: link
                .map(|link| up_or_down(link).to_owned())
                .unwrap_or_default(),
            mtu: link.map(|link| link.mtu).unwrap_or_default(),
            other_ports: link
                .filter(|_| kind == GroupKind::Bridge)
                .map(ports)
                .unwrap_or_default(),
            attachments: Vec::new(),
        }
    }
}

/// The end of the attachment's pair on the host: the peer of the interface or, where the namespace is
/// out of reach, the link with its alias.
fn host_end<'h>(host: &'h Host, known: &Known) -> Option<&'h Link> {
    if let Some(inside) = &known.link {
        return host.peer(inside);
    }
    let attachment = &known.entry.attachment;
    let alias = format!(
        "cni:{}/{}/{}",
        known.entry.network, attachment.container_id, attachment.ifname
    );
    let is_it = |link: &&Link| link.is_kind("veth") && link.alias.as_deref() == Some(&alias);
    host.links.iter().find(is_it)
}

/// Where an attachment belongs in the picture.
fn place<'h>(
    host: &'h Host,
    known: &Known,
    end: Option<&'h Link>,
) -> (GroupKind, Option<&'h Link>) {
    let master = end.and_then(|end| host.by_index(end.master?));
    let parent = known.link.as_ref().and_then(|inside| host.parent(inside));
    match (end, &known.link) {
        (Some(_), _) if master.is_some() => (GroupKind::Bridge, master),
        (Some(_), _) => (GroupKind::Routed, None),
        (None, Some(_)) if parent.is_some() => (GroupKind::Master, parent),
        (None, Some(_)) => (GroupKind::Own, None),
        (None, None) => (GroupKind::Absent, None),
    }
}

fn member(known: &Known, end: Option<&Link>, ids: &[&str]) -> Member {
    let attachment = &known.entry.attachment;
    let mut state = known.state().text();
    if let Some(end) = end.filter(|end| !end.up && state == "up") {
        state = format!("host end {} down", end.name);
    }
    Member {
        network: known.entry.network.clone(),
        container_id: attachment.container_id.clone(),
        short_id: short_id(&attachment.container_id, ids).to_owned(),
        pod: known.pod(),
        ifname: attachment.ifname.clone(),
        kind: known
            .link
            .as_ref()
            .and_then(|link| link.kind.clone())
            .unwrap_or_default(),
        host_end: end.map(|end| end.name.clone()).unwrap_or_default(),
        addresses: known.addresses(),
        ports: PublishedPort::of(&known.entry)
            .iter()
            .map(ToString::to_string)
            .collect(),
        state,
    }
}

fn up_or_down(link: &Link) -> &'static str {
    if link.up { "up" } else { "down" }
}
