use cni_types::Incoming;

use super::*;

/// The plan for this configuration and these `CNI_ARGS`, or code, message and details.
fn plan(json: &str, args: &str) -> Result<Plan, (u32, String, String)> {
    let request = request(json, args);
    let config: Config = request.decode().unwrap();
    Plan::new(&config, &request).map_err(|error| (error.code, error.msg, error.details))
}

fn request(json: &str, args: &str) -> Request {
    let variable = |name: &str| match name {
        "CNI_COMMAND" => Some("ADD".into()),
        "CNI_ARGS" => Some(args.into()),
        _ => Some("x".into()),
    };
    match Request::read(variable, &mut json.as_bytes(), &cni_types::SpecVersion::ALL) {
        Ok(Incoming::Verb(request)) => *request,
        other => panic!("{other:?}"),
    }
}

fn json(version: &str, ipam: &str, more: &str) -> String {
    format!(r#"{{"cniVersion": "{version}", "name": "net", {more} "ipam": {ipam}}}"#)
}

fn sets(json: &str) -> Vec<String> {
    let plan = plan(json, "").unwrap();
    plan.sets.iter().map(ToString::to_string).collect()
}

fn requested(json: &str, args: &str) -> Vec<String> {
    let plan = plan(json, args).unwrap();
    plan.requested.iter().map(ToString::to_string).collect()
}

fn alloc_error(json: &str, args: &str) -> (u32, String, String) {
    plan(json, args).unwrap_err()
}

const SUBNET: &str = r#"{"subnet": "10.1.2.0/24"}"#;

#[test]
fn sets_come_from_the_runtime_then_the_single_range_then_the_list() {
    let ipam = r#"{"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.9", "ranges": [
        [{"subnet": "10.2.0.0/24"}, {"subnet": "10.3.0.0/24"}], [{"subnet": "fd00::/120"}]]}"#;
    let runtime = r#""runtimeConfig": {"ipRanges": [[{"subnet": "10.4.0.0/24"}], [{"subnet": "10.5.0.0/24"}]]},"#;
    assert_eq!(
        sets(&json("1.0.0", ipam, runtime)),
        [
            "10.4.0.1-10.4.0.254",
            "10.5.0.1-10.5.0.254",
            "10.1.0.9-10.1.0.254",
            "10.2.0.1-10.2.0.254,10.3.0.1-10.3.0.254",
            "fd00::1-fd00::ff"
        ]
    );
}

#[test]
fn without_a_subnet_the_rest_of_the_single_range_is_ignored() {
    let ipam = r#"{"rangeStart": "10.1.0.9", "gateway": "10.1.0.1", "ranges": [[{"subnet": "10.2.0.0/24"}]]}"#;
    assert_eq!(sets(&json("1.0.0", ipam, "")), ["10.2.0.1-10.2.0.254"]);
}

#[test]
fn requests_add_up_in_order_and_each_counts_once() {
    let more = r#""args": {"cni": {"ips": ["10.1.2.12", "10.1.2.11/8"], "other": 1}},
        "runtimeConfig": {"ips": ["10.1.2.13/24", "10.1.2.12", "::ffff:10.1.2.14"]},"#;
    let json = json("1.0.0", SUBNET, more);
    assert_eq!(
        requested(&json, "IgnoreUnknown=1;ip=10.9.9.9;IP=10.1.2.11/16"),
        ["10.1.2.11", "10.1.2.12", "10.1.2.13", "10.1.2.14"]
    );
    assert_eq!(requested(&json, "IP=").len(), 4);
}

#[test]
fn malformed_requests_are_told_with_their_source() {
    let plain = json("1.0.0", SUBNET, "");
    for (args, gist) in [
        ("IP=10.1.2", "invalid IP address: 10.1.2"),
        ("IP=10.1.2.3/33", "invalid CIDR address: 10.1.2.3/33"),
        ("IP=10.1.2.3,10.1.2.4", "invalid IP address"),
        ("ip=10.1.2.3", "unknown args [\"ip=10.1.2.3\"]"),
        ("IP=10.1.2.3;", "CNI_ARGS"),
        ("IP=10.1.2.3;GATEWAY=10.1.2.1", "unknown args"),
    ] {
        let (code, msg, _) = alloc_error(&plain, args);
        assert_eq!(code, 4, "{args}");
        assert!(msg.contains(gist), "{args}: {msg}");
    }
    for (more, gist) in [
        (
            r#""args": {"cni": {"ips": [""]}},"#,
            "cannot understand ip: key \"args.cni.ips\"",
        ),
        (
            r#""runtimeConfig": {"ips": ["10.1.2.3", null]},"#,
            "cannot understand ip: key \"runtimeConfig.ips\"",
        ),
    ] {
        let (code, msg, _) = alloc_error(&json("1.0.0", SUBNET, more), "");
        assert_eq!(code, 7);
        assert!(msg.contains(gist), "{msg}");
    }
}

#[test]
fn null_elements_are_empty_ones() {
    let (_, msg, details) = alloc_error(&json("1.0.0", r#"{"ranges": [null]}"#, ""), "");
    assert_eq!(msg, "invalid range set 0: empty range set");
    assert_eq!(details, "it comes from ipam.ranges[0]");
    let (_, msg, _) = alloc_error(&json("1.0.0", r#"{"ranges": [[null]]}"#, ""), "");
    assert_eq!(msg, "invalid range set 0: the key subnet is missing");
}

#[test]
fn something_must_be_configured() {
    let (code, msg, _) = alloc_error(r#"{"cniVersion": "1.0.0", "name": "net"}"#, "");
    assert_eq!((code, msg.as_str()), (7, "IPAM config missing 'ipam' key"));
    for ipam in ["{}", r#"{"ranges": []}"#, r#"{"ranges": null}"#] {
        let (code, msg, _) = alloc_error(&json("1.0.0", ipam, ""), "");
        assert_eq!((code, msg.as_str()), (7, "no IP ranges specified"));
    }
}

#[test]
fn old_versions_take_one_set_of_each_family() {
    let both = r#"{"ranges": [[{"subnet": "10.1.0.0/24"}, {"subnet": "10.2.0.0/24"}], [{"subnet": "fd00::/64"}]]}"#;
    let two = r#"{"ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "10.2.0.0/24"}]]}"#;
    for version in ["", "0.1.0", "0.2.0"] {
        assert_eq!(sets(&json(version, both, "")).len(), 2);
        let (_, msg, _) = alloc_error(&json(version, two, ""), "");
        let shown = if version.is_empty() { "0.1.0" } else { version };
        let gist = format!("CNI version {shown} does not support more than 1 address per family");
        assert_eq!(msg, gist);
    }
    assert_eq!(sets(&json("0.3.0", two, "")).len(), 2);
}

#[test]
fn overlapping_sets_are_told_with_their_sources() {
    let runtime = r#""runtimeConfig": {"ipRanges": [[{"subnet": "10.1.0.0/16"}]]},"#;
    let ipam = r#"{"ranges": [[{"subnet": "fd00::/64"}], [{"subnet": "10.1.2.0/24"}]]}"#;
    assert_eq!(
        alloc_error(&json("1.0.0", ipam, runtime), ""),
        (
            7,
            "range set 0 overlaps with 2".into(),
            "they come from runtimeConfig.ipRanges[0] and ipam.ranges[1]".into()
        )
    );
    let (_, msg, _) = alloc_error(
        &json(
            "1.0.0",
            r#"{"ranges": [[{"subnet": "10.1.0.0/16"}, {"subnet": "10.1.2.0/24"}]]}"#,
            "",
        ),
        "",
    );
    assert_eq!(
        msg,
        "invalid range set 0: subnets 10.1.0.1-10.1.255.254 and 10.1.2.1-10.1.2.254 overlap"
    );
}
