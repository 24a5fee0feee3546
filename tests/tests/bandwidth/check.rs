//! CHECK detects every difference.

use ferrule_tests::Network;
use serde_json::json;

use crate::bandwidth::node::{both, ifbs, pod};

/// Commands that change something, with `END` for the host end and `IFB` for the IFB link; and a
/// text of the error.
const DAMAGE: &[&str] = &[
    "tc qdisc del dev END root => Failed to find qdisc",
    "tc qdisc replace dev END root handle 2: pfifo => has pfifo, expected tbf",
    "tc qdisc change dev END root handle 1: tbf rate 21mbit burst 25000b limit 87500 => Rate doesn't match: 2625000",
    "tc qdisc change dev END root handle 1: tbf rate 20mbit burst 26000b limit 87500 => Buffer doesn't match",
    "tc qdisc change dev END root handle 1: tbf rate 20mbit burst 25000b limit 87501 => Limit doesn't match: 87501",
    "tc qdisc del dev IFB root => Failed to find qdisc",
    "tc qdisc change dev IFB root handle 1: tbf rate 21mbit burst 25000b limit 87500 => Rate doesn't match",
    "tc qdisc change dev IFB root handle 1: tbf rate 20mbit burst 25000b limit 87501 => Limit doesn't match",
    "ip link set IFB down => is down",
    "ip link del IFB => get ifb device",
    "tc filter del dev END ingress => does not redirect",
    "tc qdisc del dev END ingress => no ingress qdisc",
    "tc filter del dev END ingress ; tc filter add dev END parent ffff: prio 1 protocol all u32 match u32 1 1 action mirred egress redirect dev IFB => does not redirect",
    "tc filter del dev END ingress ; tc filter add dev END parent ffff: prio 1 protocol all u32 match u32 0 0 action mirred egress redirect dev lo => does not redirect",
    "ip link set IFB name other0 => get ifb device",
    "ip link set IFB alias cni:net/c2/eth0 => get ifb device",
];

ferrule_testkit::test! {
    fn check_detects_every_damage(host, case in DAMAGE)
        needs [Ifb, TokenBucketFilter, IngressRedirect, Ipv6] {
        let (command, text) = case.split_once(" => ").unwrap();
        let pod = pod(host, &Network::ptp(), "c1", &both());
        let result = pod.limit();
        let call = pod.call_after(&result);
        call.check().succeeds().stdout_is("");
        let command = command.replace("END", pod.attachment.host_end()).replace("IFB", &ifbs(host)[0]);
        for command in command.split(" ; ") {
            host.exec(command).succeeds();
        }
        call.check().fails_with_code(999).mentions(text);
    }
}

ferrule_testkit::test! {
    fn check_detects_other_limits(host, key in ["ingressRate", "ingressBurst", "egressRate", "egressBurst"])
        needs [Ifb, TokenBucketFilter, IngressRedirect, Ipv6] {
        let pod = pod(host, &Network::ptp(), "c1", &both());
        let result = pod.limit();
        let mut config = ferrule_tests::with_prev_result(&pod.config, &result);
        config[key] = json!(config[key].as_u64().unwrap() + 8);
        pod.call.clone().config(&config).check().fails_with_code(999).mentions("doesn't match");
    }
}
