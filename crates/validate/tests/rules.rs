//! What is found in configurations, rule by rule.

use ferrule_validate::{Form, Report, Severity, check, check_together};
use serde_json::{Value, json};

/// A list of these plugins, which is right apart from them.
fn list(plugins: &Value) -> Report {
    let list = json!({ "cniVersion": "1.0.0", "name": "net", "plugins": plugins });
    check(list.to_string().as_bytes(), Form::List)
}

/// The findings as `severity path: message; meant`.
fn lines(report: &Report) -> Vec<String> {
    let meant = |text: &Option<String>| text.as_ref().map(|text| format!("; {text}"));
    let findings = report.findings.iter();
    findings
        .map(|f| {
            let severity = f.severity.as_str();
            format!(
                "{severity} {}: {}{}",
                f.path,
                f.message,
                meant(&f.suggestion).unwrap_or_default()
            )
        })
        .collect()
}

/// One plugin that is found to be wrong in one way.
#[track_caller]
fn assert_plugin(plugin: &Value, expected: &str) {
    assert_eq!(lines(&list(&json!([plugin]))), [expected]);
}

#[track_caller]
fn assert_list(list: &Value, expected: &[&str]) {
    assert_eq!(
        lines(&check(list.to_string().as_bytes(), Form::List)),
        expected
    );
}

/// A `bridge` with these addresses.
fn ranges(ranges: &Value) -> Vec<String> {
    let plugin = json!({ "type": "bridge", "ipam": { "type": "host-local", "ranges": ranges } });
    lines(&list(&json!([plugin])))
}

#[test]
fn keys_that_nobody_reads() {
    for (plugin, expected) in [
        (
            json!({ "type": "bridge", "isGatway": true }),
            r#"error plugins[0].isGatway: unknown key "isGatway"; isGateway"#,
        ),
        (
            json!({ "type": "bridge", "ip_masq": true }),
            r#"error plugins[0].ip_masq: unknown key "ip_masq"; ipMasq"#,
        ),
        (
            json!({ "type": "bridge", "colour": true }),
            r#"warning plugins[0].colour: unknown key "colour": it is ignored"#,
        ),
        (
            json!({ "type": "bridge", "subnet": "10.0.0.0/8", "ipam": { "type": "host-local", "subnet": "10.0.0.0/8" } }),
            r#"error plugins[0].subnet: unknown key "subnet": it belongs into "ipam""#,
        ),
        (
            json!({ "type": "bridge", "disableCheck": true }),
            r#"error plugins[0].disableCheck: unknown key "disableCheck": it belongs into the list"#,
        ),
        (
            json!({ "type": "bridge", "ipam": { "type": "host-local", "subnet": "10.0.0.0/8", "isGateway": true } }),
            r#"error plugins[0].ipam.isGateway: unknown key "isGateway": it belongs into the plugin, outside "ipam""#,
        ),
        (
            json!({ "type": "bridge", "ipam": { "type": "host-local", "ranges": [[{ "subnet": "10.0.0.0/8", "rangeStrat": "10.0.0.9" }]] } }),
            r#"error plugins[0].ipam.ranges[0][0].rangeStrat: unknown key "rangeStrat"; rangeStart"#,
        ),
        (
            json!({ "type": "flannel", "delegate": { "isDefaultGatway": true } }),
            r#"error plugins[0].delegate.isDefaultGatway: unknown key "isDefaultGatway"; isDefaultGateway"#,
        ),
        (
            json!({ "type": "bridge", "mtu": 1500, "MTU": 1400 }),
            r#"warning plugins[0].mtu: "mtu" is there twice; one of them is ignored"#,
        ),
    ] {
        assert_plugin(&plugin, expected);
    }
}

#[test]
fn keys_that_plugins_accept() {
    for plugin in [
        json!({ "type": "bridge", "ISGATEWAY": true, "Mtu": 1500.0, "bridge": null, "ipam": {} }),
        json!({ "type": "bridge", "$schema": "x", "_why": 1, "//": "", "comment": "", "cni.dev/x": 1 }),
        json!({ "type": "bridge", "args": { "cni": { "mac": "", "more": 1 } }, "runtimeConfig": { "ips": [] } }),
        json!({ "type": "macvlan", "mode": "", "ipam": { "type": "dhcp-of-others", "x": 1 } }),
        json!({ "type": "calico", "anything": { "goes": [] }, "ipam": { "type": "calico-ipam" } }),
    ] {
        assert_eq!(lines(&list(&json!([plugin]))), [""; 0], "{plugin}");
    }
}

#[test]
fn values_of_the_wrong_type() {
    for (key, value, expected) in [
        (
            "mtu",
            json!("1500"),
            r#"expected integer, found the string "1500"; 1500"#,
        ),
        (
            "mtu",
            json!(1500.5),
            "expected integer, found the number 1500.5",
        ),
        (
            "mtu",
            json!(-1),
            "-1 is out of range: it must be between 0 and 4294967295",
        ),
        (
            "vlan",
            json!(4095),
            "4095 is out of range: it must be between 0 and 4094",
        ),
        (
            "isGateway",
            json!("true"),
            r#"expected boolean, found the string "true"; true"#,
        ),
        ("isGateway", json!([]), "expected boolean, found an array"),
        (
            "bridge",
            json!(0),
            "expected string, found the number 0; \"0\"",
        ),
        (
            "ipMasqBackend",
            json!("nftable"),
            r#""nftable" is none of iptables, nftables; nftables"#,
        ),
        ("capabilities", json!({ "ips": 1 }), ""),
    ] {
        let plugin = json!({ "type": "bridge", key: value });
        if key == "capabilities" {
            assert_plugin(
                &plugin,
                "error plugins[0].capabilities.ips: expected boolean, found the number 1",
            );
        } else {
            assert_plugin(&plugin, &format!("error plugins[0].{key}: {expected}"));
        }
    }
    assert_plugin(
        &json!({ "type": "tuning-of-others", "ipam": [] }),
        "error plugins[0].ipam: expected an object",
    );
    assert_plugin(
        &json!({ "type": "vlan", "master": "eth0" }),
        r#"error plugins[0]: the key "ipam" is missing"#,
    );
    assert_plugin(
        &json!({ "type": 5 }),
        "error plugins[0].type: expected a string",
    );
    assert_plugin(
        &json!({}),
        r#"error plugins[0]: the key "type" is missing: it names the plugin"#,
    );
    assert_plugin(&json!(7), "error plugins[0]: expected an object");
    assert_plugin(
        &json!({ "type": "tap", "mac": "02:00" }),
        "error plugins[0].mac: \"02:00\" is not a MAC address, as 02:00:00:00:00:01",
    );
}

#[test]
fn address_plugins() {
    let ipam = |ipam: Value| json!({ "type": "bridge", "ipam": ipam });
    assert_plugin(
        &ipam(json!({ "subnet": "10.0.0.0/8" })),
        r#"error plugins[0].ipam: the key "type" is missing: it names the address plugin"#,
    );
    assert_plugin(
        &ipam(json!({ "type": "portmap" })),
        "error plugins[0].ipam.type: portmap is no address plugin",
    );
    assert_plugin(
        &ipam(json!({ "type": "static", "addresses": [{ "address": "10.0.0.1" }] })),
        "error plugins[0].ipam.addresses[0].address: \"10.0.0.1\" is not an address with a prefix length, as 10.1.0.0/16",
    );
    assert_plugin(
        &ipam(json!({ "type": "static", "routes": [{ "gw": "10.0.0.1" }] })),
        r#"error plugins[0].ipam.routes[0]: the key "dst" is missing"#,
    );
}

#[test]
fn ranges_of_addresses() {
    let at = "error plugins[0].ipam.ranges";
    for (written, expected) in [
        (
            json!([[{ "subnet": "10.1.0.0/16" }], [{ "subnet": "10.1.2.0/24" }]]),
            format!(
                "{at}[1][0].subnet: the range 10.1.2.0-10.1.2.255 overlaps with 10.1.0.0-10.1.255.255 of plugins[0].ipam.ranges[0][0].subnet"
            ),
        ),
        (
            json!([[{ "subnet": "10.1.0.0/16" }, { "subnet": "fd00::/64" }]]),
            format!(
                "{at}[0][1].subnet: IPv4 and IPv6 in one set: a container gets one address of each set, so write them as two"
            ),
        ),
        (
            json!([[{ "subnet": "10.1.2.3/16" }]]),
            format!(
                "{at}[0][0].subnet: 10.1.2.3/16 is an address in the network 10.1.0.0/16; 10.1.0.0/16"
            ),
        ),
        (
            json!([[{ "subnet": "10.1.2.2/31" }]]),
            format!("{at}[0][0].subnet: 10.1.2.2/31 is too small to hand out addresses of"),
        ),
        (
            json!([[{ "subnet": "10.1.2.0" }]]),
            format!(
                "{at}[0][0].subnet: \"10.1.2.0\" is not an address with a prefix length, as 10.1.0.0/16"
            ),
        ),
        (
            json!([[{ "subnet": "10.1.0.0/16", "rangeEnd": "10.2.0.1" }]]),
            format!("{at}[0][0].rangeEnd: 10.2.0.1 is not in the network 10.1.0.0/16"),
        ),
        (
            json!([[{ "subnet": "10.1.0.0/16", "rangeStart": "10.1.0.9", "rangeEnd": "10.1.0.8" }]]),
            format!("{at}[0][0]: the range begins at 10.1.0.9, behind its end 10.1.0.8"),
        ),
        (
            json!([[{ "rangeStart": "10.1.0.9" }]]),
            format!("{at}[0][0]: the key \"subnet\" is missing"),
        ),
        (json!([[]]), format!("{at}[0]: the list is empty")),
        (
            json!([{ "subnet": "10.1.0.0/16" }]),
            format!("{at}[0]: expected array, found an object"),
        ),
    ] {
        assert_eq!(ranges(&written), [expected]);
    }
    // Two parts of one network, as nerdctl writes them.
    let parts = json!([[
        { "subnet": "10.1.0.0/16", "rangeEnd": "10.1.0.99" },
        { "subnet": "10.1.0.0/16", "rangeStart": "10.1.0.101" },
    ], [{ "subnet": "fd00::/64" }]]);
    assert_eq!(ranges(&parts), [""; 0]);
}

#[test]
fn capabilities() {
    let bridge = json!({ "type": "bridge" });
    let with = |plugin: Value| lines(&list(&json!([bridge, plugin])));
    let caps = |caps: Value| with(json!({ "type": "portmap", "capabilities": caps }));
    assert_eq!(caps(json!({ "portMappings": true })), [""; 0]);
    let off = "warning plugins[1]: the capability portMappings is not switched on: no port is ever mapped";
    assert_eq!(caps(json!({})), [off]);
    assert_eq!(
        caps(json!({ "portmappings": true })),
        [
            off,
            r#"error plugins[1].capabilities.portmappings: portmap reads no capability "portmappings"; portMappings"#
        ]
    );
    assert_eq!(
        caps(json!({ "portMappings": true, "bandwidth": true, "ips": false })),
        [r#"warning plugins[1].capabilities.bandwidth: portmap reads no capability "bandwidth""#]
    );
    let ips = |ipam: &str| {
        let ipam = json!({ "type": ipam, "ranges": [[{ "subnet": "10.1.0.0/16" }]] });
        let ipam = json!([{ "type": "bridge", "capabilities": { "ips": true, "mac": true }, "ipam": ipam }]);
        lines(&list(&ipam))
    };
    assert_eq!(ips("host-local"), [""; 0]);
    assert_eq!(ips("of-others"), [""; 0]);
}

#[test]
fn chains() {
    for (kinds, expected) in [
        (vec!["loopback"], vec![]),
        (
            vec!["bridge", "vrf"],
            vec![r#"error plugins[1]: the key "vrfname" is missing"#],
        ),
        (
            vec!["bridge", "tuning", "firewall", "bandwidth", "sbr"],
            vec![],
        ),
        (vec!["macvlan", "ipvlan"], vec![]),
        (vec!["calico", "bandwidth"], vec![]),
        (
            vec!["tuning", "bridge"],
            vec![
                "error plugins[0].type: tuning works on the result of a plugin before it, so it cannot be the first",
            ],
        ),
        (
            vec!["host-local"],
            vec![
                r#"error plugins[0].type: host-local is an address plugin: it belongs into the key "ipam" of another one"#,
            ],
        ),
        (
            vec!["bridge", "macvlan"],
            vec![
                "warning plugins[1].type: macvlan makes the container's interface, as bridge before it does: ADD fails",
            ],
        ),
        (
            vec!["loopback", "bridge"],
            vec!["warning plugins[0].type: loopback concerns lo alone: it is a network of its own"],
        ),
    ] {
        let plugins: Vec<Value> = kinds.iter().map(|kind| json!({ "type": kind })).collect();
        assert_eq!(lines(&list(&json!(plugins))), expected, "{kinds:?}");
    }
    assert_plugin(
        &json!({ "type": "../bridge" }),
        "error plugins[0].type: a plugin is named without a path: CNI_PATH has the folders",
    );
}

#[test]
fn keys_of_a_list() {
    let plugins = json!([{ "type": "bridge" }]);
    assert_list(
        &json!({ "name": "net", "plugins": plugins }),
        &[r#"warning : the key "cniVersion" is missing: that means version 0.1.0, without CHECK"#],
    );
    assert_list(
        &json!({ "cniVersion": "1.0", "name": "net", "plugins": plugins }),
        &[
            r#"error cniVersion: "1.0" is none of 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0; 1.0.0"#,
        ],
    );
    assert_list(
        &json!({ "cniVersion": "0.2.0", "name": "net", "plugins": [{ "type": "bridge" }, { "type": "firewall" }] }),
        &[
            "error plugins[1].type: firewall does not speak version 0.2.0: it speaks 0.4.0, 1.0.0, 1.1.0",
        ],
    );
    assert_list(
        &json!({ "cniVersion": "1.0.0", "name": "a b", "plugins": plugins }),
        &[r#"error name: "a b" is not letters, digits, and _ . - behind the first"#],
    );
    for (key, value, expected) in [
        (
            "cniversion",
            json!("1.0.0"),
            r#"error cniversion: unknown key "cniversion": keys of a list match in their exact letter case only; cniVersion"#,
        ),
        (
            "pluginz",
            json!([]),
            r#"error pluginz: unknown key "pluginz"; plugins"#,
        ),
        (
            "ipam",
            json!({}),
            r#"error ipam: unknown key "ipam": it belongs into a plugin"#,
        ),
        (
            "disableCheck",
            json!("no"),
            r#"error disableCheck: "no" is neither true nor false"#,
        ),
        (
            "disableCheck",
            json!(1),
            "error disableCheck: expected boolean or string, found the number 1",
        ),
        ("plugins", json!([]), "error plugins: the list is empty"),
        (
            "plugins",
            json!({}),
            "error plugins: expected array, found an object",
        ),
        (
            "cniVersions",
            json!("1.1.0"),
            "error cniVersions: expected array, found the string \"1.1.0\"",
        ),
    ] {
        let mut list = json!({ "cniVersion": "1.0.0", "name": "net", "plugins": plugins });
        list[key] = value;
        assert_list(&list, &[expected]);
    }
    // Of runtimes and editors.
    assert_list(
        &json!({ "$schema": "x", "cniVersion": "1.0.0", "name": "net", "plugins": plugins, "disableGC": "True",
            "nerdctlID": "x", "nerdctlLabels": {}, "args": { "podman_labels": {} } }),
        &[],
    );
}

#[test]
fn files_that_are_no_network() {
    for (text, expected) in [
        ("", "error : no valid JSON: EOF while parsing a value"),
        (
            "{\n  \"name\": \"net\",\n}",
            "error : no valid JSON: trailing comma",
        ),
        ("[]", "error : expected an object"),
        (
            "{}",
            r#"error : the key "name" is missing: the network needs one"#,
        ),
        ("// remark\n{}", "error : no valid JSON: expected value"),
    ] {
        let found = lines(&check(text.as_bytes(), Form::List));
        assert_eq!(found.first().map(String::as_str), Some(expected), "{text}");
    }
}

#[test]
fn single_plugins() {
    let read = |plugin: Value| lines(&check(plugin.to_string().as_bytes(), Form::Plugin));
    assert_eq!(
        read(json!({ "cniVersion": "1.0.0", "name": "lo", "type": "loopback" })),
        [""; 0]
    );
    assert_eq!(
        read(json!({ "cniVersion": "1.0.0", "name": "lo", "type": "loopback", "mtu": 1 })),
        [r#"warning mtu: unknown key "mtu": it is ignored"#]
    );
    assert_eq!(
        read(json!({ "cniVersion": "1.0.0", "type": "loopback" })),
        [r#"error : the key "name" is missing: the network needs one"#]
    );
    assert_eq!(
        read(json!({ "cniVersion": "1.0.0", "name": "p", "type": "sbr" })),
        ["error type: sbr works on the result of a plugin before it, so it cannot be the first"]
    );
}

#[test]
fn places_are_those_of_the_text() {
    let text = "{\n  \"cniVersion\": \"1.0.0\",\n  \"name\": \"net\",\n  \"plugins\": [\n    {\n\
                \x20     \"type\": \"bridge\",\n      \"ä\": 1, \"mtu\": \"x\"\n    }\n  ]\n}\n";
    let found = check(text.as_bytes(), Form::List).findings;
    let places: Vec<_> = found
        .iter()
        .map(|f| (f.line, f.column, f.severity))
        .collect();
    assert_eq!(
        places,
        [(7, 7, Severity::Warning), (7, 23, Severity::Error)]
    );
    let broken = check(b"{\n \"a\": }", Form::List).findings;
    assert_eq!((broken[0].line, broken[0].column), (2, 7));
}

#[test]
fn networks_of_one_node() {
    let network = |name: &str, subnet: &str| {
        let ipam = json!({ "type": "host-local", "ranges": [[{ "subnet": subnet }]] });
        let plugins = json!([{ "type": "bridge", "ipam": ipam }]);
        let list = json!({ "cniVersion": "1.0.0", "name": name, "plugins": plugins });
        check(list.to_string().as_bytes(), Form::List)
    };
    let [a, b, c, again] = [
        network("a", "10.1.0.0/16"),
        network("b", "10.1.128.0/17"),
        network("c", "10.2.0.0/16"),
        network("a", "10.3.0.0/16"),
    ];
    let found = check_together(&[("1", &a), ("2", &b), ("3", &c), ("4", &again)]);
    let found: Vec<_> = found
        .iter()
        .map(|(file, f)| (*file, f.severity, f.message.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            (
                1,
                Severity::Warning,
                "10.1.128.0/17 overlaps with 10.1.0.0/16 of the network \"a\" in 1: two containers may get one address"
            ),
            (
                3,
                Severity::Error,
                "1 has a network \"a\", too: a runtime takes one of the two"
            ),
        ]
    );
}

/// Networks as they are found in the wild have no errors.
#[test]
fn what_others_ship_is_valid() {
    let host_local = json!({ "type": "host-local", "routes": [{ "dst": "0.0.0.0/0" }],
        "ranges": [[{ "subnet": "10.88.0.0/16", "gateway": "10.88.0.1" }]] });
    let podman = json!({ "cniVersion": "0.4.0", "name": "podman", "plugins": [
        { "type": "bridge", "bridge": "cni-podman0", "isGateway": true, "ipMasq": true,
          "hairpinMode": true, "ipam": host_local },
        { "type": "portmap", "capabilities": { "portMappings": true } },
        { "type": "firewall" }, { "type": "tuning" }] });
    let nerdctl = json!({ "cniVersion": "1.0.0", "name": "bridge", "nerdctlID": "17f29b073143",
        "nerdctlLabels": { "nerdctl/default-network": "true" }, "plugins": [
        { "type": "bridge", "bridge": "nerdctl0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
          "ipam": { "type": "host-local", "routes": [{ "dst": "0.0.0.0/0" }],
                    "ranges": [[{ "gateway": "10.4.0.1", "subnet": "10.4.0.0/24" }]] } },
        { "type": "portmap", "capabilities": { "portMappings": true } },
        { "type": "firewall", "ingressPolicy": "same-bridge" }, { "type": "tuning" }] });
    let flannel = json!({ "name": "cbr0", "cniVersion": "0.3.1", "plugins": [
        { "type": "flannel", "delegate": { "hairpinMode": true, "isDefaultGateway": true } },
        { "type": "portmap", "capabilities": { "portMappings": true } }] });
    let crio = json!({ "cniVersion": "1.0.0", "name": "crio", "plugins": [
        { "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
          "ipam": { "type": "host-local", "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }],
                    "ranges": [[{ "subnet": "10.85.0.0/16" }], [{ "subnet": "1100:200::/24" }]] } }] });
    let calico = json!({ "name": "k8s-pod-network", "cniVersion": "0.3.1", "plugins": [
        { "type": "calico", "log_level": "info", "ipam": { "type": "calico-ipam" }, "policy": { "type": "k8s" },
          "kubernetes": { "kubeconfig": "/etc/cni/net.d/calico-kubeconfig" } },
        { "type": "portmap", "snat": true, "capabilities": { "portMappings": true } },
        { "type": "bandwidth", "capabilities": { "bandwidth": true } }] });
    for network in [podman, nerdctl, flannel, crio, calico] {
        assert_list(&network, &[]);
    }
}
