//! Rules of the packet filters that are about the container: those that name it, an address of it or a
//! link of it on the host, and the chains that only such rules lead to.

use std::collections::BTreeSet;

use ferrule_kernel::Family;
use ferrule_netfilter::iptables::{IptablesError, Tool, Variant};
use ferrule_netfilter::nft::{self, Nft};

use serde_json::Value;

use super::section::Section;
use super::subject::Subject;

/// The tables of iptables.
const TABLES: [&str; 5] = ["raw", "mangle", "nat", "filter", "security"];

/// A rule of either packet filter.
struct Line {
    chain: String,
    /// The chains that it leads to.
    targets: Vec<String>,
    text: String,
}

pub(super) fn sections(subject: &Subject) -> [Section; 2] {
    let mut iptables = Section::new("iptables", &["tool", "table", "rule"]);
    let mut nftables = Section::new("nftables", &["table", "chain", "set", "rule"]);
    let tools: Vec<Tool> = [Family::V4, Family::V6]
        .into_iter()
        .flat_map(Tool::installed)
        .collect();
    if tools.is_empty() {
        iptables.fault("iptables is not installed".to_owned());
    }
    for family in [Family::V4, Family::V6] {
        let of_family = tools.iter().filter(|tool| tool.family() == family);
        for (place, tool) in of_family.enumerate() {
            list_iptables(&mut iptables, subject, tool, place == 0);
        }
    }
    let managed = |table: &nft::ListedTable| {
        let writes_there = |tool: &&Tool| {
            nft::Family::of(tool.family()) == table.family && tool.variant() != Variant::Legacy
        };
        TABLES.contains(&table.name.as_str()) && tools.iter().any(|tool| writes_there(&tool))
    };
    match Nft::open_if_supported() {
        Err(error) => nftables.fault(error.to_string()),
        Ok(None) => nftables.fault("the kernel has no nf_tables".to_owned()),
        Ok(Some(nft)) => {
            let tables = nftables.note(nft.tables()).unwrap_or_default();
            for table in tables.iter().filter(|table| !managed(table)) {
                list_nftables(&mut nftables, subject, &nft, table);
            }
        }
    }
    [iptables, nftables]
}

fn list_iptables(section: &mut Section, subject: &Subject, tool: &Tool, is_default: bool) {
    let base = match tool.family() {
        Family::V4 => "iptables",
        Family::V6 => "ip6tables",
    };
    let name = match tool.variant() {
        Variant::Nft => format!("{base}-nft"),
        Variant::Legacy => format!("{base}-legacy"),
        Variant::Unknown => base.to_owned(),
    };
    // The listings below wait for the lock as long as it takes.
    if let Err(error) = tool.probe() {
        section.fault(format!("{name}: {error}"));
        return;
    }
    for table in TABLES {
        if !tool.may_hold_rules(table).unwrap_or(true) {
            continue;
        }
        let listed = if is_default {
            by_crate(tool.family(), table)
        } else {
            None
        };
        let listed = listed.map_or_else(|| by_tool(tool, table), Ok);
        let Some(lines) = section.note(listed.map_err(|error| format!("{name}: {error}"))) else {
            continue;
        };
        for line in own(lines, subject) {
            section.row([name.clone().into(), table.into(), line.text.into()]);
        }
    }
}

/// The rules of a table as the command `iptables` of the search path lists them; none if it cannot.
fn by_crate(family: Family, table: &str) -> Option<Vec<Line>> {
    let tool = iptables::new(family == Family::V6).ok()?;
    let lines = tool.list_table(table).ok()?;
    let rules = lines.into_iter().filter(|line| line.starts_with("-A "));
    Some(rules.map(iptables_line).collect())
}

/// The same of another variant.
fn by_tool(tool: &Tool, table: &str) -> Result<Vec<Line>, IptablesError> {
    let rules = tool.rules_of_table(table)?;
    let line = |listed: &ferrule_netfilter::iptables::ListedRule| {
        iptables_line(format!("-A {} {}", listed.chain, listed.rule))
    };
    Ok(rules.iter().map(line).collect())
}

fn iptables_line(text: String) -> Line {
    let words: Vec<&str> = text.split_whitespace().collect();
    let behind = |option: &str| {
        let place = words.iter().rposition(|word| *word == option)?;
        words.get(place + 1).map(|word| (*word).to_owned())
    };
    Line {
        chain: behind("-A").unwrap_or_default(),
        targets: behind("-j").or_else(|| behind("-g")).into_iter().collect(),
        text,
    }
}

fn list_nftables(section: &mut Section, subject: &Subject, nft: &Nft, listed: &nft::ListedTable) {
    let table = listed.table();
    let name = format!("{} {}", listed.family, listed.name);
    let mut lines = Vec::new();
    for chain in section.note(nft.chains(table)).unwrap_or_default() {
        let rules = section.note(nft.rules(table.chain(&chain.name)));
        lines.extend(rules.into_iter().flatten().map(|rule| Line {
            chain: chain.name.clone(),
            targets: rule.targets().map(str::to_owned).collect(),
            text: rule.to_string(),
        }));
    }
    for line in own(lines, subject) {
        section.row([
            name.clone().into(),
            line.chain.into(),
            Value::Null,
            line.text.into(),
        ]);
    }
    for set in section.note(nft.sets(table)).unwrap_or_default() {
        let elements = section.note(nft.elements(table.set(&set.name)));
        for element in elements.into_iter().flatten() {
            let text = element.describe(&set.key, &set.data);
            if subject.is_mentioned(&text) {
                section.row([
                    name.clone().into(),
                    Value::Null,
                    set.name.clone().into(),
                    text.into(),
                ]);
            }
        }
    }
}

/// The rules of a table that are about the container, in their order.
fn own(lines: Vec<Line>, subject: &Subject) -> Vec<Line> {
    let mut is_own: Vec<bool> = lines
        .iter()
        .map(|line| subject.is_mentioned(&line.text))
        .collect();
    loop {
        let mut chains: BTreeSet<&str> = BTreeSet::new();
        for (line, own) in lines.iter().zip(&is_own) {
            if *own {
                chains.extend(line.targets.iter().map(String::as_str));
            }
        }
        for (line, own) in lines.iter().zip(&is_own) {
            if !own {
                for target in &line.targets {
                    chains.remove(target.as_str());
                }
            }
        }
        let mut is_changed = false;
        for (line, own) in lines.iter().zip(&mut is_own) {
            if !*own && chains.contains(line.chain.as_str()) {
                *own = true;
                is_changed = true;
            }
        }
        if !is_changed {
            break;
        }
    }
    let pairs = lines.into_iter().zip(is_own);
    pairs
        .filter(|(_, own)| *own)
        .map(|(line, _)| line)
        .collect()
}
