//! The Go plugin and ours on one node.

use ferrule_testkit::{Call, Host, assert_same};
use ferrule_tests::{Network, with_prev_result};
use serde_json::{Value, json};

use crate::bandwidth::node::{Pod, both, control, ifbs, only, pod};

/// Limits as in configurations, and as containerd passes them.
const LIMITS: &[&str] = &["both", "ingress", "egress", "odd", "large"];

fn keys(limits: &str) -> Value {
    match limits {
        "both" => both(),
        "odd" => json!({ "ingressRate": 1_234_567, "ingressBurst": 7_654_321,
            "egressRate": 40_000_000_000_u64, "egressBurst": 8_000_000_000_u64 }),
        "large" => json!({ "ingressRate": 100_000_000, "ingressBurst": 34_359_738_359_u64,
            "egressRate": 10_000_000, "egressBurst": 4_294_967_295_u64 }),
        direction => only(direction),
    }
}

fn prepare(host: &Host, limits: &str) -> (Pod, Call) {
    let pod = pod(host, &Network::ptp().version("1.0.0"), "c1", &keys(limits));
    let peer = host.peer_plugin("bandwidth").container("c1").ifname("eth0");
    let peer = peer.netns(&pod.attachment.container).config(&pod.config);
    (pod, peer)
}

/// Queueing disciplines, filters and links as the tools print them.
fn objects(host: &Host, pod: &Pod) -> String {
    let links = [pod.attachment.host_end().to_owned()]
        .into_iter()
        .chain(ifbs(host));
    let found = links.flat_map(|link| {
        let control = control(host, &link);
        let kept = control
            .lines()
            .filter(|line| line.contains("qdisc") || line.contains("match"));
        kept.map(|line| format!("{link} {line}\n"))
            .collect::<Vec<_>>()
    });
    found.collect()
}

ferrule_testkit::test! {
    fn both_create_the_same_objects(host, limits in LIMITS)
        needs [PeerPlugins, Ifb, TokenBucketFilter, IngressRedirect, Ipv6] {
        let (pod, peer) = prepare(host, limits);
        pod.limit();
        let ours = objects(host, &pod);
        pod.call.del().succeeds();
        let answer = peer.add().succeeds().json();
        assert_eq!(objects(host, &pod), ours);
        assert_eq!(answer["interfaces"].as_array().unwrap().len(), 2 + ifbs(host).len());
    }
}

ferrule_testkit::test! {
    fn objects_of_the_go_plugin_are_checked_and_removed(host, limits in LIMITS)
        needs [PeerPlugins, Ifb, TokenBucketFilter, IngressRedirect, Ipv6] {
        let (pod, peer) = prepare(host, limits);
        let before = host.snapshot();
        let result = peer.add().succeeds().json();
        pod.call_after(&result).check().succeeds();
        pod.call.add().fails_with_code(999).mentions("file exists");
        pod.call_after(&result).check().succeeds();
        pod.call_after(&result).del().succeeds();
        assert_same(&before, &host.snapshot());
    }
}

ferrule_testkit::test! {
    fn the_go_plugin_checks_and_removes_our_objects(host, limits in LIMITS)
        needs [PeerPlugins, Ifb, TokenBucketFilter, IngressRedirect, Ipv6] {
        let (pod, peer) = prepare(host, limits);
        let result = pod.limit();
        let peer = peer.config(with_prev_result(&pod.config, &result));
        peer.check().succeeds();
        peer.add().fails();
        peer.del().succeeds();
        assert_eq!(ifbs(host), [""; 0]);
        pod.call_after(&result).del().succeeds();
    }
}

ferrule_testkit::test! {
    /// The Go plugin uses the default burst of containerd literally.
    fn a_default_burst_is_checked_in_either_form(host)
        needs [PeerPlugins, Ifb, TokenBucketFilter, IngressRedirect, Ipv6] {
        let (pod, peer) = prepare(host, "both");
        let mut config = pod.config.clone();
        for key in ["ingressRate", "ingressBurst", "egressRate", "egressBurst"] {
            config.as_object_mut().unwrap().remove(key);
        }
        config["runtimeConfig"] = json!({ "bandwidth": keys("large") });
        let result = peer.config(&config).add().succeeds().json();
        let config = with_prev_result(&config, &result);
        pod.call.clone().config(&config).check().succeeds();
        pod.call.clone().config(&config).del().succeeds();
        assert_eq!(ifbs(host), [""; 0]);
    }
}
