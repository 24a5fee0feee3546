use serde_json::{Value, json};

use super::*;

fn config(ipam: &Value) -> Config {
    serde_json::from_value(json!({ "ipam": ipam })).unwrap()
}

fn requested(list: &Value) -> Vec<u8> {
    config(&json!({ "request": list })).requested().unwrap()
}

#[test]
fn defaults_follow_what_is_listed() {
    assert_eq!(requested(&json!([])), [3, 1]);
    assert_eq!(
        requested(&json!([{"option": "121"}, {"option": "host-name"}])),
        [121, 12, 3, 1]
    );
    assert_eq!(requested(&json!([{"option": "routers"}])), [3, 1]);
    let skipped = json!([{"option": "121", "skipDefault": true}]);
    assert_eq!(requested(&skipped), [121]);
    assert_eq!(requested(&json!([{"skipDefault": true}])), [1, 3, 15, 6]);
}

#[test]
fn every_name_has_its_code() {
    for (name, code) in [
        ("dhcp-client-identifier", 61),
        ("subnet-mask", 1),
        ("routers", 3),
        ("host-name", 12),
        ("user-class", 77),
        ("vendor-class-identifier", 60),
        ("0", 0),
        ("255", 255),
    ] {
        assert_eq!(code_of(name).unwrap(), code);
    }
    for name in ["", "256", "-1", "Routers", "dns"] {
        let error = code_of(name).unwrap_err();
        assert_eq!(error.code, Code::InvalidConfig as u32);
        assert!(error.msg.contains(&format!("{name:?}")), "{error}");
    }
}

fn provided(list: &Value, args: &str) -> Result<Vec<(u8, Vec<u8>)>, Error> {
    config(&json!({ "provide": list })).provided(args)
}

#[test]
fn an_argument_goes_before_the_value() {
    let name = json!([{"option": "12", "value": "x", "fromArg": "NAME"}]);
    for (args, expected) in [
        ("", "x"),
        ("OTHER=y;NAME=z", "z"),
        ("NAME=a=b", "a=b"),
        ("NAME=", ""),
        ("name=y", "x"),
        ("NAME", "x"),
        (";;NAME=1;NAME=2;", "2"),
    ] {
        let found = provided(&name, args).unwrap();
        assert_eq!(found, [(12, expected.into())], "{args}");
    }
    let none = json!([{"option": "12", "fromArg": "NAME"}]);
    assert_eq!(provided(&none, "").unwrap(), []);
    let twice = json!([{"option": "12", "value": "x"}, {"option": "host-name", "value": "y"}]);
    assert_eq!(provided(&twice, "").unwrap(), [(12, b"y".to_vec())]);
}

#[test]
fn what_cannot_be_sent_is_refused() {
    let long = json!([{"option": "60", "value": "x".repeat(256)}]);
    assert!(provided(&long, "").unwrap_err().msg.contains("256 bytes"));
    let fits = json!([{"option": "60", "value": "x".repeat(255)}]);
    assert_eq!(provided(&fits, "").unwrap()[0].1.len(), 255);
    let argument = json!([{"option": "60", "fromArg": "A"}]);
    let args = format!("A={}", "x".repeat(256));
    assert!(provided(&argument, &args).is_err());
    for code in RESERVED {
        let entry = json!([{"option": code.to_string(), "value": "x"}]);
        let error = provided(&entry, "").unwrap_err();
        assert!(error.msg.contains(&format!("option {code} ")), "{error}");
    }
}

#[test]
fn the_socket_is_upstreams_unless_named() {
    assert_eq!(Config::default().socket(), Path::new(SOCKET));
    let named = config(&json!({ "daemonSocketPath": "/run/other.sock" }));
    assert_eq!(named.socket(), Path::new("/run/other.sock"));
}
