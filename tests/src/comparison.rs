//! The same request to our plugin and to the Go plugin, each on a fresh host state.

use ferrule_testkit::{Call, Host, Namespace, Outcome};
use serde::Serialize as _;
use serde_json::ser::PrettyFormatter;
use serde_json::{Value, json};

use crate::Network;

/// What an ADD came to, with everything random in it replaced by words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// Standard output, byte by byte.
    pub output: String,
    /// The network of host and container, one fact per line.
    pub network: Vec<String>,
}

/// Both must have answered the same bytes and, where they succeeded, wired the same.
///
/// A refused request of ours has changed nothing, one of theirs may have.
///
/// # Panics
/// When they differ, with the lines that do.
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

/// The newest version the Go plugins of Debian speak.
const PEER_NEWEST: &str = "1.0.0";

/// ADD by ours and by the Go plugin of the same name; each is taken back again.
///
/// The Go plugin is asked in 1.0.0 where it does not speak the version yet; the results of 1.1.0
/// differ in the version alone. From 1.0.0 on current Go plugins sort the keys and leave out an empty
/// `dns`, as Debian's do not yet: their output is brought into that form.
///
/// # Panics
/// When the configuration names no version.
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
        // The Go plugins wait for the detection of duplicates, two seconds each time.
        namespace
            .exec("sysctl -q -w net.ipv6.conf.default.accept_dad=0")
            .succeeds();
    }
    let outcome: Outcome = call.add();
    let lines = |side: &str, namespace: &Namespace| {
        let text = without_random(&namespace.network_snapshot().to_string());
        // The kernel adds some local routes when it has looked for duplicates.
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

/// Hardware addresses and names of host ends replaced, and our mark on a host end taken away.
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
