//! Comparison of our plugin with the Go plugin: the same request on the same host state.

use ferrule_testkit::{Call, Host, Namespace, Outcome};
use serde::Serialize as _;
use serde_json::ser::PrettyFormatter;
use serde_json::{Value, json};

use crate::Network;

/// Output and effects of an ADD, with random values replaced by words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// Standard output, byte by byte.
    pub output: String,
    /// The network state of host and container, as lines.
    pub network: Vec<String>,
}

/// Asserts that both printed the same bytes and, if they succeeded, have the same network state.
///
/// After a failure only the output is compared, as the Go plugins may leave changes.
///
/// # Panics
/// If they differ, with the lines that do.
#[track_caller]
pub fn assert_alike(network: &Network, ours: &Trace, theirs: &Trace) {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let mut difference = difference(&lines(&ours.output), &lines(&theirs.output));
    if difference.is_empty() && !ours.output.contains("\"code\"") {
        difference = self::difference(&ours.network, &theirs.network);
    }
    let alike = difference.is_empty() && ours.output == theirs.output;
    assert!(
        alike,
        "(+ ours, - theirs) for {}\n{}",
        network.config,
        difference.join("\n")
    );
}

fn difference(ours: &[String], theirs: &[String]) -> Vec<String> {
    let only = |sign: char, these: &[String], those: &[String]| {
        let lines = these.iter().filter(|line| !those.contains(line));
        lines
            .map(|line| format!("{sign} {line}"))
            .collect::<Vec<_>>()
    };
    [only('+', ours, theirs), only('-', theirs, ours)].concat()
}

/// The newest version that the Go plugins of Debian support.
const PEER_NEWEST: &str = "1.0.0";

/// Runs ADD, then DEL, of ours and of the Go plugin of the same name.
///
/// Debian's Go plugins do not support 1.1.0 and get 1.0.0 instead; the results differ only in the
/// version. From 1.0.0 on current Go plugins sort the keys and omit an empty `dns`, which Debian's do
/// not: their output is converted to that form.
///
/// # Panics
/// If the configuration has no version.
pub fn side_by_side(host: &Host, network: &Network) -> (Trace, Trace) {
    let version = network.config["cniVersion"].as_str().unwrap().to_owned();
    let asked = if version == "1.1.0" {
        PEER_NEWEST
    } else {
        &version
    };
    let ours = trace(host, &network.call(host, "c1"));
    let call = network.clone().version(asked).peer_call(host, "c1");
    let mut theirs = trace(host, &call);
    if version.starts_with("1.") {
        theirs.output = sorted(&theirs.output).replace(PEER_NEWEST, &version);
    }
    (ours, theirs)
}

/// The result with sorted keys and without an empty `dns`; an error object as it is.
fn sorted(text: &str) -> String {
    let mut result: Value = serde_json::from_str(text).expect("plugins print JSON");
    if result.get("code").is_some() {
        return text.to_owned();
    }
    if result["dns"] == json!({}) {
        result.as_object_mut().unwrap().remove("dns");
    }
    let mut bytes = Vec::new();
    let indent = PrettyFormatter::with_indent(b"    ");
    let mut writer = serde_json::Serializer::with_formatter(&mut bytes, indent);
    result.serialize(&mut writer).expect("JSON can be written");
    String::from_utf8(bytes).expect("JSON is text")
}

fn trace(host: &Host, call: &Call) -> Trace {
    let container = host.netns("c1");
    for namespace in [host as &Namespace, &container] {
        // The Go plugins wait for duplicate address detection, two seconds each time.
        namespace
            .exec("sysctl -q -w net.ipv6.conf.default.accept_dad=0")
            .succeeds();
    }
    let outcome: Outcome = call.add();
    let lines = |side: &str, namespace: &Namespace| {
        let text = without_random(&namespace.network_snapshot().to_string());
        // The kernel adds some local routes after duplicate address detection.
        let lasting = text
            .lines()
            .filter(|line| !(line.starts_with("route6") && line.contains("table local")));
        lasting
            .map(|line| format!("{side}: {line}"))
            .collect::<Vec<_>>()
    };
    let trace = Trace {
        output: without_random(&outcome.stdout),
        network: [lines("container", &container), lines("host", host)].concat(),
    };
    call.del();
    container.remove();
    if host.has_link("cni0") {
        host.ip("link delete cni0");
    }
    let _ = std::fs::remove_dir_all("/var/lib/cni/networks");
    trace
}

/// The text with MAC addresses and names of host ends replaced, and without our alias of a host end.
fn without_random(text: &str) -> String {
    let words =
        text.split_inclusive(|letter: char| !(letter.is_alphanumeric() || ":-_".contains(letter)));
    let replaced = words.map(|word| {
        let bare = word.trim_end_matches(|letter: char| !letter.is_alphanumeric());
        let is_hex = |text: &str| text.chars().all(|letter| letter.is_ascii_hexdigit());
        let is_mac =
            bare.len() == 17 && bare.split(':').all(|byte| byte.len() == 2 && is_hex(byte));
        let is_name = bare
            .strip_prefix("veth")
            .is_some_and(|rest| rest.len() == 8 && is_hex(rest));
        match (is_mac && bare != "00:00:00:00:00:00", is_name) {
            (true, _) => word.replacen(bare, "MAC", 1),
            (_, true) => word.replacen(bare, "HOST-END", 1),
            _ => word.to_owned(),
        }
    });
    replaced
        .collect::<String>()
        .replace("alias \"cni:net/c1/eth0\"", "alias \"-\"")
}
