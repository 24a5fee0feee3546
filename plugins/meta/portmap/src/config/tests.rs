use ferrule_netfilter::nft::Transport;

use super::*;
use crate::mapping::HostAddress;

fn config(text: &str) -> Config {
    let node = cni_types::json::JsonValue::read(text.as_bytes()).unwrap();
    node.decode().unwrap()
}

fn plan(text: &str) -> Result<Plan, String> {
    Plan::new(&config(text)).map_err(|error| {
        assert_eq!(error.code, 7, "{error}");
        error.msg
    })
}

#[test]
fn without_keys_the_defaults_of_the_go_plugin_hold() {
    let plan = plan("{}").unwrap();
    assert_eq!(
        plan,
        Plan {
            backend: None,
            masquerading: Masquerading::Neighbours,
            marking: Marking::Bit(13),
            conditions: Conditions::default(),
            maps: false,
            mappings: vec![],
        }
    );
}

#[test]
fn mappings_are_read_in_the_letter_case_of_every_runtime() {
    for text in [
        r#"{"runtimeConfig": {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "udp", "hostIP": "10.0.0.1"}]}}"#,
        r#"{"runtimeConfig": {"portMappings": [{"HostPort": 8080, "ContainerPort": 80, "Protocol": "udp", "HostIP": "10.0.0.1"}]}}"#,
        r#"{"RUNTIMECONFIG": {"portmappings": [{"HOSTPORT": 1, "hostport": 8080, "ContainerPORT": 80, "Protocol": "UDP", "hostIp": "10.0.0.1"}]}}"#,
    ] {
        let expected = Mapping {
            transport: Transport::Udp,
            host: HostAddress::Only([10, 0, 0, 1].into()),
            host_port: 8080,
            container_port: 80,
        };
        assert_eq!(plan(text).unwrap().mappings, [expected], "{text}");
    }
    let null = r#"{"runtimeConfig": {"portMappings": null}, "snat": null}"#;
    assert_eq!(plan(null).unwrap(), plan("{}").unwrap());
}

#[test]
fn sources_are_translated_as_the_keys_say() {
    for (text, expected) in [
        (r#"{"snat": false}"#, Masquerading::Nobody),
        (r#"{"snat": false, "masqAll": true}"#, Masquerading::Nobody),
        (r#"{"snat": true}"#, Masquerading::Neighbours),
        (r#"{"masqAll": true}"#, Masquerading::Everybody),
    ] {
        assert_eq!(plan(text).unwrap().masquerading, expected, "{text}");
    }
}

#[test]
fn one_of_the_two_ways_of_marking_is_chosen() {
    let marking = |text: &str| plan(text).map(|plan| plan.marking);
    assert_eq!(marking(r#"{"markMasqBit": 0}"#), Ok(Marking::Bit(0)));
    assert_eq!(marking(r#"{"markMasqBit": 31}"#), Ok(Marking::Bit(31)));
    assert_eq!(
        marking(r#"{"externalSetMarkChain": "KUBE-MARK-MASQ"}"#),
        Ok(Marking::Chain("KUBE-MARK-MASQ".into()))
    );
    let both = r#"{"markMasqBit": 13, "externalSetMarkChain": "X"}"#;
    assert_eq!(
        marking(both),
        Err("Cannot specify externalSetMarkChain and markMasqBit".into())
    );
    for bit in ["32", "-1"] {
        assert_eq!(
            marking(&format!(r#"{{"markMasqBit": {bit}}}"#)),
            Err("MasqMarkBit must be between 0 and 31".into())
        );
    }
}

#[test]
fn options_of_the_other_back_end_are_listed() {
    let words = |words: &str| format!(r#""conditionsV4": [{words}], "conditionsV6": [{words}]"#);
    let (iptables, nftables) = (words(r#""!", "-s", "x""#), words(r#""a", "b""#));
    let wrong = |asked: &str, other: &str, keys: &str| {
        Err(format!(
            "{asked} backend was requested but configuration contains {other}-specific options [{keys}]"
        ))
    };
    let backend = |text: String| plan(&text).map(|plan| plan.backend);
    assert_eq!(
        backend(format!(r#"{{"backend": "nftables", {nftables}}}"#)),
        Ok(Some(Backend::Nftables))
    );
    assert_eq!(
        backend(format!(r#"{{"backend": "iptables", {iptables}}}"#)),
        Ok(Some(Backend::Iptables))
    );
    assert_eq!(
        backend(format!(r#"{{"backend": "iptables", {nftables}}}"#)),
        wrong("iptables", "nftables", "conditionsV4 conditionsV6")
    );
    assert_eq!(
        backend(format!(
            r#"{{"backend": "nftables", "externalSetMarkChain": "X", {iptables}}}"#
        )),
        wrong(
            "nftables",
            "iptables",
            "externalSetMarkChain conditionsV4 conditionsV6"
        )
    );
    assert_eq!(
        backend(r#"{"backend": "iptables", "nftablesMaps": true}"#.into()),
        wrong("iptables", "nftables", "nftablesMaps")
    );
    // Without a first word there is no telling, and nothing to refuse.
    let empty = r#"{"backend": "nftables", "conditionsV4": [], "conditionsV6": [""]}"#;
    assert!(plan(empty).is_ok());
    assert!(
        config(&format!("{{{iptables}}}"))
            .check_options(Backend::Nftables)
            .is_err()
    );
}

#[test]
fn maps_mean_nftables_and_leave_no_room_for_conditions() {
    let maps = plan(r#"{"nftablesMaps": true}"#).unwrap();
    assert_eq!((maps.backend, maps.maps), (Some(Backend::Nftables), true));
    let error = plan(r#"{"nftablesMaps": true, "conditionsV4": ["ip", "saddr", "10.0.0.1"]}"#);
    assert!(
        error
            .unwrap_err()
            .starts_with("nftablesMaps cannot be combined")
    );
}

#[test]
fn unknown_back_ends_are_refused() {
    for name in ["", "ipvs", "NFTABLES"] {
        assert_eq!(
            plan(&format!(r#"{{"backend": "{name}"}}"#)),
            Err(format!("unrecognized backend {name:?}"))
        );
    }
}

#[test]
fn a_wrong_mapping_is_refused_and_for_del_left_out() {
    let text = r#"{"runtimeConfig": {"portMappings": [
        {"hostPort": 1, "containerPort": 1, "protocol": "tcp"},
        {"hostPort": 0, "containerPort": 1, "protocol": "tcp"}]}}"#;
    assert_eq!(plan(text), Err("Invalid host port number: 0".into()));
    assert_eq!(config(text).readable_mappings().len(), 1);
}
