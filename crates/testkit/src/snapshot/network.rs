//! The network state of one namespace, read with the usual tools.

use serde_json::{Map, Value};

use crate::namespace::Namespace;
use crate::needs;
use crate::words::Words;

/// Flags of links that follow from others or change by themselves.
const VOLATILE_FLAGS: &[&str] = &["LOWER_UP", "NO-CARRIER", "M-DOWN"];
/// Keys of routes, rules and neighbours that change by themselves.
const VOLATILE_KEYS: &[&str] = &["flags", "expires", "age", "used", "users", "cacheinfo"];

pub(super) fn lines(namespace: &Namespace) -> Vec<String> {
    let mut lines = Vec::new();
    for link in json(namespace, "ip -j -d address show") {
        lines.push(link_line(&link));
        lines.extend(address_lines(&link));
    }
    for (name, command) in [
        ("route", "ip -j -d -4 route show table all"),
        ("route6", "ip -j -d -6 route show table all"),
        ("rule", "ip -j -d -4 rule show"),
        ("rule6", "ip -j -d -6 rule show"),
        ("neighbour", "ip -j neigh show nud permanent"),
        ("neighbour-proxy", "ip -j neigh show proxy"),
        ("bridge-vlan", "bridge -j vlan show"),
        ("qdisc", "tc -j qdisc show"),
    ] {
        let objects = json(namespace, command);
        lines.extend(
            objects
                .iter()
                .filter(|object| !is_automatic(object))
                .map(|object| {
                    let words = object.as_object().map(words_of).unwrap_or_default();
                    format!("{name} {words}")
                }),
        );
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

/// What a command prints, or nothing where the tool or the kernel's support for it is missing.
fn output(namespace: &Namespace, command: &str) -> String {
    let name = command.split(' ').next().unwrap_or_default();
    if !needs::is_on_search_path(name) {
        return String::new();
    }
    let outcome = namespace.exec(command.words());
    if outcome.status.success() {
        outcome.stdout
    } else {
        String::new()
    }
}

fn json(namespace: &Namespace, command: &str) -> Vec<Value> {
    let value = serde_json::from_str(&output(namespace, command)).unwrap_or(Value::Null);
    if let Value::Array(list) = value {
        list
    } else {
        Vec::new()
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
    // A bridge takes its address from its ports and counts many timers: only its switches matter.
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

/// Routes the kernel makes for itself, some time after a link comes up.
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

/// One line per rule, element list or property, after the table and chain it is in.
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

/// One line per chain and rule, after the table it is in; comments and counters left out.
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
