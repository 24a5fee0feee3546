//! The chains of the iptables back end, and of tables of `nf_tables` that iptables' tools share.
//!
//! ```text
//! FORWARD                 -j CNI-ISOLATION-STAGE-1      with an ingress policy, before all others
//!                         -j CNI-FORWARD
//! CNI-FORWARD             -j CNI-ADMIN                  the administrator's own rules
//!                         -s <address>/32 -j ACCEPT
//!                         -d <address>/32 … RELATED,ESTABLISHED -j ACCEPT
//! CNI-ISOLATION-STAGE-1   -i <bridge> -o <bridge> -j DROP                       isolated only
//!                         -i <bridge> ! -o <bridge> -j CNI-ISOLATION-STAGE-2
//!                         -j RETURN
//! CNI-ISOLATION-STAGE-2   -o <bridge> -j DROP
//!                         -j RETURN
//! ```

use std::net::IpAddr;

use ferrule_kernel::Family;

use crate::config::Policy;
use crate::reconcile::DesiredChain;
use crate::rule::Rule;

/// The chain of forwarded packets.
pub(crate) const FORWARD: &str = "FORWARD";
/// The plugin's chain of accepted packets.
pub(crate) const ACCEPTING: &str = "CNI-FORWARD";
/// The plugin's chains of dropped packets.
pub(crate) const STAGE_1: &str = "CNI-ISOLATION-STAGE-1";
pub(crate) const STAGE_2: &str = "CNI-ISOLATION-STAGE-2";

/// The comments of the Go plugin.
pub(crate) const RULES_COMMENT: &str = "CNI firewall plugin rules";
pub(crate) const ADMIN_COMMENT: &str = "CNI firewall plugin admin overrides";
pub(crate) const ISOLATION_COMMENT: &str =
    "CNI firewall plugin rules (ingressPolicy: same-bridge|isolated)";

/// The comment on the rules of one policy for one bridge.
fn policy_comment(policy: Policy) -> String {
    format!("{RULES_COMMENT} (ingressPolicy: {})", policy.name())
}

/// The policy of a bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Isolation<'a> {
    pub(crate) bridge: &'a str,
    pub(crate) policy: Policy,
    /// Whether another network of the bridge has the policy `isolated`: its rule then stays.
    pub(crate) keep_isolated: bool,
}

/// The jump to the accepting chain.
fn to_accepting(family: Family) -> Rule {
    Rule::new(family).comment(RULES_COMMENT).jump(ACCEPTING)
}

/// The jump to the isolating chains.
fn to_isolating(family: Family) -> Rule {
    with_isolation_comment(Rule::new(family)).jump(STAGE_1)
}

/// Before 1.7.0 the Go plugin had one policy, whose comment was on all rules.
fn with_isolation_comment(rule: Rule) -> Rule {
    rule.comment_or(ISOLATION_COMMENT, &policy_comment(Policy::SameBridge))
}

/// The rules of one address.
///
/// The Go plugin writes them in the other order. Both orders work, and the order shows which plugin
/// wrote them.
pub(crate) fn of_address(address: IpAddr) -> [Rule; 2] {
    [Rule::accept_from(address), Rule::accept_replies_to(address)]
}

/// The chains that accept packets of addresses of one family.
pub(crate) fn accepting(
    family: Family,
    admin_chain: &str,
    addresses: &[IpAddr],
) -> [DesiredChain<Rule>; 2] {
    let to_admin = Rule::new(family).comment(ADMIN_COMMENT).jump(admin_chain);
    let rules = addresses.iter().flat_map(|address| of_address(*address));
    [
        DesiredChain::empty(admin_chain),
        DesiredChain {
            first: vec![to_admin],
            then: rules.collect(),
            ..DesiredChain::empty(ACCEPTING)
        },
    ]
}

/// The chains that isolate a bridge.
pub(crate) fn isolating(family: Family, isolation: &Isolation<'_>) -> [DesiredChain<Rule>; 2] {
    let bridge = isolation.bridge;
    let rule = || Rule::new(family);
    let elsewhere = |policy| {
        rule()
            .in_interface(bridge)
            .out_interface_other_than(bridge)
            .comment(&policy_comment(policy))
            .jump(STAGE_2)
    };
    let between = rule()
        .in_interface(bridge)
        .out_interface(bridge)
        .comment(&policy_comment(Policy::Isolated))
        .jump("DROP");
    let end = with_isolation_comment(rule()).jump("RETURN");
    let mut stage_1 = DesiredChain {
        first: vec![elsewhere(isolation.policy)],
        then: vec![end.clone()],
        ..DesiredChain::empty(STAGE_1)
    };
    if isolation.policy == Policy::Isolated {
        stage_1.first.insert(0, between);
    } else if !isolation.keep_isolated {
        stage_1.never = vec![between, elsewhere(Policy::Isolated)];
    }
    let into = with_isolation_comment(rule().out_interface(bridge)).jump("DROP");
    let stage_2 = DesiredChain {
        first: vec![into],
        then: vec![end],
        ..DesiredChain::empty(STAGE_2)
    };
    [stage_1, stage_2]
}

/// The chain that jumps to the others. A jump that was added for another network also counts for the
/// order: the one to the isolating chains must stay first.
pub(crate) fn forward(
    family: Family,
    chain: &str,
    accept: bool,
    isolate: bool,
    has: impl Fn(&Rule) -> bool,
) -> DesiredChain<Rule> {
    let candidates = [
        (to_isolating(family), isolate),
        (to_accepting(family), accept),
    ];
    let desired = candidates
        .into_iter()
        .filter(|(rule, required)| *required || has(rule));
    DesiredChain {
        first: desired.map(|(rule, _)| rule).collect(),
        ..DesiredChain::empty(chain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(desired: &DesiredChain<Rule>) -> Vec<String> {
        let rules = desired.first.iter().chain(&desired.then);
        rules
            .map(|rule| format!("-A {} {rule}", desired.chain))
            .collect()
    }

    #[test]
    fn the_accepting_chain_asks_the_administrator_first() {
        let [admin, accepting] = accepting(Family::V4, "CNI-ADMIN", &["10.1.2.3".parse().unwrap()]);
        assert_eq!(text(&admin), Vec::<String>::new());
        assert_eq!(
            text(&accepting),
            [
                r#"-A CNI-FORWARD -m comment --comment "CNI firewall plugin admin overrides" -j CNI-ADMIN"#,
                "-A CNI-FORWARD -s 10.1.2.3/32 -j ACCEPT",
                "-A CNI-FORWARD -d 10.1.2.3/32 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
            ]
        );
    }

    #[test]
    fn each_policy_has_the_rules_of_the_go_plugin() {
        let rules = |policy, keep_isolated| {
            let isolation = Isolation {
                bridge: "br",
                policy,
                keep_isolated,
            };
            let [first, second] = isolating(Family::V4, &isolation);
            (text(&first), text(&second), first.never.len())
        };
        let (stage_1, stage_2, never) = rules(Policy::Isolated, false);
        assert_eq!(
            stage_1,
            [
                r#"-A CNI-ISOLATION-STAGE-1 -i br -o br -m comment --comment "CNI firewall plugin rules (ingressPolicy: isolated)" -j DROP"#,
                r#"-A CNI-ISOLATION-STAGE-1 -i br ! -o br -m comment --comment "CNI firewall plugin rules (ingressPolicy: isolated)" -j CNI-ISOLATION-STAGE-2"#,
                r#"-A CNI-ISOLATION-STAGE-1 -m comment --comment "CNI firewall plugin rules (ingressPolicy: same-bridge|isolated)" -j RETURN"#,
            ]
        );
        assert_eq!(
            stage_2,
            [
                r#"-A CNI-ISOLATION-STAGE-2 -o br -m comment --comment "CNI firewall plugin rules (ingressPolicy: same-bridge|isolated)" -j DROP"#,
                r#"-A CNI-ISOLATION-STAGE-2 -m comment --comment "CNI firewall plugin rules (ingressPolicy: same-bridge|isolated)" -j RETURN"#,
            ]
        );
        assert_eq!(never, 0);
        let (stage_1, _, never) = rules(Policy::SameBridge, false);
        assert!(stage_1[0].contains("(ingressPolicy: same-bridge)\" -j CNI-ISOLATION-STAGE-2"));
        assert_eq!((stage_1.len(), never), (2, 2));
        assert_eq!(rules(Policy::SameBridge, true).2, 0);
    }

    #[test]
    fn isolating_stays_in_front_even_if_this_network_does_not_ask_for_it() {
        let chains = |accept, isolate, has: bool| {
            let desired = forward(Family::V4, "FORWARD", accept, isolate, |_| has);
            let rules = text(&desired);
            let target = |rule: &String| rule.rsplit(' ').next().unwrap().to_owned();
            rules.iter().map(target).collect::<Vec<_>>()
        };
        assert_eq!(chains(true, false, false), [ACCEPTING]);
        assert_eq!(chains(true, false, true), [STAGE_1, ACCEPTING]);
        assert_eq!(chains(true, true, false), [STAGE_1, ACCEPTING]);
        assert_eq!(chains(false, true, false), [STAGE_1]);
    }
}
