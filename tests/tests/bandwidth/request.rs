//! Keys of the configuration and of the runtime.

use ferrule_tests::{Network, with_prev_result};
use serde_json::{Value, json};

use crate::bandwidth::SPOKEN;
use crate::bandwidth::node::{both, control, ifbs, only, pod};

ferrule_testkit::test! {
    fn both_directions_are_limited(host, version in SPOKEN)
        needs [Ifb, TokenBucketFilter, IngressRedirect, Ipv6] {
        let network = Network::ptp().with(json!({ "mtu": 1400 })).version(version);
        let pod = pod(host, &network, "c1", &both());
        let result = pod.limit();
        let [name] = &ifbs(host)[..] else { panic!("one IFB link") };
        let ifb = host.link(name);
        let mut expected = pod.attachment.result.clone();
        let entry = json!({ "name": name, "mac": ifb["address"] });
        expected["interfaces"].as_array_mut().unwrap().push(entry);
        assert_eq!(result, expected, "the previous result and the IFB link");
        assert_eq!((&ifb["mtu"], &ifb["group"]), (&json!(1400), &json!("default")));
        assert_eq!(ifb["ifalias"], "cni:net/c1/eth0");
        assert!(ifb["flags"].as_array().unwrap().contains(&json!("UP")));
        let tbf = "qdisc tbf 1: root refcnt 2 rate 20Mbit burst 25000b";
        assert!(control(host, name).starts_with(tbf), "{}", control(host, name));
        let control = control(host, pod.attachment.host_end());
        assert!(control.starts_with(tbf), "{control}");
        assert!(control.contains("qdisc ingress ffff: parent ffff:fff1"), "{control}");
        assert!(control.contains("match 00000000/00000000 at 0"), "{control}");
        assert!(control.contains(&format!("Egress Redirect to device {name}) stolen")), "{control}");
        if version >= "0.4.0" {
            pod.call_after(&result).check().succeeds().stdout_is("");
        }
        pod.call_after(&result).del().succeeds().stdout_is("");
    }
}

ferrule_testkit::test! {
    /// As containerd spells it, and other spellings.
    fn keys_of_the_runtime_match_without_regard_to_case(host, key in ["bandwidth", "bandWidth", "BANDWIDTH"])
        needs [Ifb, TokenBucketFilter, IngressRedirect, Ipv6] {
        let keys = json!({ "capabilities": { "bandwidth": true }, "runtimeConfig": { key: {
            "IngressRate": 20_000_000, "IngressBurst": 200_000, "egressRATE": 20_000_000, "EGRESSburst": 200_000,
        } } });
        let pod = pod(host, &Network::bridge(), "c1", &keys);
        let result = pod.limit();
        assert_eq!(ifbs(host).len(), 1);
        assert!(control(host, pod.attachment.host_end()).contains("qdisc tbf 1: root"));
        pod.call_after(&result).check().succeeds();
    }
}

ferrule_testkit::test! {
    fn keys_of_the_configuration_replace_those_of_the_runtime(host) needs [Ifb, TokenBucketFilter, IngressRedirect, Ipv6] {
        let mut keys = only("ingress");
        keys["runtimeConfig"] = json!({ "bandwidth": only("egress") });
        let pod = pod(host, &Network::ptp(), "c1", &keys);
        assert_eq!(pod.limit(), pod.attachment.result);
        assert_eq!(ifbs(host), [""; 0]);
        assert!(control(host, pod.attachment.host_end()).contains("tbf 1: root"));
        keys = json!({ "egressRate": null, "runtimeConfig": { "bandwidth": both() } });
        pod.call_after(&pod.attachment.result).del().succeeds();
        let none = with_prev_result(&super::node::config(&json!("1.1.0"), &keys), &pod.attachment.result);
        assert_eq!(pod.call.clone().config(&none).add().succeeds().json(), pod.attachment.result);
        assert!(!control(host, pod.attachment.host_end()).contains("tbf"));
    }
}

ferrule_testkit::test! {
    fn a_direction_can_be_limited_alone(host, direction in ["ingress", "egress"])
        needs [Ifb, TokenBucketFilter, IngressRedirect, Ipv6] {
        let pod = pod(host, &Network::bridge(), "c1", &only(direction));
        let before = control(host, pod.attachment.host_end());
        let result = pod.limit();
        let made = control(host, pod.attachment.host_end());
        assert_eq!(made.contains("tbf 1: root"), direction == "ingress", "{made}");
        assert_eq!(made.contains("qdisc ingress"), direction == "egress", "{made}");
        assert_eq!(ifbs(host).len(), usize::from(direction == "egress"));
        pod.call_after(&result).check().succeeds();
        pod.call_after(&result).del().succeeds();
        assert_eq!(control(host, pod.attachment.host_end()), before);
    }
}

ferrule_testkit::test! {
    fn without_limits_nothing_is_done(host, keys in [
        r"{}",
        r#"{ "ingressRate": 0, "ingressBurst": 0, "egressRate": 0, "egressBurst": 0 }"#,
        r#"{ "runtimeConfig": {} }"#,
        r#"{ "runtimeConfig": { "bandwidth": null } }"#,
    ]) needs [Ipv6] {
        let keys: Value = serde_json::from_str(keys).unwrap();
        let pod = pod(host, &Network::ptp(), "c1", &keys);
        let before = host.snapshot();
        assert_eq!(pod.limit(), pod.attachment.result);
        pod.call.check().succeeds();
        ferrule_testkit::assert_same(&before, &host.snapshot());
        pod.call.del().succeeds();
        ferrule_testkit::assert_same(&before, &host.snapshot());
    }
}

ferrule_testkit::test! {
    /// The burst that containerd passes for a pod with an annotation for the rate only.
    fn a_default_burst_is_replaced(host, burst in ["4294967295", "34359738359"])
        needs [Ifb, TokenBucketFilter, IngressRedirect, Ipv6] {
        let burst: u64 = burst.parse().unwrap();
        let keys = json!({ "runtimeConfig": { "bandwidth": {
            "ingressRate": 20_000_000, "ingressBurst": burst, "egressRate": 20_000_000, "egressBurst": burst,
        } } });
        let pod = pod(host, &Network::ptp(), "c1", &keys);
        let result = pod.limit();
        let ifb = ifbs(host).remove(0);
        for link in [pod.attachment.host_end(), &ifb] {
            let control = control(host, link);
            assert!(control.contains("burst 62500b") && control.contains("lat 25ms"), "{control}");
        }
        pod.call_after(&result).check().succeeds();
    }
}

ferrule_testkit::test! {
    fn a_small_burst_is_logged(host) needs [Ifb, TokenBucketFilter, IngressRedirect, Ipv6] {
        let keys = json!({ "ingressRate": 8000, "ingressBurst": 80 });
        let pod = pod(host, &Network::ptp(), "c1", &keys);
        let added = pod.call.add().succeeds();
        assert!(added.stderr.contains("a burst of 10 bytes"), "{added}");
        pod.call.check().succeeds();
    }
}
