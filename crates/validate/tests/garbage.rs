//! No content makes the checks panic or take long, and places are in the text.

use ferrule_validate::{Form, check, check_together};
use proptest::collection::vec;
use proptest::prelude::*;

/// A network with most of what is looked at.
const NETWORK: &str = r#"{ "cniVersion": "1.0.0", "cniVersions": ["1.1.0"], "name": "net", "disableCheck": "true",
  "plugins": [
    { "type": "bridge", "mtu": 1500, "ipMasqBackend": "nftables", "capabilities": { "ips": true },
      "ipam": { "type": "host-local", "subnet": "10.1.0.0/16", "ranges": [
        [{ "subnet": "10.2.0.0/16", "rangeStart": "10.2.0.9", "rangeEnd": "10.2.0.99" }], [{ "subnet": "fd00::/64" }]] } },
    { "type": "flannel", "delegate": { "isGateway": true } },
    { "type": "portmap", "capabilities": { "portMappings": true } },
    { "type": "tuning", "mac": "02:00:00:00:00:01", "sysctl": { "net.core.somaxconn": "1" } }] }"#;

fn assert_checked(bytes: &[u8]) {
    let lines = String::from_utf8_lossy(bytes).split('\n').count();
    let reports = [Form::List, Form::Plugin].map(|form| check(bytes, form));
    for report in &reports {
        for finding in &report.findings {
            assert!(
                (1..=lines).contains(&finding.line) && finding.column > 0,
                "{finding:?}"
            );
            assert!(finding.message.len() < 8192, "{}", finding.message.len());
        }
    }
    let _ = check_together(&reports.each_ref().map(|report| ("file", report)));
}

proptest! {
    #[test]
    fn bytes(bytes in vec(any::<u8>(), 0..200)) {
        assert_checked(&bytes);
    }

    /// A piece of the network is replaced by other values and signs.
    #[test]
    fn damaged_networks(at in 0..NETWORK.len(), length in 0..20usize, piece in "[\\PC\n]{0,3}|null|-1|1e999|\\[\\]|\\{\\}|\"\"|\"type\"|\"\\\\ud800\"") {
        let mut text = NETWORK.as_bytes().to_vec();
        let end = (at + length).min(text.len());
        text.splice(at..end, piece.bytes());
        assert_checked(&text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// Every value replaced by another.
    #[test]
    fn wrong_values(word in "[a-z]+", value in "null|true|0|-5|1.5|\"x\"|\"\"|\\[\\]|\\{\\}|\\[\\[\\{\\}\\]\\]|\\[null\\]") {
        for key in NETWORK.split('"').filter(|key| key.chars().all(char::is_alphanumeric)) {
            let text = NETWORK.replace(&format!("\"{key}\": "), &format!("\"{key}\": {value}, \"{word}\": "));
            assert_checked(text.as_bytes());
        }
    }
}

#[test]
fn long_and_deep_texts() {
    for text in [
        "[".repeat(100_000),
        format!("{}{}", "[".repeat(120), "]".repeat(120)),
        format!(
            "{{\"plugins\": [{{\"type\": \"bridge\", \"{}\": 1}}]}}",
            "x".repeat(1 << 20)
        ),
        format!(
            "{{\"plugins\": [{{\"type\": \"{}\"}}]}}",
            "x".repeat(1 << 20)
        ),
        format!(
            "{{\"plugins\": [{{\"type\": \"bridge\", \"mtu\": {}}}]}}",
            "9".repeat(1 << 16)
        ),
        NETWORK.replace("1500", "1e400"),
        NETWORK.replace("net\"", "\\ud800\""),
    ] {
        assert_checked(text.as_bytes());
    }
}
