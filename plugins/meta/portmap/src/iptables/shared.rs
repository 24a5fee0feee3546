//! The chains and jumps that all containers share.

use ferrule_net::NetError;
use ferrule_netfilter::iptables::{IptablesError, ListedRule, Rule, TableChanges, Tool, Variant};
use ferrule_netfilter::nft::{self, Expression, Nft, Table, Verdict};

use super::TABLE;
use crate::config::{Marking, Masquerading, Plan};

/// The chain with the jumps to the chains of containers.
pub(super) const DNAT: &str = "CNI-HOSTPORT-DNAT";
/// The same for source translation in the Go plugin until 2018.
pub(super) const OLD_SNAT: &str = "CNI-HOSTPORT-SNAT";
/// Marks connections for masquerading.
pub(super) const SETMARK: &str = "CNI-HOSTPORT-SETMARK";
/// Masquerades marked connections.
const MASQ: &str = "CNI-HOSTPORT-MASQ";

/// Jumps: the kernel's chain, and the chain of the plugin.
const PREROUTING: (&str, &str) = ("PREROUTING", DNAT);
const OUTPUT: (&str, &str) = ("OUTPUT", DNAT);
const POSTROUTING: (&str, &str) = ("POSTROUTING", MASQ);
const ENTRIES: [(&str, &str); 3] = [PREROUTING, OUTPUT, POSTROUTING];

/// The existing part of them.
#[derive(Debug, Default)]
pub(super) struct Present {
    /// Whether the chain with the jumps to containers exists.
    dnat: bool,
    /// The chains of the kernel with a jump to ours.
    leading: Vec<&'static str>,
    /// Whether connections are marked and masqueraded by the configured bit only.
    marking: bool,
}

impl Present {
    /// Reads the tables; without a process if `nf_tables` holds them.
    pub(super) fn find(tool: &Tool, plan: &Plan) -> Result<Self, IptablesError> {
        if !tool.may_hold_rules(TABLE)? {
            return Ok(Self::default());
        }
        let mut leading = Vec::new();
        let bit = mark_bit(plan);
        let marking = match tool.variant() {
            Variant::Nft => {
                let nft = Nft::open()?;
                let table = Table::new(nft::Family::of(tool.family()), TABLE);
                for entry in ENTRIES {
                    if leads_to(&nft, table, entry)? {
                        leading.push(entry.0);
                    }
                }
                bit.map_or(Ok(true), |bit| marks(&nft, table, bit))?
            }
            Variant::Legacy | Variant::Unknown => {
                let rules = tool.rules_of_table(TABLE)?;
                let is_there = |rule: &ListedRule, (chain, target): (&str, &str)| {
                    rule.chain == chain && rule.target() == Some(target)
                };
                let found = |entry| rules.iter().any(|rule| is_there(rule, entry));
                leading.extend(
                    ENTRIES
                        .into_iter()
                        .filter(|one| found(*one))
                        .map(|one| one.0),
                );
                let only = |chain: &str, wanted: &Rule| {
                    let rules = || rules.iter().filter(|rule| rule.chain == chain);
                    rules().count() == 1 && rules().all(|rule| rule.rule == *wanted)
                };
                bit.is_none_or(|bit| only(SETMARK, &set_mark(bit)) && only(MASQ, &masquerade(bit)))
            }
        };
        let dnat = leading.iter().any(|chain| *chain != POSTROUTING.0);
        Ok(Self {
            dnat: dnat || tool.has_chain(TABLE, DNAT)?,
            leading,
            marking,
        })
    }

    /// Writes the missing part. Only connections to an address of this host enter the chain.
    pub(super) fn complete(&self, nat: &mut TableChanges, plan: &Plan) {
        if let Some(bit) = mark_bit(plan) {
            if !self.marking {
                // Written again: the configured bit may have changed.
                nat.new_chain(SETMARK).append(SETMARK, &set_mark(bit));
                nat.new_chain(MASQ).append(MASQ, &masquerade(bit));
            }
            if !self.leads(POSTROUTING) {
                // Before ipMasq, which accepts connections of the container's network.
                nat.insert(POSTROUTING.0, &to_masquerade());
            }
        }
        if !self.dnat {
            nat.create_chain(DNAT);
        }
        for entry in [PREROUTING, OUTPUT] {
            if !self.leads(entry) {
                nat.append(entry.0, &to_containers());
            }
        }
    }

    fn leads(&self, (chain, _): (&str, &str)) -> bool {
        self.leading.contains(&chain)
    }
}

/// Compares the rules with those that [`Present::complete`] writes.
pub(super) fn check(rules: &[ListedRule], plan: &Plan) -> Result<(), NetError> {
    for (chain, _) in [PREROUTING, OUTPUT] {
        expect(rules, chain, &to_containers())?;
    }
    if mark_bit(plan).is_none() {
        return Ok(());
    }
    expect(rules, POSTROUTING.0, &to_masquerade())?;
    // Another network may have changed the bit: the mark that is set must be the masqueraded one.
    let marks = |chain: &'static str, target: &'static str, option: &'static str| {
        let rules = rules
            .iter()
            .filter(move |rule| rule.chain == chain && rule.target() == Some(target));
        rules.filter_map(move |rule| rule.option(option))
    };
    let mut masqueraded = marks(MASQ, "MASQUERADE", "--mark");
    let Some(mark) = marks(SETMARK, "MARK", "--set-xmark").next() else {
        return Err(missing(SETMARK, "rule that marks for masquerading"));
    };
    if masqueraded.any(|other| other == mark) {
        return Ok(());
    }
    Err(missing(MASQ, &format!("rule that masquerades mark {mark}")))
}

/// Fails if a rule is not listed. The tools print these rules as they are written.
fn expect(rules: &[ListedRule], chain: &str, wanted: &Rule) -> Result<(), NetError> {
    if is_listed(rules, chain, wanted) {
        return Ok(());
    }
    Err(missing(chain, &format!("rule \"{wanted}\"")))
}

/// Whether a rule is listed.
pub(super) fn is_listed(rules: &[ListedRule], chain: &str, wanted: &Rule) -> bool {
    rules
        .iter()
        .any(|rule| rule.chain == chain && rule.rule == *wanted)
}

pub(super) fn missing(chain: &str, what: &str) -> NetError {
    let place = format_args!("chain {chain} of iptables table {TABLE}");
    crate::port_rules::missing(&place, what)
}

/// The bit of the mark, if connections are masqueraded by marking them.
fn mark_bit(plan: &Plan) -> Option<u32> {
    match (&plan.marking, plan.masquerading) {
        (_, Masquerading::Nobody) | (Marking::Chain(_), _) => None,
        (Marking::Bit(bit), _) => Some(*bit),
    }
}

fn to_containers() -> Rule {
    Rule::from_words(["-m", "addrtype", "--dst-type", "LOCAL"]).jump(DNAT)
}

fn to_masquerade() -> Rule {
    Rule::new()
        .comment("CNI portfwd requiring masquerade")
        .jump(MASQ)
}

fn mark(bit: u32) -> String {
    let mark = 1_u32 << bit;
    format!("{mark:#x}/{mark:#x}")
}

fn set_mark(bit: u32) -> Rule {
    Rule::new().comment("CNI portfwd masquerade mark").words([
        "-j",
        "MARK",
        "--set-xmark",
        &mark(bit),
    ])
}

fn masquerade(bit: u32) -> Rule {
    Rule::from_words(["-m", "mark", "--mark", &mark(bit)]).jump("MASQUERADE")
}

/// Whether a chain of `nf_tables` has a jump to another one.
fn leads_to(
    nft: &Nft,
    table: Table<'_>,
    (chain, target): (&str, &str),
) -> Result<bool, IptablesError> {
    let jump = Expression::Verdict(Verdict::Jump(target.to_owned()));
    let rules = nft.rules(table.chain(chain))?;
    Ok(rules.iter().any(|rule| rule.expressions.contains(&jump)))
}

/// Whether connections are marked and masqueraded by this bit only, in tables of `nf_tables`. Unknown
/// rules count as others.
fn marks(nft: &Nft, table: Table<'_>, bit: u32) -> Result<bool, IptablesError> {
    let mark = (1_u32 << bit).to_ne_bytes();
    // `struct xt_mark_tginfo2` and `xt_mark_mtinfo1` of linux/netfilter/xt_mark.h: mark, mask.
    let both = [mark, mark].concat();
    let sets = |one: &Expression| matches!(one, Expression::Target { name, revision: 2, data } if name == "MARK" && data.starts_with(&both));
    let tests = |one: &Expression| match one {
        Expression::Match { name, data, .. } => name == "mark" && data.starts_with(&both),
        Expression::Cmp { with, .. } => *with == mark,
        _ => false,
    };
    let only = |chain, fits: &dyn Fn(&Expression) -> bool| {
        let rules = nft.rules(table.chain(chain))?;
        let fitting = rules
            .iter()
            .filter(|rule| rule.expressions.iter().any(fits));
        Ok::<_, IptablesError>(rules.len() == 1 && fitting.count() == 1)
    };
    Ok(only(SETMARK, &sets)? && only(MASQ, &tests)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_one_bit_in_hexadecimal() {
        assert_eq!(mark(13), "0x2000/0x2000");
        assert_eq!(mark(0), "0x1/0x1");
        assert_eq!(mark(31), "0x80000000/0x80000000");
    }

    #[test]
    fn shared_rules_are_those_of_the_go_plugin() {
        assert_eq!(
            to_containers().to_string(),
            "-m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT"
        );
        assert_eq!(
            to_masquerade().to_string(),
            "-m comment --comment \"CNI portfwd requiring masquerade\" -j CNI-HOSTPORT-MASQ"
        );
        assert_eq!(
            set_mark(5).to_string(),
            "-m comment --comment \"CNI portfwd masquerade mark\" -j MARK --set-xmark 0x20/0x20"
        );
        assert_eq!(
            masquerade(5).to_string(),
            "-m mark --mark 0x20/0x20 -j MASQUERADE"
        );
    }
}
