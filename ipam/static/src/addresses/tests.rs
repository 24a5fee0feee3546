use cni_types::{Incoming, SpecVersion};

use super::*;

fn read(version: &str, members: &str, args: &str) -> Result<Vec<String>, String> {
    let json = format!(r#"{{"cniVersion": "{version}", "name": "net", {members}}}"#);
    let variable = |name: &str| match name {
        "CNI_COMMAND" => Some("ADD".into()),
        "CNI_ARGS" => Some(args.into()),
        _ => Some("x".into()),
    };
    let request = match Request::read(variable, &mut json.as_bytes(), &SpecVersion::ALL) {
        Ok(Incoming::Verb(request)) => request,
        other => panic!("{other:?}"),
    };
    let config: Config = request.decode().map_err(|error| error.msg)?;
    let ips = addresses(&config, &request).map_err(|error| error.msg)?;
    let text = |ip: &IpConfig| match ip.gateway {
        Some(gateway) => format!("{} {gateway}", ip.address),
        None => ip.address.to_string(),
    };
    Ok(ips.iter().map(text).collect())
}

fn texts(members: &str, args: &str) -> Vec<String> {
    read("1.0.0", members, args).unwrap()
}

fn refusal(members: &str, args: &str) -> String {
    read("1.0.0", members, args).unwrap_err()
}

const BASE: &str = r#""ipam": {"addresses": [
    {"address": "10.1.2.3/24", "gateway": "10.1.2.1"}, {"Address": "fd00::3/64", "gateway": ""}]}"#;

#[test]
fn configured_addresses_keep_their_order_and_host_bits() {
    assert_eq!(texts(BASE, ""), ["10.1.2.3/24 10.1.2.1", "fd00::3/64"]);
    assert_eq!(
        texts(
            r#""ipam": {"ADDRESSES": [{"ADDRESS": "::ffff:10.0.0.1/120"}]}"#,
            ""
        ),
        ["10.0.0.1/24"]
    );
    for none in [
        r#""ipam": {}"#,
        r#""ipam": {"addresses": []}"#,
        r#""ipam": {"addresses": null}"#,
    ] {
        assert_eq!(texts(none, ""), [""; 0]);
    }
}

#[test]
fn environment_addresses_follow_with_gateways_of_their_own() {
    let args = "IP=10.2.2.3/24, 10.3.2.3/24,fd01::3/64;GATEWAY=10.3.2.1,10.3.2.2,10.9.9.9,10.1.2.9,fd01::1";
    assert_eq!(
        texts(BASE, args),
        [
            "10.1.2.3/24 10.1.2.1",
            "fd00::3/64",
            "10.2.2.3/24",
            "10.3.2.3/24 10.3.2.2",
            "fd01::3/64 fd01::1"
        ]
    );
    assert_eq!(texts(BASE, "IP=;GATEWAY=").len(), 2);
    assert_eq!(texts(BASE, "IgnoreUnknown=1;SUBNET=x;ip=y").len(), 2);
}

#[test]
fn the_runtime_replaces_everything() {
    let cni = r#""args": {"cni": {"ips": ["10.5.0.1/16"]}}"#;
    let runtime = r#""RuntimeConfig": {"ips": ["10.6.0.1/16", "fd06::1/64"]}"#;
    let empty = r#""runtimeConfig": {"ips": []}"#;
    let args = "IP=10.2.2.3/24";
    assert_eq!(texts(&format!("{BASE}, {cni}"), args), ["10.5.0.1/16"]);
    assert_eq!(
        texts(&format!("{BASE}, {cni}, {empty}"), args),
        ["10.5.0.1/16"]
    );
    assert_eq!(
        texts(&format!("{BASE}, {cni}, {runtime}"), args),
        ["10.6.0.1/16", "fd06::1/64"]
    );
    // What is replaced in the configuration is not looked at.
    let broken = r#""ipam": {"addresses": [{"address": "10.1.2.3"}]}"#;
    assert_eq!(texts(&format!("{broken}, {cni}"), ""), ["10.5.0.1/16"]);
    assert!(!refusal(&format!("{broken}, {cni}"), "IP=x").is_empty());
}

#[test]
fn wrong_values_are_named() {
    for (members, args, gist) in [
        (r#""x": 1"#, "IP=10.1.2.3/24", "missing 'ipam' key"),
        (r#""ipam": null"#, "", "missing 'ipam' key"),
        (
            r#""ipam": {"addresses": [{"address": "10.1.2.3"}]}"#,
            "",
            "the 'address' field is expected to be in CIDR notation, got: '10.1.2.3'",
        ),
        (r#""ipam": {"addresses": [{}]}"#, "", "got: ''"),
        (r#""ipam": {"addresses": [null]}"#, "", "got: ''"),
        (
            r#""ipam": {"addresses": [{"address": "10.1.2.3/24", "gateway": "x"}]}"#,
            "",
            "ipam.addresses[0].gateway",
        ),
        (
            r#""ipam": {"routes": [{"gw": "10.0.0.1"}]}"#,
            "",
            "missing field `dst`",
        ),
        (BASE, "IP=10.1.2.3", "CIDR notation, got: '10.1.2.3'"),
        (BASE, "IP=10.1.2.3/24,", "CIDR notation, got: ''"),
        (
            BASE,
            "IP=10.1.2.3/24;GATEWAY=y",
            "invalid gateway address: y",
        ),
        (BASE, "SUBNET=10.1.2.0/24", "unknown args"),
        (
            r#""ipam": {}, "args": {"cni": {"ips": ["10.1.2.3"]}}"#,
            "",
            "'ips' field is NOT in CIDR notation, got: '10.1.2.3'",
        ),
        (
            r#""ipam": {}, "runtimeConfig": {"ips": [null]}"#,
            "",
            "'ips' field is NOT in CIDR notation, got: ''",
        ),
    ] {
        let text = refusal(members, args);
        assert!(text.contains(gist), "{members} {args}: {text}");
    }
}

#[test]
fn old_versions_take_one_address_of_each_family() {
    let two = r#""ipam": {"addresses": [{"address": "10.1.2.3/24"}, {"address": "10.1.2.4/24"}]}"#;
    for version in ["", "0.1.0", "0.2.0"] {
        assert_eq!(read(version, BASE, "").unwrap().len(), 2);
        let text = read(version, two, "").unwrap_err();
        let shown = if version.is_empty() { "0.1.0" } else { version };
        let gist = format!("CNI version {shown} does not support more than 1 address per family");
        assert_eq!(text, gist);
    }
    assert_eq!(read("0.3.0", two, "").unwrap().len(), 2);
}
