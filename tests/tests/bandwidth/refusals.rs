//! Refused requests change nothing.

use ferrule_testkit::assert_same;
use ferrule_tests::{Network, with_prev_result};
use serde_json::{Value, json};

use crate::bandwidth::node::{both, config, ifbs, only, pod};

/// Keys, and code and text of the error.
const KEYS: &[&str] = &[
    r#"{ "ingressRate": 8000 } => 7 => if rate is set, burst must also be set"#,
    r#"{ "egressRate": 8000 } => 7 => if rate is set, burst must also be set"#,
    r#"{ "ingressBurst": 8000 } => 7 => if burst is set, rate must also be set"#,
    r#"{ "egressBurst": 8000 } => 7 => if burst is set, rate must also be set"#,
    r#"{ "egressRate": 8000, "egressBurst": 34359738368 } => 7 => burst cannot be more than 4GB"#,
    r#"{ "egressRate": 7, "egressBurst": 8000 } => 7 => at least 8"#,
    r#"{ "ingressRate": -1 } => 6 => ingressRate"#,
    r#"{ "ingressRate": "20M" } => 6 => ingressRate"#,
    r#"{ "runtimeConfig": { "bandwidth": { "EgressRate": 8000 } } } => 7 => egressRate 8000"#,
];

ferrule_testkit::test! {
    fn invalid_keys_are_refused_except_by_del(host, case in KEYS) needs [Ipv6] {
        let [keys, code, text] = case.split(" => ").collect::<Vec<_>>()[..] else { panic!("{case}") };
        let pod = pod(host, &Network::ptp(), "c1", &serde_json::from_str(keys).unwrap());
        let before = host.snapshot();
        for verb in ["ADD", "CHECK", "STATUS"] {
            pod.call.clone().verb(verb).run().fails_with_code(code.parse().unwrap()).mentions(text);
        }
        pod.call.del().succeeds();
        assert_same(&before, &host.snapshot());
    }
}

ferrule_testkit::test! {
    fn a_previous_result_is_needed(host, verb in ["ADD", "CHECK"]) {
        host.netns("c1");
        let config = config(&json!("1.0.0"), &both());
        let call = host.plugin("bandwidth").container("c1").netns("/run/netns/c1").ifname("eth0");
        call.config(&config).verb(verb).run().fails_with_code(7);
    }
}

/// Changes that make the previous result unusable.
const RESULTS: &[&str] = &[
    "none => no interfaces provided",
    "renamed => no veth peer of container interface found in host ns",
    "inside => no veth peer of container interface found in host ns",
];

ferrule_testkit::test! {
    fn the_host_end_must_be_in_the_previous_result(host, case in RESULTS) needs [Ipv6] {
        let (change, text) = case.split_once(" => ").unwrap();
        let pod = pod(host, &Network::ptp(), "c1", &both());
        let mut result = pod.attachment.result.clone();
        let sandbox = result["interfaces"][1]["sandbox"].clone();
        match change {
            "none" => result["interfaces"] = json!([]),
            "renamed" => result["interfaces"][0]["name"] = "veth0".into(),
            _ => result["interfaces"][0]["sandbox"] = sandbox,
        }
        for ip in result["ips"].as_array_mut().unwrap() {
            ip.as_object_mut().unwrap().remove("interface");
        }
        let before = host.snapshot();
        for verb in ["ADD", "CHECK"] {
            pod.call_after(&result).verb(verb).run().fails().mentions(text);
        }
        assert_same(&before, &host.snapshot());
    }
}

ferrule_testkit::test! {
    /// Other links of the host are ignored.
    fn the_host_end_of_the_container_is_limited(host) needs [Ifb, TokenBucketFilter, IngressRedirect, Ipv6] {
        let network = Network::bridge();
        let other = network.attach(host, "c2");
        let pod = pod(host, &network, "c1", &only("ingress"));
        let mut result = pod.attachment.result.clone();
        let entry = json!({ "name": other.host_end(), "mac": "02:00:00:00:00:01" });
        result["interfaces"].as_array_mut().unwrap().insert(0, entry);
        for ip in result["ips"].as_array_mut().unwrap() {
            ip["interface"] = json!(ip["interface"].as_u64().unwrap() + 1);
        }
        assert_eq!(pod.call_after(&result).add().succeeds().json(), result);
        let has_limit = |link: &str| super::node::control(host, link).contains("tbf");
        assert!(has_limit(pod.attachment.host_end()) && !has_limit(other.host_end()));
    }
}

ferrule_testkit::test! {
    fn only_veth_pairs_are_limited(host, peer in ["macvlan", "missing", "in another namespace"])
        needs [Macvlan] {
        let container = host.netns("c1");
        let other = host.netns("c2");
        let text = match peer {
            "macvlan" => {
                host.ip("link add wan0 type veth peer name wire0");
                host.ip(["link", "add", "eth0", "netns", "c1", "link", "wan0", "type", "macvlan"]);
                "has no veth peer"
            }
            "missing" => "not found",
            _ => {
                host.ip("link add eth0 netns c1 type veth peer name far0");
                host.ip("link set far0 netns c2");
                "is not in host ns"
            }
        };
        let interface = |name: &str, sandbox: &str| json!({ "name": name, "sandbox": sandbox });
        let result = json!({ "cniVersion": "1.0.0", "interfaces": [
            interface("far0", ""), interface("eth0", "/run/netns/c1"),
        ] });
        let config = with_prev_result(&config(&json!("1.0.0"), &both()), &result);
        let call = host.plugin("bandwidth").container("c1").netns(&container).ifname("eth0");
        call.config(&config).add().fails().mentions(text);
        assert_eq!(ifbs(host), [""; 0]);
        drop(other);
    }
}

ferrule_testkit::test! {
    /// As in the Go plugin; the limits of the first ADD stay.
    fn a_second_add_is_refused(host, direction in ["ingress", "egress", ""])
        needs [Ifb, TokenBucketFilter, IngressRedirect, Ipv6] {
        let pod = pod(host, &Network::ptp(), "c1", &only(direction));
        let result = pod.limit();
        let before = host.snapshot();
        pod.call.add().fails_with_code(999).mentions("file exists").mentions("send DEL");
        pod.call_after(&result).add().fails_with_code(999);
        assert_same(&before, &host.snapshot());
        pod.call_after(&result).check().succeeds();
        pod.call_after(&result).del().succeeds();
        assert_eq!(pod.limit(), result_with_new_mac(&result, &ifbs(host), host));
    }
}

/// The result with the current MAC address of the IFB link, which is random.
fn result_with_new_mac(result: &Value, ifbs: &[String], host: &ferrule_testkit::Host) -> Value {
    let mut result = result.clone();
    if let Some(name) = ifbs.first() {
        result["interfaces"]
            .as_array_mut()
            .unwrap()
            .last_mut()
            .unwrap()["mac"] = host.link(name)["address"].clone();
    }
    result
}

ferrule_testkit::test! {
    /// Whichever step fails: existing objects stay, and nothing else is left.
    fn a_failed_add_is_undone(host, obstacle in ["root", "ingress", "ifb"])
        needs [Ifb, TokenBucketFilter, IngressRedirect, Ipv6] {
        let pod = pod(host, &Network::ptp(), "c1", &both());
        let end = pod.attachment.host_end();
        match obstacle {
            "root" => drop(host.tool("tc", format!("qdisc add dev {end} root handle 5: pfifo"))),
            "ingress" => drop(host.tool("tc", format!("qdisc add dev {end} ingress"))),
            _ => {
                pod.limit();
                let name = ifbs(host).remove(0);
                pod.call.del().succeeds();
                host.ip(format!("link add {name} type bridge"));
            }
        }
        let before = host.snapshot();
        pod.call.add().fails_with_code(999).mentions("file exists");
        assert_same(&before, &host.snapshot());
    }
}
