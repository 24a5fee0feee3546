//! ADD and DEL.

use std::fs;

use ferrule_testkit::{PEER_FOLDER, assert_same};
use ferrule_tests::with_prev_result;
use serde_json::json;

use crate::flannel::{
    DATA_DIR, DUAL, attach, call, config, leases, mode, records, snapshot, write_subnet_env,
};

ferrule_testkit::test! {
    /// The bridge is the gateway, the overlay is routed through it, and DEL leaves nothing.
    fn every_version(host, version in VERSIONS) needs [Ipv6] {
        write_subnet_env(DUAL);
        let container = host.netns("c1");
        let mut config = config();
        config["cniVersion"] = json!(version);
        let call = call(host, "c1").config(&config);
        let before = snapshot(host);
        let result = call.add().succeeds().json();
        assert_eq!(result["cniVersion"], version);
        assert_eq!(container.addresses("eth0"), ["10.1.17.2/24", "fd01:0:0:17::2/64"]);
        assert_eq!(container.link("eth0")["mtu"], 1450);
        assert!(container.ping("10.1.17.1") && container.ping("fd01:0:0:17::1"));
        assert_eq!(container.ip_json("route get 10.1.99.1")[0]["gateway"], "10.1.17.1");
        assert_eq!(records(), ["c1", "c1:eth0"]);
        assert_eq!((mode(DATA_DIR), mode(format!("{DATA_DIR}/c1"))), (0o700, 0o600));
        let next = call.clone().config(with_prev_result(&config, &result));
        if ["0.4.0", "1.0.0", "1.1.0"].contains(&version) {
            next.check().succeeds().stdout_is("");
        }
        for _ in 0..2 {
            next.del().succeeds().stdout_is("");
            assert!(!container.has_link("eth0"));
            assert_eq!((records(), leases()), (vec![], vec![]));
        }
        assert_same(&before, &snapshot(host));
    }
}

ferrule_testkit::test! {
    /// Each interface of a container is attached and detached separately, in one network or two.
    fn several_interfaces(host, order in ["first goes first", "last goes first"]) needs [Ipv6] {
        write_subnet_env(DUAL);
        let container = host.netns("c1");
        let before = snapshot(host);
        let mut other = config();
        other["name"] = json!("other");
        other["delegate"] = json!({ "bridge": "cni1" });
        let mut calls = vec![
            call(host, "c1"),
            call(host, "c1").ifname("net1"),
            call(host, "c1").ifname("net2").config(&other),
        ];
        for call in &calls {
            call.add().succeeds();
        }
        assert_eq!(records(), ["c1", "c1:eth0", "c1:net1", "c1:net2"]);
        if order == "last goes first" {
            calls.reverse();
        }
        for (number, call) in calls.iter().enumerate() {
            // Twice: it must not remove the file of another interface.
            call.del().succeeds();
            call.del().succeeds();
            let left = ["eth0", "net1", "net2"].iter().filter(|name| container.has_link(name)).count();
            assert_eq!(left, 2 - number);
        }
        assert_eq!((records(), leases()), (vec![], vec![]));
        assert_eq!(crate::flannel::names("/var/lib/cni/networks/other"), [""; 0]);
        assert_same(&before, &snapshot(host).ignoring(&["cni1"]));
    }
}

ferrule_testkit::test! {
    /// Whatever has changed since ADD, the delegate gets the configuration of ADD in DEL.
    fn del_after_changes_of_the_node(host, change in ["namespace gone", "no subnet.env", "other subnet.env",
        "other configuration", "broken configuration"]) needs [Ipv6]
    {
        write_subnet_env(DUAL);
        let before = snapshot(host);
        let attachment = attach(host, "c1");
        let mut call = attachment.call.clone();
        match change {
            "namespace gone" => attachment.container.remove(),
            "no subnet.env" => fs::remove_file("/run/flannel/subnet.env").unwrap(),
            "other subnet.env" => write_subnet_env(&DUAL.replace("10.1.17", "10.1.99")),
            "other configuration" => {
                let mut config = config();
                config["delegate"] = json!({ "type": "ptp", "ipam": {} });
                config["ipam"] = json!({ "dataDir": "/run/elsewhere" });
                call = call.config(config);
            }
            _ => {
                let mut config = config();
                config["delegate"] = json!(7);
                config["subnetFile"] = json!({});
                call = call.config(config);
            }
        }
        call.del().succeeds();
        assert_eq!((records(), leases()), (vec![], vec![]));
        assert_eq!(host.ip_json("link show type veth").as_array().unwrap().len(), 0);
        call.del().succeeds();
        if change != "namespace gone" {
            assert!(!attachment.container.has_link("eth0"));
            attachment.container.remove();
        }
        assert_same(&before, &snapshot(host));
    }
}

ferrule_testkit::test! {
    /// The Go plugins of Debian as delegates, in the versions that they support.
    fn go_delegates(host) needs [PeerPlugins] {
        write_subnet_env("FLANNEL_NETWORK=10.1.0.0/16\nFLANNEL_SUBNET=10.1.17.1/24\n\
                          FLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n");
        let before = snapshot(host);
        for version in ["0.3.1", "0.4.0", "1.0.0"] {
            let container = host.netns("c1");
            let mut config = config();
            config["cniVersion"] = json!(version);
            let call = call(host, "c1").config(&config).cni_path(PEER_FOLDER);
            call.add().succeeds();
            assert!(container.ping("10.1.17.1"));
            call.del().succeeds();
            assert!(!container.has_link("eth0"));
            assert_eq!((records(), leases()), (vec![], vec![]));
            container.remove();
        }
        assert_same(&before, &snapshot(host));
    }
}
