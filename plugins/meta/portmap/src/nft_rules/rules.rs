//! The rules of one container.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use cni_types::{Cidr, Error};
use ferrule_kernel::{Family, IpNetwork};
use ferrule_netfilter::nft::{self, Rule};

use super::condition;
use crate::config::{Masquerading, Plan};
use crate::target::Target;

/// A rule to write or to compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DesiredRule {
    /// Its purpose, for errors.
    pub(crate) what: String,
    pub(crate) rule: Rule,
    /// Rules of the Go plugin with the same purpose.
    pub(crate) equivalents: Vec<Rule>,
    /// Whether it is for one address of the host, and so precedes others.
    pub(crate) only: bool,
}

/// The rules of the container's mappings: one each, or one per alternative condition.
pub(crate) fn mappings(target: &Target, plan: &Plan) -> Result<Vec<DesiredRule>, Error> {
    let family = target.family();
    let starts = condition::rules(plan.conditions.of(family), family)?;
    let mut wanted = Vec::new();
    for mapping in target.mappings(plan) {
        let to = SocketAddr::new(target.address.address(), mapping.container_port);
        for rule in starts.iter().cloned() {
            let rule = match mapping.only() {
                Some(address) => rule.destination(IpNetwork::from(address)),
                None => rule,
            };
            wanted.push(DesiredRule {
                what: format!("rule for {mapping}"),
                rule: rule
                    .destination_port(mapping.transport, mapping.host_port)
                    .destination_nat(to),
                equivalents: vec![],
                only: mapping.only().is_some(),
            });
        }
    }
    Ok(wanted)
}

/// The rules that masquerade mapped connections whose replies would not return through the host.
///
/// Unlike those of the Go plugin they do not masquerade other connections, and they apply to the whole
/// network of the container, as the iptables rules of both plugins do.
pub(crate) fn masquerading(target: &Target, plan: &Plan) -> Vec<DesiredRule> {
    let family = target.family();
    let address = target.address;
    let start = || Rule::new(nft::Family::of(family));
    let to_container = |rule: Rule| rule.destination(Cidr::host(address.address()).network());
    let wanted = |source: Option<Cidr>, equivalents: Cidr, what: &str| DesiredRule {
        what: format!("rule that masquerades {what} to {}", address.address()),
        rule: to_container(match source {
            Some(source) => start().source(source.network()),
            None => start(),
        })
        .destination_was_translated()
        .masquerade(),
        equivalents: vec![to_container(start().source(equivalents.network())).masquerade()],
        only: false,
    };
    let neighbours = || {
        let itself = Cidr::host(address.address());
        wanted(Some(address.masked()), itself, "connections of its network")
    };
    let localhost = || {
        let localhost = Cidr::host(IpAddr::from(Ipv4Addr::LOCALHOST));
        wanted(Some(localhost), localhost, "connections of localhost")
    };
    match (plan.masquerading, family) {
        (Masquerading::Nobody, _) => vec![],
        (Masquerading::Neighbours, Family::V4) => vec![neighbours(), localhost()],
        (Masquerading::Neighbours, Family::V6) => vec![neighbours()],
        (Masquerading::Everybody, _) => {
            let all = Cidr::default_route(address.address());
            vec![wanted(None, all, "connections of everybody")]
        }
    }
}

#[cfg(test)]
mod tests {
    use ferrule_netfilter::nft::Transport::{Sctp, Tcp, Udp};

    use super::*;
    use crate::config::Config;

    fn plan(text: &str) -> Plan {
        let node = cni_types::json::JsonValue::read(text.as_bytes()).unwrap();
        Plan::new(&node.decode::<Config>().unwrap()).unwrap()
    }

    fn target(address: &str) -> Target {
        Target {
            address: address.parse().unwrap(),
        }
    }

    fn network(text: &str) -> IpNetwork {
        text.parse().unwrap()
    }

    #[test]
    fn each_mapping_becomes_a_rule_and_those_of_one_address_come_first() {
        let plan = plan(
            r#"{"runtimeConfig": {"portMappings": [
                {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"},
                {"hostPort": 53, "containerPort": 5353, "protocol": "udp", "hostIP": "192.0.2.1"},
                {"hostPort": 9, "containerPort": 9, "protocol": "sctp", "hostIP": "::"}]}}"#,
        );
        let to = |text: &str| -> SocketAddr { text.parse().unwrap() };
        let v4 = mappings(&target("10.1.0.2/16"), &plan).unwrap();
        let start = || Rule::new(nft::Family::Ipv4);
        let rules: Vec<Rule> = v4.iter().map(|wanted| wanted.rule.clone()).collect();
        assert_eq!(
            rules,
            [
                start()
                    .destination(network("192.0.2.1/32"))
                    .destination_port(Udp, 53)
                    .destination_nat(to("10.1.0.2:5353")),
                start()
                    .destination_port(Tcp, 8080)
                    .destination_nat(to("10.1.0.2:80")),
            ]
        );
        assert_eq!(v4.iter().map(|w| w.only).collect::<Vec<_>>(), [true, false]);
        assert_eq!(v4[1].what, "rule for tcp port 8080 to container port 80");
        let v6 = mappings(&target("fd00::2/64"), &plan).unwrap();
        let start = || Rule::new(nft::Family::Ipv6);
        let rules: Vec<Rule> = v6.into_iter().map(|wanted| wanted.rule).collect();
        assert_eq!(
            rules,
            [
                start()
                    .destination_port(Tcp, 8080)
                    .destination_nat(to("[fd00::2]:80")),
                start()
                    .destination_port(Sctp, 9)
                    .destination_nat(to("[fd00::2]:9")),
            ]
        );
    }

    #[test]
    fn conditions_belong_to_the_container_and_alternatives_make_more_rules() {
        let plan = plan(
            r#"{"backend": "nftables", "conditionsV4": ["ip", "saddr", "{ 10.0.0.1, 10.0.0.2 }"],
                "runtimeConfig": {"portMappings": [
                {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}}"#,
        );
        let v4 = mappings(&target("10.1.0.2/16"), &plan).unwrap();
        assert_eq!(v4.len(), 2);
        assert_eq!(mappings(&target("fd00::2/64"), &plan).unwrap().len(), 1);
    }

    #[test]
    fn only_mapped_connections_are_masqueraded() {
        let rule = |source: Option<&str>, to: &str, family| {
            let start = Rule::new(family);
            match source {
                Some(source) => start.source(network(source)),
                None => start,
            }
            .destination(network(to))
            .destination_was_translated()
            .masquerade()
        };
        let rules = |text: &str, address: &str| -> Vec<Rule> {
            let wanted = masquerading(&target(address), &plan(text));
            wanted.into_iter().map(|wanted| wanted.rule).collect()
        };
        let (ip, ip6) = (nft::Family::Ipv4, nft::Family::Ipv6);
        assert_eq!(
            rules("{}", "10.1.0.2/16"),
            [
                rule(Some("10.1.0.0/16"), "10.1.0.2", ip),
                rule(Some("127.0.0.1"), "10.1.0.2", ip)
            ]
        );
        assert_eq!(
            rules("{}", "fd00::2/64"),
            [rule(Some("fd00::/64"), "fd00::2", ip6)]
        );
        let all = r#"{"masqAll": true}"#;
        assert_eq!(rules(all, "10.1.0.2/16"), [rule(None, "10.1.0.2", ip)]);
        assert_eq!(rules(r#"{"snat": false}"#, "10.1.0.2/16"), []);
    }
}
