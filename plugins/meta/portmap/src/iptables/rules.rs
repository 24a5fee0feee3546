//! The rules of one container: those of the Go plugin, in the word order in which the tools print
//! them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use cni_types::Cidr;
use ferrule_kernel::{Family, IpNetwork, truncate};
use ferrule_net::AttachmentId;
use ferrule_netfilter::iptables::{Entry, ListedRule, Rule};
use ferrule_netfilter::nft::Transport;

use super::shared::SETMARK;
use crate::config::{Marking, Masquerading, Plan};
use crate::forwarding::Forwarding;
use crate::liveness::Traces;
use crate::mapping::Mapping;
use crate::target::Target;

/// The prefix of a container's chain.
pub(super) const PREFIX: &str = "CNI-DN-";
/// The prefix of a chain that the Go plugin created until 2018.
pub(super) const OLD_PREFIX: &str = "CNI-SN-";

/// What the comment of a rule for one address of the host adds to that of other rules.
const NARROW: &str = " at ";
/// The beginning of a chain's note.
const NOTE: &str = "if: \"";
/// The options of conditions for the destination.
const DESTINATION: [&str; 3] = ["-d", "--dst", "--destination"];

/// The limit of the `multiport` match.
const PORTS_PER_RULE: usize = 15;
/// The length of a comment in the kernel.
const PRINTED_COMMENT: usize = 255;
/// A longer comment is cut to this length, with three dots behind.
const LONGEST_COMMENT: usize = 253;

/// The rules of a container in table `nat` of one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ContainerRules {
    /// The name of its chain.
    pub(super) chain: String,
    /// The rules of its chain, each with its purpose.
    pub(super) own: Vec<(String, Rule)>,
    /// The jumps to its chain.
    pub(super) entries: Vec<Rule>,
    /// The jumps for ports of one address of the host, which precede all [`Self::entries`].
    pub(super) narrow: Vec<Rule>,
    /// Whether the tools may print the jumps in another form.
    pub(super) may_be_printed_otherwise: bool,
}

impl ContainerRules {
    pub(super) fn new(id: &AttachmentId, target: &Target, plan: &Plan) -> Self {
        let mappings = target.mappings(plan);
        Self {
            chain: id.chain(PREFIX),
            own: mappings
                .iter()
                .flat_map(|mapping| of_mapping(mapping, target, plan))
                .collect(),
            entries: entries(id, plan, target.family()),
            narrow: narrow_entries(id, &mappings, plan, target.family()),
            may_be_printed_otherwise: !plan.conditions.of(target.family()).is_empty()
                || entry_comment(id).len() > PRINTED_COMMENT,
        }
    }
}

/// The jumps to the container's chain. As the Go plugin expects, they name every port, including those
/// of mappings of the other family.
fn entries(id: &AttachmentId, plan: &Plan, family: Family) -> Vec<Rule> {
    let (chain, comment) = (id.chain(PREFIX), entry_comment(id));
    let mut rules = Vec::new();
    for transport in [Transport::Sctp, Transport::Tcp, Transport::Udp] {
        let ours = plan.mappings.iter().filter(|m| m.transport == transport);
        let ports: Vec<String> = ours.map(|mapping| mapping.host_port.to_string()).collect();
        for ports in ports.chunks(PORTS_PER_RULE) {
            let rule = Rule::from_words(["-p", transport.name()])
                .comment(&comment)
                .words(["-m", "multiport", "--dports", &ports.join(",")])
                .words(plan.conditions.of(family).iter().cloned())
                .jump(&chain);
            rules.push(rule);
        }
    }
    rules
}

/// The jumps to the container's chain for single addresses of the host. The Go plugin writes none, and
/// removes them with the others.
fn narrow_entries(
    id: &AttachmentId,
    mappings: &[Mapping],
    plan: &Plan,
    family: Family,
) -> Vec<Rule> {
    let conditions = plan.conditions.of(family);
    let mut places: BTreeMap<(IpAddr, &str), Vec<String>> = BTreeMap::new();
    for mapping in mappings {
        if let Some(address) = mapping.only() {
            let ports = places
                .entry((address, mapping.transport.name()))
                .or_default();
            ports.push(mapping.host_port.to_string());
        }
    }
    // A rule has room for one destination.
    if conditions
        .iter()
        .any(|word| DESTINATION.contains(&word.as_str()))
    {
        return vec![];
    }
    let mut rules = Vec::new();
    for ((address, transport), ports) in places {
        let comment = format!("{}{NARROW}{address}", entry_comment(id));
        for ports in ports.chunks(PORTS_PER_RULE) {
            let rule = Rule::new()
                .destination(address.into())
                .words(["-p", transport])
                .comment(&comment)
                .words(["-m", "multiport", "--dports", &ports.join(",")])
                .words(conditions.iter().cloned())
                .jump(&id.chain(PREFIX));
            rules.push(rule);
        }
    }
    rules
}

/// Whether a jump to a container's chain is for one address of the host.
pub(super) fn is_narrow(entry: &Entry) -> bool {
    let comment = entry.comment.as_deref().unwrap_or_default();
    comment.starts_with("dnat ") && comment.contains(NARROW)
}

/// The container of a jump, whichever plugin wrote it.
pub(super) fn container_of(entry: &Entry) -> &str {
    let comment = entry.comment.as_deref().unwrap_or_default();
    let (_, id) = comment.split_once(" id: \"").unwrap_or_default();
    id.split('"').next().unwrap_or_default()
}

/// The comment of the jumps to the container's chain.
fn entry_comment(id: &AttachmentId) -> String {
    let mut comment = format!("dnat {}", owner_text(&id.network, &id.container_id));
    if comment.len() > LONGEST_COMMENT + 2 {
        truncate(&mut comment, LONGEST_COMMENT);
        comment.push_str("...");
    }
    comment
}

fn owner_text(network: &str, container_id: &str) -> String {
    format!("name: \"{network}\" id: \"{container_id}\"")
}

/// Whether a jump to a container's chain is of the network, whichever plugin wrote it.
pub(super) fn is_of_network(entry: &ListedRule, network: &str) -> bool {
    let comment = entry.comment().unwrap_or_default();
    let owner = comment
        .strip_prefix("dnat ")
        .or_else(|| comment.strip_prefix("snat "));
    owner.is_some_and(|owner| owner.starts_with(&format!("name: \"{network}\" id: ")))
}

/// A rule without effect, whose comment names the interface of the chain, which is not part of the
/// chain's name, and the traces of the container.
pub(super) fn note_rule(ifname: &str, traces: &Traces) -> Rule {
    let interface = format!("{NOTE}{ifname}\"");
    let traces = traces.text(PRINTED_COMMENT.saturating_sub(interface.len()));
    Rule::new().comment(&format!("{interface}{traces}"))
}

/// The note of a chain.
pub(super) fn note(own: &[ListedRule]) -> Option<&str> {
    own.iter()
        .filter(|rule| rule.target().is_none())
        .find_map(|rule| rule.comment().filter(|comment| comment.starts_with(NOTE)))
}

/// The interface in the note of a chain.
pub(super) fn noted_interface(own: &[ListedRule]) -> Option<&str> {
    // Interface names have no blank.
    let word = note(own)?.strip_prefix(NOTE)?.split(' ').next()?;
    word.strip_suffix('"')
}

fn of_mapping(mapping: &Mapping, target: &Target, plan: &Plan) -> Vec<(String, Rule)> {
    let matches = |source: Option<Cidr>| {
        let rule = match source {
            Some(source) => Rule::new().source(source.network()),
            None => Rule::new(),
        };
        let rule = match mapping.only() {
            Some(address) => rule.destination(IpNetwork::from(address)),
            None => rule,
        };
        let protocol = mapping.transport.name();
        let port = mapping.host_port.to_string();
        rule.words(["-p", protocol, "-m", protocol, "--dport", &port])
    };
    let mark = match &plan.marking {
        Marking::Bit(_) => SETMARK,
        Marking::Chain(chain) => chain,
    };
    let mut rules: Vec<(String, Rule)> = masqueraded(target, plan.masquerading)
        .into_iter()
        .map(|(whose, source)| {
            let what = format!("rule that has connections of {whose} masqueraded, {mapping}");
            (what, matches(source).jump(mark))
        })
        .collect();
    let to = SocketAddr::new(target.address.address(), mapping.container_port);
    let translate = matches(None).words(["-j", "DNAT", "--to-destination", &to.to_string()]);
    rules.push((format!("rule for {mapping}"), translate));
    rules
}

/// The sources of connections to masquerade; `None` for all.
fn masqueraded(target: &Target, whose: Masquerading) -> Vec<(&'static str, Option<Cidr>)> {
    let network = ("its network", Some(target.address.masked()));
    let localhost = Cidr::host(IpAddr::from(Ipv4Addr::LOCALHOST));
    match (whose, target.family()) {
        (Masquerading::Nobody, _) => vec![],
        (Masquerading::Everybody, _) => vec![("everybody", None)],
        (Masquerading::Neighbours, Family::V4) => vec![network, ("localhost", Some(localhost))],
        (Masquerading::Neighbours, Family::V6) => vec![network],
    }
}

/// The translation of a rule of a container's chain.
pub(super) fn forwarding(rule: &ListedRule) -> Option<Forwarding> {
    if rule.target() != Some("DNAT") {
        return None;
    }
    let protocol = rule.option("-p")?;
    let only = rule.option("-d").map(str::parse::<IpNetwork>);
    Some(Forwarding {
        transport: Transport::named(protocol)?,
        only: only.transpose().ok()?.map(|network| network.ip()),
        host_port: rule.option("--dport")?.parse().ok()?,
        to: rule.option("--to-destination")?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests;
