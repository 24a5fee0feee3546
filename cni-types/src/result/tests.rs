use proptest::prelude::*;

use super::*;
use crate::json::JsonValue;

/// A result that uses everything the newest version has.
fn full() -> CniResult {
    let cidr = |text: &str| text.parse().unwrap();
    let ip = |text: &str, gateway: &str| IpConfig {
        interface: Some(1),
        address: cidr(text),
        gateway: Some(gateway.parse().unwrap()),
    };
    let mut route = Route::new(cidr("0.0.0.0/0"), Some("10.1.2.1".parse().unwrap()));
    (route.mtu, route.advmss, route.priority) = (1400, 1360, 7);
    (route.table, route.scope) = (Some(0), Some(253));
    CniResult {
        interfaces: vec![
            Interface {
                name: "br0".into(),
                mac: "00:11:22:33:44:55".into(),
                ..Default::default()
            },
            Interface {
                name: "eth0".into(),
                mtu: 1500,
                sandbox: "/run/netns/a<b>".into(),
                socket_path: "/s".into(),
                pci_id: "0000:00:01.0".into(),
                ..Default::default()
            },
        ],
        ips: vec![
            ip("10.1.2.3/24", "10.1.2.1"),
            ip("2001:db8::3/64", "2001:db8::1"),
        ],
        routes: vec![route, Route::new(cidr("2001:db8:1::/48"), None)],
        dns: Dns {
            nameservers: Some(vec!["10.1.2.1".into()]),
            ..Dns::default()
        },
        legacy: false,
    }
}

fn reread(result: &CniResult, version: SpecVersion) -> CniResult {
    CniResult::read(
        result.to_json(version).unwrap().as_bytes(),
        SpecVersion::V0_1_0,
    )
    .unwrap()
    .1
}

#[test]
fn a_result_in_a_version_is_what_its_text_says() {
    let mut several = full();
    several.ips.extend(full().ips);
    let legacy = reread(&full(), SpecVersion::V0_2_0);
    for result in [full(), several, legacy] {
        for version in SpecVersion::ALL {
            let converted = result.clone().in_version(version).unwrap();
            assert_eq!(converted, reread(&result, version), "{version:?}");
        }
    }
    let nothing = CniResult::default();
    let error = nothing.in_version(SpecVersion::V0_1_0).unwrap_err();
    assert_eq!(error, ResultError::NoAddress);
}

#[test]
fn the_current_form_sorts_its_keys() {
    let text = full().to_json(SpecVersion::V1_1_0).unwrap();
    let compact: String = text.split_whitespace().collect();
    assert_eq!(
        compact,
        concat!(
            r#"{"cniVersion":"1.1.0","dns":{"nameservers":["10.1.2.1"]},"interfaces":["#,
            r#"{"mac":"00:11:22:33:44:55","name":"br0"},"#,
            r#"{"mtu":1500,"name":"eth0","pciID":"0000:00:01.0","sandbox":"/run/netns/a\u003cb\u003e","socketPath":"/s"}],"#,
            r#""ips":[{"address":"10.1.2.3/24","gateway":"10.1.2.1","interface":1},"#,
            r#"{"address":"2001:db8::3/64","gateway":"2001:db8::1","interface":1}],"#,
            r#""routes":[{"advmss":1360,"dst":"0.0.0.0/0","gw":"10.1.2.1","mtu":1400,"priority":7,"scope":253,"table":0},"#,
            r#"{"dst":"2001:db8:1::/48"}]}"#
        )
    );
    assert!(text.starts_with("{\n    \"cniVersion\"") && text.ends_with('}'));
}

#[test]
fn the_list_form_has_the_ip_version_and_always_dns() {
    let mut result = full();
    result.dns = Dns::default();
    let compact: String = result
        .to_json(SpecVersion::V0_4_0)
        .unwrap()
        .split_whitespace()
        .collect();
    assert_eq!(
        compact,
        concat!(
            r#"{"cniVersion":"0.4.0","interfaces":[{"name":"br0","mac":"00:11:22:33:44:55"},"#,
            r#"{"name":"eth0","sandbox":"/run/netns/a\u003cb\u003e"}],"#,
            r#""ips":[{"version":"4","interface":1,"address":"10.1.2.3/24","gateway":"10.1.2.1"},"#,
            r#"{"version":"6","interface":1,"address":"2001:db8::3/64","gateway":"2001:db8::1"}],"#,
            r#""routes":[{"dst":"0.0.0.0/0","gw":"10.1.2.1","mtu":1400,"advmss":1360,"priority":7,"table":0,"scope":253},"#,
            r#"{"dst":"2001:db8:1::/48"}],"dns":{}}"#
        )
    );
}

#[test]
fn the_legacy_form_has_one_address_a_family_and_plain_routes() {
    let compact: String = full()
        .to_json(SpecVersion::V0_2_0)
        .unwrap()
        .split_whitespace()
        .collect();
    assert_eq!(
        compact,
        concat!(
            r#"{"cniVersion":"0.2.0","ip4":{"ip":"10.1.2.3/24","gateway":"10.1.2.1","routes":[{"dst":"0.0.0.0/0","gw":"10.1.2.1"}]},"#,
            r#""ip6":{"ip":"2001:db8::3/64","gateway":"2001:db8::1","routes":[{"dst":"2001:db8:1::/48"}]},"#,
            r#""dns":{"nameservers":["10.1.2.1"]}}"#
        )
    );
    let no_address = CniResult::default().to_json(SpecVersion::V0_1_0);
    assert_eq!(no_address, Err(ResultError::NoAddress));
    // Routes of a family without an address have no place.
    let mut ipv4 = full();
    ipv4.ips.truncate(1);
    assert_eq!(reread(&ipv4, SpecVersion::V0_2_0).routes.len(), 1);
}

#[test]
fn a_legacy_result_passed_on_keeps_everything() {
    let text = r#"{"ip4":{"ip":"10.1.2.3/24","routes":[{"dst":"10.0.0.0/8","mtu":1400}]}}"#;
    let (version, result) = CniResult::read(text.as_bytes(), SpecVersion::V0_1_0).unwrap();
    assert_eq!(version, SpecVersion::V0_1_0);
    let again = result.to_value(SpecVersion::V0_2_0).unwrap();
    assert_eq!(again["ip4"]["routes"][0]["mtu"], 1400);
    let (_, empty) = CniResult::read(b"{}", SpecVersion::V0_1_0).unwrap();
    assert_eq!(
        empty.to_value(SpecVersion::V0_1_0).unwrap()["cniVersion"],
        "0.1.0"
    );
}

#[test]
fn previous_results_must_have_the_form_of_the_configuration() {
    let json = |version: &str| {
        JsonValue::read(format!(r#"{{"cniVersion":"{version}"}}"#).as_bytes()).unwrap()
    };
    for (inner, config, ok) in [
        ("0.1.0", SpecVersion::V0_2_0, true),
        ("0.3.0", SpecVersion::V0_4_0, true),
        ("1.0.0", SpecVersion::V1_1_0, true),
        ("", SpecVersion::V1_1_0, true),
        ("0.4.0", SpecVersion::V1_0_0, false),
        ("1.0.0", SpecVersion::V0_4_0, false),
        ("9.9.9", SpecVersion::V1_1_0, false),
    ] {
        let read = CniResult::from_prev_result(&json(inner), config);
        assert_eq!(read.is_ok(), ok, "{inner} in {config}");
    }
    let error = CniResult::read(br#"{"cniVersion":"9.9.9"}"#, SpecVersion::LATEST).unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"unsupported CNI result version "9.9.9""#
    );
}

#[test]
fn null_anywhere_is_no_panic() {
    for text in [
        r#"{"ips": [null]}"#,
        r#"{"interfaces": [null], "ips": null, "routes": null, "dns": null}"#,
        r#"{"routes": [null]}"#,
        r#"{"routes": [{"dst": null}]}"#,
        r#"{"ips": [{"address": null}]}"#,
        "null",
    ] {
        let _ = CniResult::read(text.as_bytes(), SpecVersion::LATEST);
    }
    let wrong = CniResult::read(br#"{"ips": [{"address": null}]}"#, SpecVersion::LATEST);
    assert!(wrong.unwrap_err().to_string().contains("ips[0].address"));
}

fn any_cidr() -> impl Strategy<Value = Cidr> {
    prop_oneof![
        (any::<u32>(), 0..=32u8)
            .prop_map(|(a, p)| Cidr::new(std::net::Ipv4Addr::from(a).into(), p)),
        (any::<u128>(), 0..=128u8)
            .prop_map(|(a, p)| Cidr::new(std::net::Ipv6Addr::from(a).into(), p)),
    ]
    .prop_map(Option::unwrap)
}

fn any_gateway() -> impl Strategy<Value = Option<IpAddr>> {
    any::<Option<IpAddr>>().prop_map(|a| a.map(|a| a.to_canonical()))
}

fn any_result() -> impl Strategy<Value = CniResult> {
    let interface = (".{0,15}", ".{0,17}", any::<u32>(), ".{0,20}", ".{0,9}").prop_map(
        |(name, mac, mtu, sandbox, extra)| Interface {
            name,
            mac,
            mtu,
            sandbox,
            socket_path: extra.clone(),
            pci_id: extra,
        },
    );
    let ip = (any::<Option<i64>>(), any_cidr(), any_gateway()).prop_map(
        |(interface, address, gateway)| IpConfig {
            interface,
            address,
            gateway,
        },
    );
    let route = (
        any_cidr(),
        any_gateway(),
        any::<[u32; 3]>(),
        any::<Option<u32>>(),
        any::<Option<u8>>(),
    )
        .prop_map(|(dst, gw, [mtu, advmss, priority], table, scope)| Route {
            dst,
            gw,
            mtu,
            advmss,
            priority,
            table,
            scope,
        });
    let list = || prop::option::of(prop::collection::vec(".{0,9}", 1..3));
    let dns =
        (list(), ".{0,9}", list(), list()).prop_map(|(nameservers, domain, search, options)| Dns {
            nameservers,
            domain,
            search,
            options,
        });
    (
        prop::collection::vec(interface, 0..3),
        prop::collection::vec(ip, 0..4),
        prop::collection::vec(route, 0..4),
        dns,
    )
        .prop_map(|(interfaces, ips, routes, dns)| CniResult {
            interfaces,
            ips,
            routes,
            dns,
            legacy: false,
        })
}

proptest! {
    #[test]
    fn the_current_form_loses_nothing(result in any_result()) {
        prop_assert_eq!(reread(&result, SpecVersion::V1_1_0), result.clone());
        prop_assert_eq!(reread(&result, SpecVersion::V1_0_0), result);
    }

    #[test]
    fn the_list_form_loses_only_the_newer_interface_fields(result in any_result()) {
        let mut expected = result.clone();
        for interface in &mut expected.interfaces {
            interface.mtu = 0;
            interface.socket_path.clear();
            interface.pci_id.clear();
        }
        for version in [SpecVersion::V0_3_0, SpecVersion::V0_3_1, SpecVersion::V0_4_0] {
            prop_assert_eq!(reread(&result, version), expected.clone());
        }
    }

    #[test]
    fn the_legacy_form_is_stable(result in any_result()) {
        if let Ok(text) = result.to_json(SpecVersion::V0_2_0) {
            let (_, once) = CniResult::read(text.as_bytes(), SpecVersion::V0_1_0).unwrap();
            prop_assert_eq!(once.to_json(SpecVersion::V0_2_0).unwrap(), text);
            let list = once.to_json(SpecVersion::V0_4_0).unwrap();
            let (_, twice) = CniResult::read(list.as_bytes(), SpecVersion::V0_1_0).unwrap();
            prop_assert_eq!(twice.to_value(SpecVersion::V0_2_0), once.to_value(SpecVersion::V0_2_0));
        } else {
            prop_assert!(result.ips.is_empty());
        }
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = CniResult::read(&bytes, SpecVersion::V0_4_0);
    }

    #[test]
    fn no_json_like_text_panics(text in r#"[\[\]{},:"\\u0-9a-dnulrtes. ]{0,80}"#) {
        if let Ok(json) = JsonValue::read(text.as_bytes()) {
            for version in SpecVersion::ALL {
                let _ = CniResult::from_json(&json, version);
            }
        }
    }
}
