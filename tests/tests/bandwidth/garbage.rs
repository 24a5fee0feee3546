//! GC and STATUS.

use ferrule_testkit::assert_same;
use ferrule_tests::Network;
use serde_json::{Value, json};

use crate::bandwidth::node::{both, config, ifbs, only, pod};

ferrule_testkit::test! {
    /// IFB links of unlisted attachments are removed; those of listed ones and of other networks
    /// stay.
    fn unlisted_ifb_links_are_removed(host) needs [Ifb, TokenBucketFilter, IngressRedirect, Ipv6] {
        let network = Network::ptp();
        let kept = pod(host, &network, "kept", &both());
        let kept_result = kept.limit();
        for name in ["lost1", "lost2"] {
            let lost = pod(host, &network, name, &only("egress"));
            lost.limit();
            lost.attachment.container.remove();
        }
        let foreign = pod(host, &network.clone().with(json!({ "name": "other" })), "lost1x", &json!({}));
        let mut foreign_config = foreign.config.clone();
        foreign_config["name"] = "other".into();
        foreign_config.as_object_mut().unwrap().extend(both().as_object().unwrap().clone());
        let foreign = foreign.call.clone().config(&foreign_config);
        foreign.add().succeeds();
        host.ip("link add ifb0 type ifb");
        assert_eq!(ifbs(host).len(), 5);

        let mut gc = config(&json!("1.1.0"), &both());
        kept.call.clone().config(&gc).gc().succeeds();
        assert_eq!(ifbs(host).len(), 5, "without the key nothing is collected");
        gc["cni.dev/valid-attachments"] = json!([{ "containerID": "kept", "ifname": "eth0" }]);
        kept.call.clone().config(&gc).gc().succeeds().stdout_is("");
        assert_eq!(ifbs(host).len(), 3);
        kept.call_after(&kept_result).check().succeeds();
        foreign.check().succeeds();
        let before = host.snapshot();
        kept.call.clone().config(&gc).gc().succeeds();
        assert_same(&before, &host.snapshot());
    }
}

ferrule_testkit::test! {
    fn status_succeeds_where_add_would(host, keys in [r"{}", r#"{ "ingressRate": 8000, "ingressBurst": 80000 }"#])
        needs [Ifb, TokenBucketFilter, IngressRedirect] {
        let keys: Value = serde_json::from_str(keys).unwrap();
        let before = host.snapshot();
        let call = host.plugin("bandwidth").config(config(&json!("1.1.0"), &keys));
        call.status().succeeds().stdout_is("");
        assert_same(&before, &host.snapshot());
    }
}
