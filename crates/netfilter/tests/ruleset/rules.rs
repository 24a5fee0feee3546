//! Rules with the tool's text for them. The unit tests compare their messages with those of the tool,
//! the tests on a kernel what the tool prints.

use ferrule_kernel::IpNetwork;

use super::{ConntrackState, Family, Rule, Transport};

/// An empty rule for a table of the family `inet`.
pub(crate) fn inet() -> Rule {
    Rule::new(Family::Inet)
}

pub(crate) fn network(text: &str) -> IpNetwork {
    text.parse().unwrap()
}

/// Each text is what the tool reads and prints.
pub(crate) fn rules() -> Vec<(&'static str, Rule)> {
    vec![
        (
            r#"ip saddr 10.1.2.3 ip daddr != 10.1.2.0/24 masquerade comment "mine""#,
            inet()
                .source(network("10.1.2.3/32"))
                .destination_outside(network("10.1.2.3/24"))
                .masquerade()
                .with_comment("mine"),
        ),
        (
            "ip daddr 224.0.0.0/4 return",
            inet()
                .destination(network("224.0.0.0/4"))
                .return_to_caller(),
        ),
        (
            "ip6 saddr fe80::/10 drop",
            inet().source(network("fe80::/10")).drop(),
        ),
        (
            "fib daddr type local tcp dport 80 dnat ip to 10.0.0.3:8080",
            inet()
                .destination_is_local()
                .destination_port(Transport::Tcp, 80)
                .destination_nat("10.0.0.3:8080".parse().unwrap()),
        ),
        (
            "udp dport 53 dnat ip6 to [fd00::3]:5353",
            inet()
                .destination_port(Transport::Udp, 53)
                .destination_nat("[fd00::3]:5353".parse().unwrap()),
        ),
        (
            "ct state established,related accept",
            inet()
                .conntrack_state(ConntrackState::ESTABLISHED | ConntrackState::RELATED)
                .accept(),
        ),
        (
            "ct status dnat masquerade",
            inet().destination_was_translated().masquerade(),
        ),
    ]
}
