//! The network state of one namespace, read with the usual tools.

use serde_json::{Deserializer, Map, Value};

use crate::namespace::Namespace;
use crate::needs::{self, Need};

/// Flags of links that depend on others or change by themselves.
const VOLATILE_FLAGS: &[&str] = &["LOWER_UP", "NO-CARRIER", "M-DOWN"];
/// Keys of routes, rules and neighbours that change by themselves.
const VOLATILE_KEYS: &[&str] = &["flags", "expires", "age", "used", "users", "cacheinfo"];

/// Commands of `ip`, and the prefix of their lines. They run in one process, as a process takes a
/// tenth of a second to start on the lab kernel.
const OF_BOTH_FAMILIES: &[(&str, &str)] = &[
    ("link", "address show"),
    ("neighbour", "neighbour show nud permanent"),
    ("neighbour-proxy", "neighbour show proxy"),
];
const OF_IPV4: &[(&str, &str)] = &[("route", "route show table all"), ("rule", "rule show")];
const OF_IPV6: &[(&str, &str)] = &[("route6", "route show table all"), ("rule6", "rule show")];

pub(super) fn lines(namespace: &Namespace) -> Vec<String> {
    let mut facts = ask(namespace, "ip -j -d -batch -", OF_BOTH_FAMILIES);
    facts.extend(ask(namespace, "ip -4 -j -d -batch -", OF_IPV4));
    if Need::Ipv6.is_met() {
        facts.extend(ask(namespace, "ip -6 -j -d -batch -", OF_IPV6));
    }
    facts.extend(optional(namespace, "bridge-vlan", "bridge -j vlan show"));
    facts.extend(optional(namespace, "qdisc", "tc -j qdisc show"));

    let mut lines = Vec::new();
    for (name, fact) in facts {
        if name == "link" {
            lines.push(link_line(&fact));
            lines.extend(address_lines(&fact));
        } else if !is_automatic(&fact) {
            let words = fact.as_object().map(words_of).unwrap_or_default();
            lines.push(format!("{name} {words}"));
        }
    }
    lines.extend(ruleset(&output(namespace, "nft -s list ruleset")));
    for tool in ["iptables", "ip6tables"] {
        lines.extend(saved_tables(
            tool,
            &output(namespace, &format!("{tool}-save")),
        ));
    }
    lines
}

/// The output of several commands of one `ip` process, which prints a list for each.
fn ask(
    namespace: &Namespace,
    command: &str,
    questions: &'static [(&str, &str)],
) -> Vec<(&'static str, Value)> {
    let input = questions
        .iter()
        .flat_map(|(_, question)| [question, "\n"])
        .collect::<String>();
    let outcome = namespace.exec_with_input(command, &input).succeeds();
    let answers = Deserializer::from_str(&outcome.stdout).into_iter::<Vec<Value>>();
    let answers = answers
        .collect::<Result<Vec<_>, _>>()
        .expect("ip -j prints JSON");
    assert_eq!(
        answers.len(),
        questions.len(),
        "a list per question from {outcome}"
    );
    let named = questions.iter().zip(answers);
    named
        .flat_map(|(&(name, _), list)| list.into_iter().map(move |fact| (name, fact)))
        .collect()
}

/// The entries of a list that a command prints; none if the tool or the kernel feature is missing.
fn optional(
    namespace: &Namespace,
    name: &'static str,
    command: &str,
) -> Vec<(&'static str, Value)> {
    let list = serde_json::from_str::<Vec<Value>>(&output(namespace, command));
    list.unwrap_or_default()
        .into_iter()
        .map(|fact| (name, fact))
        .collect()
}

/// The output of a command; empty if the tool or the kernel feature is missing.
fn output(namespace: &Namespace, command: &str) -> String {
    let name = command.split(' ').next().unwrap_or_default();
    if !needs::is_on_search_path(name) {
        return String::new();
    }
    let outcome = namespace.exec(command);
    if outcome.status.success() {
        outcome.stdout
    } else {
        String::new()
    }
}

fn link_line(link: &Value) -> String {
    let text = |key: &str| link[key].as_str().unwrap_or("-").to_owned();
    let flags = link["flags"].as_array().cloned().unwrap_or_default();
    let flags = flags
        .iter()
        .filter_map(Value::as_str)
        .filter(|flag| !VOLATILE_FLAGS.contains(flag));
    let info = &link["linkinfo"];
    let kind = info["info_kind"].as_str().unwrap_or("-");
    // A bridge takes its address from its ports and counts many timers: only its settings matter.
    let (mac, data) = if kind == "bridge" {
        (
            "-".to_owned(),
            info["info_data"]["vlan_filtering"].to_string(),
        )
    } else {
        (text("address"), info["info_data"].to_string())
    };
    let port = info["info_slave_data"].as_object().map(|port| {
        let switches = port.iter().filter(|(_, value)| value.is_boolean());
        switches
            .map(|(key, value)| format!("{key}={value}"))
            .collect::<Vec<_>>()
            .join(",")
    });
    format!(
        "link {} kind {kind} {data} master {} mtu {} mac {mac} promiscuity {} alias {:?} \
         other names {} flags {} port {}",
        text("ifname"),
        text("master"),
        link["mtu"],
        link["promiscuity"],
        text("ifalias"),
        link["altnames"],
        flags.collect::<Vec<_>>().join(","),
        port.unwrap_or_default(),
    )
}

fn address_lines(link: &Value) -> Vec<String> {
    let name = link["ifname"].as_str().unwrap_or("-");
    let addresses = link["addr_info"].as_array().cloned().unwrap_or_default();
    let own = addresses
        .iter()
        .filter(|address| !is_link_local(&address["local"]));
    own.map(|address| {
        let peer = address["address"]
            .as_str()
            .map(|peer| format!(" peer {peer}"));
        format!(
            "address {name} {}/{}{} scope {} label {} broadcast {}",
            address["local"].as_str().unwrap_or("-"),
            address["prefixlen"],
            peer.unwrap_or_default(),
            address["scope"].as_str().unwrap_or("-"),
            address["label"].as_str().unwrap_or("-"),
            address["broadcast"].as_str().unwrap_or("-"),
        )
    })
    .collect()
}

/// Routes that the kernel adds by itself some time after a link comes up.
fn is_automatic(object: &Value) -> bool {
    is_link_local(&object["dst"])
}

fn is_link_local(address: &Value) -> bool {
    let is_own = |text: &str| text.starts_with("fe80:") || text.starts_with("ff00:");
    address.as_str().is_some_and(is_own)
}

fn words_of(object: &Map<String, Value>) -> String {
    let lasting = object
        .iter()
        .filter(|(key, _)| !VOLATILE_KEYS.contains(&key.as_str()));
    let words = lasting.map(|(key, value)| match value {
        Value::String(text) => format!("{key} {text}"),
        other => format!("{key} {other}"),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// One line per rule, element list or property, after its table and chain.
fn ruleset(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut blocks = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_suffix(" {") {
            blocks.push(name.to_owned());
            lines.push(format!("nft {}", blocks.join(" ")));
        } else if line == "}" {
            blocks.pop();
        } else {
            lines.push(format!("nft {} | {line}", blocks.join(" ")));
        }
    }
    lines
}

/// One line per chain and rule, after its table, without comments and counters.
fn saved_tables(tool: &str, text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut table = "";
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('*') {
            table = name;
        } else if line.starts_with('-') || line.starts_with(':') {
            let lasting = line.split(" [").next().unwrap_or(line);
            lines.push(format!("{tool} {table} {lasting}"));
        }
    }
    lines
}
