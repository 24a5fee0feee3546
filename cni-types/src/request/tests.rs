use std::collections::HashMap;

use super::*;

/// The environment of a sound ADD.
fn environment() -> HashMap<&'static str, &'static str> {
    HashMap::from([
        ("CNI_COMMAND", "ADD"),
        ("CNI_CONTAINERID", "some-id"),
        ("CNI_NETNS", "/run/netns/x"),
        ("CNI_IFNAME", "eth0"),
        ("CNI_ARGS", "A=B"),
        ("CNI_PATH", "/opt/cni/bin"),
    ])
}

fn read(environment: &HashMap<&str, &str>, stdin: &[u8]) -> Result<Incoming, Error> {
    read_for(environment, stdin, &SpecVersion::ALL)
}

fn read_for(
    environment: &HashMap<&str, &str>,
    mut stdin: &[u8],
    supported: &[SpecVersion],
) -> Result<Incoming, Error> {
    Request::read(
        |name| environment.get(name).map(OsString::from),
        &mut stdin,
        supported,
    )
}

fn with(changes: &[(&'static str, &'static str)]) -> HashMap<&'static str, &'static str> {
    let mut all = environment();
    all.extend(changes.iter().copied());
    all
}

const CONFIG: &[u8] = br#"{"cniVersion": "1.1.0", "name": "net", "type": "t"}"#;

/// Code, message and details of the error.
fn refusal(environment: &HashMap<&str, &str>, stdin: &[u8]) -> (u32, String, String) {
    let error = read(environment, stdin).unwrap_err();
    (error.code, error.msg, error.details)
}

#[test]
fn a_sound_request_is_taken_apart() {
    let Ok(Incoming::Verb(request)) = read(&environment(), CONFIG) else {
        panic!()
    };
    assert_eq!(request.command, Command::Add);
    assert_eq!(request.container_id, "some-id");
    assert_eq!(request.netns, PathBuf::from("/run/netns/x"));
    assert_eq!(
        (request.ifname.as_str(), request.args.as_str()),
        ("eth0", "A=B")
    );
    assert_eq!(request.path, "/opt/cni/bin");
    assert_eq!(
        (request.version, request.network.as_str()),
        (SpecVersion::V1_1_0, "net")
    );
    assert_eq!(request.stdin, CONFIG);
    assert!(!request.netns_override);
}

#[test]
fn every_missing_variable_is_named_in_order() {
    let none = with(&[
        ("CNI_CONTAINERID", ""),
        ("CNI_NETNS", ""),
        ("CNI_IFNAME", ""),
        ("CNI_PATH", ""),
    ]);
    let (code, msg, _) = refusal(&none, CONFIG);
    let all = "required env variables [CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME,CNI_PATH] missing";
    assert_eq!((code, msg.as_str()), (4, all));
    for (command, optional) in [
        ("DEL", &["CNI_NETNS", "CNI_ARGS"][..]),
        (
            "GC",
            &["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS"],
        ),
        (
            "STATUS",
            &["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS"],
        ),
        ("ADD", &["CNI_ARGS"]),
        ("CHECK", &["CNI_ARGS"]),
    ] {
        for variable in [
            "CNI_CONTAINERID",
            "CNI_NETNS",
            "CNI_IFNAME",
            "CNI_ARGS",
            "CNI_PATH",
        ] {
            let mut changed = with(&[("CNI_COMMAND", command)]);
            changed.remove(variable);
            let ok = read(&changed, CONFIG).is_ok();
            assert_eq!(
                ok,
                optional.contains(&variable),
                "{command} without {variable}"
            );
        }
    }
}

#[test]
fn wrong_values_win_over_missing_ones() {
    let both = with(&[("CNI_CONTAINERID", "a%b"), ("CNI_PATH", "")]);
    assert_eq!(
        refusal(&both, CONFIG),
        (4, "invalid characters in containerID".into(), "a%b".into())
    );
    let interface = with(&[("CNI_IFNAME", "a/b"), ("CNI_NETNS", "")]);
    assert_eq!(
        refusal(&interface, CONFIG).1,
        "interface name contains / or : or whitespace characters"
    );
    // What the verb does not need is not looked at.
    assert!(
        read(
            &with(&[("CNI_COMMAND", "GC"), ("CNI_CONTAINERID", "a%b")]),
            CONFIG
        )
        .is_ok()
    );
}

#[test]
fn no_command_is_a_person_and_version_reads_no_input() {
    struct Unreadable;
    impl Read for Unreadable {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("not to be read"))
        }
    }
    let ask = |command: &'static str| {
        let variable = move |name: &str| (name == "CNI_COMMAND").then(|| command.into());
        Request::read(variable, &mut Unreadable, &SpecVersion::ALL)
    };
    assert!(matches!(ask(""), Ok(Incoming::Usage)));
    assert!(matches!(ask("VERSION"), Ok(Incoming::Version)));
    let complete = |name: &str| environment().get(name).map(OsString::from);
    let error = Request::read(complete, &mut Unreadable, &SpecVersion::ALL).unwrap_err();
    assert_eq!(
        (error.code, error.msg.as_str()),
        (5, "error reading from stdin: not to be read")
    );
}

#[test]
fn a_bad_configuration_is_reported_before_a_bad_verb() {
    let unknown = with(&[("CNI_COMMAND", "add")]);
    assert_eq!(refusal(&unknown, b"{").0, 6);
    assert_eq!(refusal(&unknown, b"{}").0, 7);
    assert_eq!(
        refusal(&unknown, CONFIG),
        (4, "unknown CNI_COMMAND: add".into(), String::new())
    );
}

#[test]
fn every_bad_configuration_has_its_code() {
    let deep = "[".repeat(100_000);
    let large = format!(r#"{{"name": "net", "x": "{}"}}"#, "x".repeat(10 << 20));
    for (config, code) in [
        (&b""[..], 6),
        (b"{}}", 6),
        (b"\xef\xbb\xbf{}", 6),
        (b"[]", 6),
        (b"1", 6),
        (b"null", 7),
        (b"{}", 7),
        (br#"{"name": null}"#, 7),
        (br#"{"name": 1}"#, 6),
        (br#"{"name": "a b"}"#, 7),
        (br#"{"name": "net\n"}"#, 7),
        (b"{\"name\": \"a\xff\"}", 7),
        (br#"{"name": "net", "cniVersion": 1}"#, 6),
        (br#"{"name": "net", "cniVersion": "1.1"}"#, 1),
        (br#"{"name": "net", "cniVersion": "4.3.2"}"#, 1),
        (deep.as_bytes(), 6),
        (large.as_bytes(), 6),
    ] {
        let shown = String::from_utf8_lossy(&config[..config.len().min(60)]).into_owned();
        assert_eq!(refusal(&environment(), config).0, code, "{shown}");
    }
}

#[test]
fn common_keys_are_decoded_with_the_request() {
    let config = br#"{"cniVersion": "1.1.0", "name": "net", "IPAM": {"type": "static"}, "dns": {"domain": "x"}}"#;
    let Ok(Incoming::Verb(request)) = read(&environment(), config) else {
        panic!()
    };
    assert_eq!(request.ipam_type, "static");
    assert_eq!(request.dns.domain, "x");
}

/// Keys of a plugin of its own, beside a common one.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Own {
    dns: Dns,
    list: Vec<u8>,
}

#[test]
fn common_keys_of_a_wrong_type_come_last_and_only_del_ignores_them() {
    let wrong = r#""ipam": {"type": 1}, "dns": "x", "type": [], "capabilities": {"a": 1}, "prevResult": []"#;
    let config = |more: &str| format!("{{{wrong}, {more}}}").into_bytes();
    let sound = config(r#""cniVersion": "1.1.0", "name": "net""#);
    for (more, code, gist) in [
        (r#""name": 1"#, 6, r#"key "name""#),
        (r#""cniVersion": 1"#, 7, "missing network name"),
        (
            r#""name": "net", "cniVersion": 1"#,
            6,
            r#"key "cniVersion""#,
        ),
        (r#""name": "net", "cniVersion": "7.0.0""#, 1, "incompatible"),
    ] {
        for command in ["ADD", "DEL"] {
            let environment = with(&[("CNI_COMMAND", command)]);
            let (found, msg, _) = refusal(&environment, &config(more));
            assert_eq!(found, code, "{more}: {msg}");
            assert!(msg.contains(gist), "{more}: {msg}");
        }
    }
    for command in ["ADD", "CHECK", "STATUS", "GC"] {
        let (code, msg, _) = refusal(&with(&[("CNI_COMMAND", command)]), &sound);
        assert_eq!(code, 6);
        assert!(msg.contains(r#"key "ipam.type": "#), "{msg}");
    }
    let Ok(Incoming::Verb(request)) = read(&with(&[("CNI_COMMAND", "DEL")]), &sound) else {
        panic!()
    };
    assert_eq!(request.ipam_type, "");
    let (own, ignored) = request.decode_lenient::<Own>().unwrap();
    assert_eq!((own.dns, own.list), (Dns::default(), vec![]));
    let mut paths: Vec<&str> = ignored.iter().map(|error| error.path.as_str()).collect();
    paths.sort_unstable();
    assert_eq!(
        paths,
        ["capabilities.a", "dns", "ipam.type", "prevResult", "type"]
    );
}

#[test]
fn verbs_are_gated_by_version() {
    for (command, too_old, old_enough) in [
        ("CHECK", "0.3.1", "0.4.0"),
        ("GC", "1.0.0", "1.1.0"),
        ("STATUS", "1.0.0", "1.1.0"),
    ] {
        let environment = with(&[("CNI_COMMAND", command)]);
        let config = |version: &str| format!(r#"{{"name": "n", "cniVersion": "{version}"}}"#);
        let (code, msg, _) = refusal(&environment, config(too_old).as_bytes());
        assert_eq!(
            (code, msg),
            (1, format!("config version does not allow {command}"))
        );
        assert!(read(&environment, config(old_enough).as_bytes()).is_ok());
        assert_eq!(refusal(&environment, config("1.x").as_bytes()).0, 6);
        let old_plugin = [SpecVersion::V0_3_1];
        let error = read_for(&environment, config("1.1.0").as_bytes(), &old_plugin).unwrap_err();
        assert_eq!(
            error.msg,
            format!("plugin version does not allow {command}")
        );
    }
    let error = read_for(
        &environment(),
        CONFIG,
        &[SpecVersion::V0_4_0, SpecVersion::V1_0_0],
    );
    let error = error.unwrap_err();
    assert_eq!(
        (error.code, error.msg.as_str()),
        (1, "incompatible CNI versions")
    );
    assert_eq!(
        error.details,
        r#"config is "1.1.0", plugin supports ["0.4.0" "1.0.0"]"#
    );
}

#[test]
fn the_override_is_one_or_true() {
    for (text, expected) in [("1", true), ("TRUE", true), ("yes", false), ("0", false)] {
        let changed = with(&[("CNI_NETNS_OVERRIDE", text)]);
        let Ok(Incoming::Verb(request)) = read(&changed, CONFIG) else {
            panic!()
        };
        assert_eq!(request.netns_override, expected, "{text}");
    }
}
