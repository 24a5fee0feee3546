//! Which rules there have to be, for iptables and where `nf_tables` holds iptables' tables.
//!
//! ```text
//! FORWARD                 -j CNI-ISOLATION-STAGE-1      with an ingress policy, before all others
//!                         -j CNI-FORWARD
//! CNI-FORWARD             -j CNI-ADMIN                  the administrator's own rules
//!                         -s <address>/32 -j ACCEPT
//!                         -d <address>/32 … RELATED,ESTABLISHED -j ACCEPT
//! CNI-ISOLATION-STAGE-1   -i <bridge> -o <bridge> -j DROP                       isolated alone
//!                         -i <bridge> ! -o <bridge> -j CNI-ISOLATION-STAGE-2
//!                         -j RETURN
//! CNI-ISOLATION-STAGE-2   -o <bridge> -j DROP
//!                         -j RETURN
//! ```

use std::net::IpAddr;

use crate::arrange::Wanted;
use crate::config::Policy;
use crate::form::Form;

/// The chain packets to be forwarded go through.
pub(crate) const FORWARD: &str = "FORWARD";
/// The plugin's chain of what is let through.
pub(crate) const ACCEPTING: &str = "CNI-FORWARD";
/// The plugin's chains of what is not.
pub(crate) const STAGE_1: &str = "CNI-ISOLATION-STAGE-1";
pub(crate) const STAGE_2: &str = "CNI-ISOLATION-STAGE-2";

/// Comments, word by word those of the Go plugin.
pub(crate) const RULES_COMMENT: &str = "CNI firewall plugin rules";
pub(crate) const ADMIN_COMMENT: &str = "CNI firewall plugin admin overrides";
pub(crate) const ISOLATION_COMMENT: &str =
    "CNI firewall plugin rules (ingressPolicy: same-bridge|isolated)";

/// The comment on the rules of one policy for one bridge.
fn policy_comment(policy: Policy) -> String {
    format!("{RULES_COMMENT} (ingressPolicy: {})", policy.name())
}

/// A bridge and who may send to its containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Isolation<'a> {
    pub(crate) bridge: &'a str,
    pub(crate) policy: Policy,
    /// Whether the rule that isolates its containers from each other stays although the policy
    /// does not ask for it: another network of the bridge may.
    pub(crate) keep_isolated: bool,
}

/// The rule that leads to the accepting chain.
pub(crate) fn to_accepting() -> Form {
    Form::target(ACCEPTING).with_comment(RULES_COMMENT)
}

/// The rule that leads to the isolating chains.
pub(crate) fn to_isolating() -> Form {
    with_isolation_comment(Form::target(STAGE_1))
}

/// Before 1.7.0 the Go plugin knew one policy and put its comment on all rules.
fn with_isolation_comment(form: Form) -> Form {
    form.with_comment(ISOLATION_COMMENT)
        .or_comment(&policy_comment(Policy::SameBridge))
}

/// The rules of one address.
///
/// The Go plugin makes them in the other order. It does not care, and so it can be told who made
/// them.
pub(crate) fn of_address(address: IpAddr) -> [Form; 2] {
    [Form::accept_from(address), Form::accept_answers_to(address)]
}

/// The chains that let addresses through.
pub(crate) fn accepting(admin_chain: &str, addresses: &[IpAddr]) -> [Wanted<Form>; 2] {
    let to_admin = Form::target(admin_chain).with_comment(ADMIN_COMMENT);
    let rules = addresses.iter().flat_map(|address| of_address(*address));
    [
        Wanted::chain(admin_chain),
        Wanted {
            first: vec![to_admin],
            then: rules.collect(),
            ..Wanted::chain(ACCEPTING)
        },
    ]
}

/// The chains that isolate a bridge.
pub(crate) fn isolating(isolation: &Isolation<'_>) -> [Wanted<Form>; 2] {
    let bridge = isolation.bridge;
    let comment = policy_comment(isolation.policy);
    let elsewhere = |comment: &str| {
        Form::target(STAGE_2)
            .entering(bridge)
            .not_leaving(bridge)
            .with_comment(comment)
    };
    let isolated_comment = policy_comment(Policy::Isolated);
    let between = Form::target("DROP")
        .entering(bridge)
        .leaving(bridge)
        .with_comment(&isolated_comment);
    let end = with_isolation_comment(Form::target("RETURN"));
    let mut stage_1 = Wanted {
        first: vec![elsewhere(&comment)],
        then: vec![end.clone()],
        ..Wanted::chain(STAGE_1)
    };
    if isolation.policy == Policy::Isolated {
        stage_1.first.insert(0, between);
    } else if !isolation.keep_isolated {
        stage_1.never = vec![between, elsewhere(&isolated_comment)];
    }
    let into = with_isolation_comment(Form::target("DROP").leaving(bridge));
    let stage_2 = Wanted {
        first: vec![into],
        then: vec![end],
        ..Wanted::chain(STAGE_2)
    };
    [stage_1, stage_2]
}

/// The chain that leads to the others. Whatever the plugin put there for another network counts
/// for the order, too: its jump to the isolating chains must not fall behind.
pub(crate) fn forward(
    chain: &str,
    accept: bool,
    isolate: bool,
    has: impl Fn(&Form) -> bool,
) -> Wanted<Form> {
    let candidates = [(to_isolating(), isolate), (to_accepting(), accept)];
    let wanted = candidates
        .into_iter()
        .filter(|(form, required)| *required || has(form));
    Wanted {
        first: wanted.map(|(form, _)| form).collect(),
        ..Wanted::chain(chain)
    }
}

#[cfg(test)]
mod tests {
    use ferrule_kernel::Family;

    use super::*;

    fn text(wanted: &Wanted<Form>) -> Vec<String> {
        let rules = wanted.first.iter().chain(&wanted.then);
        rules
            .map(|form| format!("-A {} {}", wanted.chain, form.prepare(Family::V4)))
            .collect()
    }

    #[test]
    fn the_accepting_chain_asks_the_administrator_first() {
        let [admin, accepting] = accepting("CNI-ADMIN", &["10.1.2.3".parse().unwrap()]);
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
            let [first, second] = isolating(&isolation);
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
            let wanted = forward("FORWARD", accept, isolate, |_| has);
            let rules = text(&wanted);
            let target = |rule: &String| rule.rsplit(' ').next().unwrap().to_owned();
            rules.iter().map(target).collect::<Vec<_>>()
        };
        assert_eq!(chains(true, false, false), [ACCEPTING]);
        assert_eq!(chains(true, false, true), [STAGE_1, ACCEPTING]);
        assert_eq!(chains(true, true, false), [STAGE_1, ACCEPTING]);
        assert_eq!(chains(false, true, false), [STAGE_1]);
    }
}
