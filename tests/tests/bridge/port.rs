//! Settings of the port and of the container end.

use ferrule_testkit::{Host, assert_same};
use ferrule_tests::{Network, answers_at_once};
use serde_json::{Value, json};

fn port_flag(host: &Host, name: &str, flag: &str) -> Value {
    host.link(name)["linkinfo"]["info_slave_data"][flag].clone()
}

ferrule_testkit::test! {
    /// Each setting of a port is applied only if configured, and the result names the real links.
    fn settings_of_a_port(host) {
        let plain = Network::bridge().attach(host, "plain");
        let keys = json!({ "hairpinMode": true, "portIsolation": true });
        let special = Network::bridge().with(keys).attach(host, "special");
        for (attachment, expected) in [(&plain, false), (&special, true)] {
            let port = attachment.host_end();
            assert_eq!(port_flag(host, port, "hairpin"), expected);
            assert_eq!(port_flag(host, port, "isolated"), expected);
            let interfaces = &attachment.result["interfaces"];
            assert_eq!(interfaces[0]["name"], "cni0");
            assert_eq!(interfaces[0]["mac"], host.link("cni0")["address"]);
            assert_eq!(interfaces[1]["mac"], host.link(port)["address"]);
            assert_eq!(interfaces[2]["mac"], attachment.container.link("eth0")["address"]);
            assert_eq!(host.link(port)["master"], "cni0");
            assert_eq!(port.len(), 12);
            for end in [host.link(port), attachment.container.link("eth0")] {
                assert_eq!((&end["num_tx_queues"], &end["num_rx_queues"]), (&json!(1), &json!(1)));
            }
            assert_eq!(attachment.container.link("eth0")["operstate"], "UP");
        }
    }
}

ferrule_testkit::test! {
    /// `promiscMode` sets the flag of the bridge once, also on a bridge that exists.
    fn promiscuous_mode(host) {
        Network::bridge().attach(host, "c1");
        assert_eq!(host.link("cni0")["promiscuity"], 0);
        let network = Network::bridge().with(json!({ "promiscMode": true }));
        let attachment = network.attach(host, "c2");
        network.attach(host, "c3");
        assert_eq!(host.link("cni0")["promiscuity"], 1);
        attachment.check().succeeds();
        host.ip("link set cni0 promisc off");
        attachment.check().fails().mentions("promiscuous");
    }
}

ferrule_testkit::test! {
    /// Keys that exclude each other are refused before any change.
    fn exclusive_keys_are_refused(host) {
        let bridge = Network::bridge();
        let before = host.snapshot();
        for (keys, text) in [
            (json!({ "hairpinMode": true, "promiscMode": true }),
             "cannot set hairpin mode and promiscuous mode at the same time"),
            (json!({ "disableContainerInterface": true }),
             "cannot use IPAM when disableContainerInterface flag is set"),
            (json!({ "vlan": -100 }), "invalid VLAN ID -100 (must be between 0 and 4094)"),
            (json!({ "vlan": 5000 }), "invalid VLAN ID 5000 (must be between 0 and 4094)"),
            (json!({ "vlanTrunk": [{ "minID": 5 }] }),
             "minID and maxID should be configured simultaneously, maxID is missing"),
            (json!({ "runtimeConfig": { "mac": "02:03" } }), "runtimeConfig.mac"),
        ] {
            let call = bridge.clone().with(keys).call(host, "c1");
            let namespace = host.netns("c1");
            call.add().fails().mentions(text);
            call.del().succeeds();
            namespace.remove();
        }
        assert_same(&before, &host.snapshot().ignoring(&["/var/lib/cni"]));
    }
}

ferrule_testkit::test! {
    /// The MTU applies to both ends and to a new bridge; an existing bridge keeps its own.
    fn mtu(host) {
        let small = Network::bridge().with(json!({ "mtu": 1400 })).attach(host, "c1");
        let mtu = |link: &Value| link["mtu"].clone();
        assert_eq!(mtu(&host.link("cni0")), 1400);
        assert_eq!(mtu(&host.link(small.host_end())), 1400);
        assert_eq!(mtu(&small.container.link("eth0")), 1400);
        let large = Network::bridge().with(json!({ "mtu": 1450 })).attach(host, "c2");
        assert_eq!(mtu(&large.container.link("eth0")), 1450);
        assert_eq!(mtu(&host.link("cni0")), 1400);
    }
}

ferrule_testkit::test! {
    /// The MAC address of the container end: `runtimeConfig` before `args.cni` before `CNI_ARGS`.
    fn mac_address(host) {
        let by_args = "IgnoreUnknown=1;K8S_POD_NAME=p;MAC=c2:11:22:33:44:01";
        let cases = [
            (json!({}), "c2:11:22:33:44:01"),
            (json!({ "args": { "cni": { "mac": "C2-11-22-33-44-02" } } }), "c2:11:22:33:44:02"),
            (json!({ "args": { "cni": { "mac": "c2:11:22:33:44:02" } },
                     "RuntimeConfig": { "MAC": "c211.2233.4403" } }), "c2:11:22:33:44:03"),
            (json!({ "args": { "cni": { "mac": "" } }, "runtimeConfig": { "mac": "" } }),
             "c2:11:22:33:44:01"),
        ];
        for (number, (keys, mac)) in cases.into_iter().enumerate() {
            let network = Network::bridge().with(keys);
            let name = format!("c{number}");
            let container = host.netns(&name);
            let call = network.call(host, &name).args(by_args);
            let result = call.add().succeeds().json();
            assert_eq!(result["interfaces"][2]["mac"], mac);
            assert_eq!(container.link("eth0")["address"], mac);
            assert_ne!(result["interfaces"][1]["mac"], mac);
            assert!(answers_at_once(&container, "10.1.2.1"));
        }
        let call = Network::bridge().call(host, "c9").args("MAC=c2:11:22:33:44:09;OTHER=1");
        host.netns("c9");
        call.add().fails().mentions("unknown args");
        call.args("IgnoreUnknown=1;MAC=c2:11:22").add().fails().mentions("CNI_ARGS MAC");
    }
}

ferrule_testkit::test! {
    /// Without an address plugin the container end is up, or with `disableContainerInterface` down
    /// and without IPv6 addresses.
    fn a_container_without_addresses(host, disabled in ["false", "true"]) {
        let keys = json!({ "disableContainerInterface": disabled == "true" });
        let attachment = Network::bridge().without_ipam().with(keys).attach(host, "c1");
        let link = attachment.container.link("eth0");
        assert_eq!(attachment.result.get("ips"), None);
        assert_eq!(attachment.result["interfaces"].as_array().unwrap().len(), 3);
        let is_up = link["flags"].as_array().unwrap().contains(&json!("UP"));
        assert_eq!(is_up, disabled == "false");
        assert_eq!(link["addr_info"].as_array().unwrap().is_empty(), disabled == "true");
        attachment.check().succeeds();
        attachment.detach();
        assert!(!attachment.container.has_link("eth0"));
    }
}

ferrule_testkit::test! {
    /// Results before 0.3.0 cannot express a container without addresses: ADD fails before any
    /// change.
    fn old_results_need_an_address(host, version in ["0.1.0", "0.2.0"]) {
        let network = Network::bridge().without_ipam().version(version);
        host.netns("c1");
        let before = host.snapshot();
        let call = network.call(host, "c1");
        call.add().fails().mentions("cannot convert: no valid IP addresses");
        assert_same(&before, &host.snapshot());
        call.del().succeeds();
    }
}

ferrule_testkit::test! {
    /// `enabledad` finds an address that another container has, and rolls the ADD back.
    fn duplicates_are_detected(host) {
        let network = Network::bridge().with_addresses(&["fd00:1:2::5/64"]);
        let network = network.with(json!({ "enabledad": true }));
        network.attach(host, "first");
        let ready = host.snapshot();
        host.netns("second");
        let with_namespace = host.snapshot();
        let outcome = network.call(host, "second").add().fails();
        outcome.mentions("fd00:1:2::5").mentions("duplicate address detection failed");
        assert_same(&with_namespace, &host.snapshot());
        assert_eq!(ready.difference(&host.snapshot()).lines().count(), 1);
    }
}

ferrule_testkit::test! {
    /// With `enabledad` ADD does not return before the address is usable.
    fn detection_is_waited_for(host) {
        let network = Network::bridge().with(json!({ "enabledad": true }));
        let attachment = network.attach(host, "c1");
        let setting = |name: &str| {
            let file = format!("net.ipv6.conf.eth0.{name}");
            attachment.container.tool("sysctl", ["-n", &file]).trim().to_owned()
        };
        assert_eq!((setting("accept_dad"), setting("enhanced_dad")), ("1".into(), "1".into()));
        assert!(answers_at_once(host, attachment.address(1)));
        let other = Network::bridge().attach(host, "c2").container;
        assert_eq!(other.tool("sysctl", "-n net.ipv6.conf.eth0.accept_dad").trim(), "0");
    }
}

ferrule_testkit::test! {
    /// ADD announces an address to neighbours that have an earlier owner in their cache.
    fn a_reused_address_is_announced(host) {
        let network = Network::bridge();
        let peer = network.attach(host, "peer");
        let fixed = network.with_addresses(&["10.1.2.99/24", "fd00:1:2::99/64"]);
        let old = fixed.attach(host, "old");
        assert!(answers_at_once(&peer.container, "10.1.2.99"));
        assert!(answers_at_once(&peer.container, "fd00:1:2::99"));
        old.detach();
        let capture = peer.container.capture();
        let new = fixed.attach(host, "new");
        let mac = new.container.link("eth0")["address"].as_str().unwrap().to_owned();
        let frames = capture.collect(std::time::Duration::from_millis(300));
        let arp = frames.iter().any(|frame| {
            frame.arp().is_some_and(|arp| {
                arp.sender_mac == mac && arp.sender == arp.target && arp.sender.to_string() == "10.1.2.99"
            })
        });
        let advertised = frames.iter().any(|frame| {
            frame.source() == mac
                && frame.advertised().is_some_and(|target| target.to_string() == "fd00:1:2::99")
        });
        assert!(arp && advertised, "{frames:?}");
        assert!(answers_at_once(&peer.container, "10.1.2.99"));
        assert!(answers_at_once(&peer.container, "fd00:1:2::99"));
    }
}
