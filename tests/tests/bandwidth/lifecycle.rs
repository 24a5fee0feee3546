//! DEL in all situations.

use ferrule_testkit::assert_same;
use ferrule_tests::{Network, with_prev_result};
use serde_json::{Value, json};

use crate::bandwidth::node::{both, config, ifbs, only, pod};

ferrule_testkit::test! {
    /// DEL removes everything, also from a pair that stays, and can be repeated.
    fn del_leaves_nothing(host, network in ["bridge", "ptp"])
        needs [Ifb, TokenBucketFilter, IngressRedirect, Ipv6] {
        let pod = pod(host, &Network::of(network), "c1", &both());
        let before = host.snapshot();
        let result = pod.limit();
        for call in [pod.call_after(&result), pod.call_after(&result), pod.call.clone()] {
            call.del().succeeds().stdout_is("");
            assert_same(&before, &host.snapshot());
        }
        pod.limit();
        let config = with_prev_result(&pod.config, &Value::Null);
        pod.call.clone().config(&config).del().succeeds();
        assert_same(&before, &host.snapshot());
    }
}

ferrule_testkit::test! {
    fn del_without_the_namespace_leaves_nothing(host, path in ["", "/run/netns/c1", "/etc/hostname"])
        needs [Ifb, TokenBucketFilter, IngressRedirect, Ipv6] {
        let pod = pod(host, &Network::ptp(), "c1", &both());
        let result = pod.limit();
        pod.attachment.container.remove();
        for call in [pod.call_after(&result), pod.call.clone()] {
            call.netns(path).del().succeeds().stdout_is("");
            assert_eq!(ifbs(host), [""; 0]);
        }
    }
}

ferrule_testkit::test! {
    /// Invalid or missing keys do not stop DEL.
    fn del_needs_no_keys(host, keys in [r"{}", r#"{ "egressRate": "much" }"#, r#"{ "runtimeConfig": 7 }"#])
        needs [Ifb, TokenBucketFilter, IngressRedirect, Ipv6] {
        let pod = pod(host, &Network::ptp(), "c1", &both());
        let before = host.snapshot();
        pod.limit();
        let keys: Value = serde_json::from_str(keys).unwrap();
        let config = with_prev_result(&config(&json!("1.1.0"), &keys), &pod.attachment.result);
        pod.call.clone().config(&config).del().succeeds();
        assert_same(&before, &host.snapshot());
    }
}

ferrule_testkit::test! {
    /// An administrator has removed one of the objects.
    fn del_succeeds_after_any_damage(host, damage in ["ifb", "ingress", "filter", "root", "ifb and ingress", "pair"])
        needs [Ifb, TokenBucketFilter, IngressRedirect, Ipv6] {
        let pod = pod(host, &Network::ptp(), "c1", &both());
        let before = host.snapshot();
        let result = pod.limit();
        let (ifb, end) = (ifbs(host).remove(0), pod.attachment.host_end());
        match damage {
            "filter" => drop(host.tool("tc", format!("filter del dev {end} ingress"))),
            "root" => drop(host.tool("tc", format!("qdisc del dev {end} root"))),
            "pair" => drop(host.ip(format!("link del {end}"))),
            parts => for part in parts.split(" and ") {
                match part {
                    "ifb" => drop(host.ip(format!("link del {ifb}"))),
                    _ => drop(host.tool("tc", format!("qdisc del dev {end} ingress"))),
                }
            },
        }
        pod.call_after(&result).del().succeeds();
        assert_eq!(ifbs(host), [""; 0]);
        if damage != "pair" {
            assert_same(&before, &host.snapshot());
        }
    }
}

ferrule_testkit::test! {
    /// A recycled namespace: the limits of its new container stay.
    fn del_leaves_another_containers_limits_alone(host) needs [Ifb, TokenBucketFilter, IngressRedirect, Ipv6] {
        let network = Network::ptp();
        let first = pod(host, &network, "c1", &both());
        first.limit();
        let second = pod(host, &network, "c2", &both());
        let result = second.limit();
        let recycled = first.call.clone().netns(&second.attachment.container);
        recycled.del().succeeds();
        assert_eq!(ifbs(host).len(), 1);
        second.call_after(&result).check().succeeds();
        recycled.del().succeeds();
        second.call_after(&result).check().succeeds();
    }
}

ferrule_testkit::test! {
    /// Queueing disciplines of an administrator on the host end stay.
    fn del_leaves_objects_of_others(host, other in [
        "qdisc add dev {} root handle 7: tbf rate 1mbit burst 10k latency 10ms",
        "qdisc add dev {} root handle 7: pfifo",
        "qdisc add dev {} clsact",
    ]) needs [Ifb, TokenBucketFilter, IngressRedirect, Ipv6] {
        let pod = pod(host, &Network::ptp(), "c1", &both());
        host.tool("tc", other.replace("{}", pod.attachment.host_end()));
        let before = host.snapshot();
        pod.call.del().succeeds();
        assert_same(&before, &host.snapshot());
    }
}

ferrule_testkit::test! {
    /// Two interfaces of a container in one network: the Go plugin uses one IFB name for both.
    fn interfaces_of_one_container_are_separate(host) needs [Ifb, TokenBucketFilter, IngressRedirect, Ipv6] {
        let network = Network::ptp();
        let first = pod(host, &network, "c1", &both());
        let first_result = first.limit();
        let added = network.call(host, "c1").ifname("net1").add().succeeds().json();
        let call = first.call.clone().ifname("net1");
        let config = |result: &Value| with_prev_result(&first.config, result);
        let second_result = call.clone().config(config(&added)).add().succeeds().json();
        assert_eq!(ifbs(host).len(), 2);
        let second = call.config(config(&second_result));
        second.check().succeeds();
        first.call_after(&first_result).check().succeeds();
        first.call_after(&first_result).del().succeeds();
        second.check().succeeds();
        second.del().succeeds();
        assert_eq!(ifbs(host), [""; 0]);
    }
}

ferrule_testkit::test! {
    fn many_containers_are_limited_at_once(host) needs [Ifb, TokenBucketFilter, IngressRedirect, Ipv6] {
        let network = Network::bridge();
        let names = ["c1", "c2", "c3", "c4", "c5", "c6"];
        let pods = names.map(|name| pod(host, &network, name, &only("egress")));
        let before = host.snapshot();
        for verb in ["ADD", "DEL"] {
            let running = pods.each_ref().map(|pod| pod.call.clone().verb(verb).start());
            for one in running {
                one.wait().succeeds();
            }
            assert_eq!(ifbs(host).len(), if verb == "ADD" { 6 } else { 0 });
        }
        assert_same(&before, &host.snapshot());
    }
}
