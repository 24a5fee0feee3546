//! ADD and DEL of an interface's settings.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use ferrule_testkit::{VERSIONS, assert_same};
use ferrule_tests::Network;
use serde_json::json;

use crate::tuning::node::{
    FOLDER, MAC, all, all_and_queue, call_of, container, records, result, state, tuning,
};

const TUNED: &str = "02:aa:00:00:00:0b mtu 1400 promisc true (1) allmulti true queue 77";

ferrule_testkit::test! {
    /// ADD changes the container's interface and nothing else, and returns the new values; DEL
    /// restores it.
    fn add_changes_and_del_restores(host, version in VERSIONS) {
        let container = container(host, "c1");
        let call = call_of(host.plugin("tuning"), version, "c1", &all_and_queue());
        let before = (state(&container), host.snapshot());
        let answer = call.add().succeeds().json();
        assert_eq!(state(&container), TUNED);
        let record = fs::read_to_string(format!("{FOLDER}/c1_eth0.json")).unwrap();
        let expected = format!(
            "{{\n \"mac\": \"{MAC}\",\n \"promisc\": false,\n \"mtu\": 1500,\n \"allmulti\": false,\n \"txQLen\": 1000\n}}"
        );
        assert_eq!(record, expected);
        let mode = |path: &str| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(FOLDER), mode(&format!("{FOLDER}/c1_eth0.json"))), (0o700, 0o600));
        // The host's interface of the same name is not described.
        let mut expected = result(version, "c1");
        if expected.get("interfaces").is_some() {
            expected["interfaces"][1]["mac"] = json!("02:aa:00:00:00:0b");
        }
        if version == "1.1.0" {
            expected["interfaces"][1]["mtu"] = json!(1400);
        }
        for key in ["interfaces", "ips", "ip4"] {
            assert_eq!(answer[key], expected[key], "{answer}");
        }
        if VERSIONS.iter().position(|one| *one == version) >= VERSIONS.iter().position(|one| *one == "0.4.0") {
            call.check().succeeds().stdout_is("");
        }
        call.del().succeeds().stdout_is("");
        assert_eq!(records(), [""; 0]);
        assert_eq!(state(&container), before.0);
        assert_same(&before.1, &host.snapshot().ignoring(&[FOLDER]));
        call.del().succeeds().stdout_is("");
    }
}

ferrule_testkit::test! {
    /// Only configured values are changed, recorded and restored.
    fn each_key_alone(host) {
        let container = container(host, "c1");
        let before = state(&container);
        for (keys, tuned, record) in [
            (json!({ "mac": "02-00-00-00-00-0C" }), before.replace(MAC, "02:00:00:00:00:0c"), "mac"),
            (json!({ "mtu": 1280 }), before.replace("1500", "1280"), "mtu"),
            (json!({ "promisc": true }), before.replace("promisc false (0)", "promisc true (1)"), "promisc"),
            (json!({ "allmulti": true }), before.replace("allmulti false", "allmulti true"), "allmulti"),
            (json!({ "txQLen": 0 }), before.replace("queue 1000", "queue 0"), "txQLen"),
        ] {
            let call = tuning(host, "c1", &keys);
            call.add().succeeds();
            assert_eq!(state(&container), tuned);
            let text = fs::read_to_string(format!("{FOLDER}/c1_eth0.json")).unwrap();
            assert_eq!(text.lines().count(), 3, "{text}");
            assert!(text.contains(&format!("\"{record}\":")), "{text}");
            call.check().succeeds();
            // DEL uses the record: keys and invalid `CNI_ARGS` are ignored.
            tuning(host, "c1", &json!({ "mtu": "x" })).args("nonsense").del().succeeds();
            assert_eq!(state(&container), before);
        }
    }
}

ferrule_testkit::test! {
    /// Without keys nothing is changed or recorded, as in podman 4's default network.
    fn without_keys_nothing_is_changed(host) {
        let container = container(host, "c1");
        container.ip("link set eth0 promisc on");
        let before = (state(&container), host.snapshot());
        for keys in [
            json!({}),
            json!({ "mac": "", "mtu": 0, "promisc": false, "sysctl": {} }),
            json!({ "mac": null, "sysctl": null, "allmulti": null, "args": { "cni": null } }),
        ] {
            let call = tuning(host, "c1", &keys);
            assert_eq!(call.add().succeeds().json()["interfaces"], result("1.1.0", "c1")["interfaces"]);
            call.check().succeeds();
            call.del().succeeds();
            assert_eq!(state(&container), before.0);
            assert_same(&before.1, &host.snapshot());
        }
    }
}

ferrule_testkit::test! {
    /// `args.cni` precedes `runtimeConfig`, then `CNI_ARGS`, then the key itself.
    fn sources_of_values_have_an_order(host) {
        let container = container(host, "c1");
        let mac = |last: u8| format!("02:00:00:00:01:{last:02x}");
        let all = json!({
            "mac": mac(1), "mtu": 1300, "promisc": true, "txQLen": 5, "allmulti": true,
            "RuntimeConfig": { "Mac": mac(3) },
            "args": { "cni": { "mac": mac(4), "mtu": 1301, "promisc": false, "txQLen": 6, "allmulti": false } },
        });
        let args = format!("IgnoreUnknown=1;K8S_POD_NAME=p;MAC={}", mac(2));
        let check = |keys: &serde_json::Value, args: &str, expected: String| {
            let call = tuning(host, "c1", keys).args(args);
            call.add().succeeds();
            assert_eq!(state(&container), expected);
            call.check().succeeds();
            call.del().succeeds();
        };
        let mut keys = all;
        check(&keys, &args, format!("{} mtu 1301 promisc false (0) allmulti false queue 6", mac(4)));
        keys.as_object_mut().unwrap().remove("args");
        let others = "mtu 1300 promisc true (1) allmulti true queue 5";
        check(&keys, &args, format!("{} {others}", mac(3)));
        keys.as_object_mut().unwrap().remove("RuntimeConfig");
        check(&keys, &args, format!("{} {others}", mac(2)));
        check(&keys, "", format!("{} {others}", mac(1)));
    }
}

ferrule_testkit::test! {
    /// An ADD that fails at the last step leaves nothing.
    fn a_failed_add_changes_nothing(host) {
        let container = container(host, "c1");
        let setting = "/proc/sys/net/ipv4/conf/eth0/arp_notify";
        let before = (state(&container), container.tool("cat", setting));
        let mut keys = all_and_queue();
        keys["sysctl"] = json!({ "net.ipv4.conf.IFNAME.arp_notify": "1" });
        // More than the maximum of a veth.
        keys["mtu"] = json!(70_000);
        let error = tuning(host, "c1", &keys).add().fails_with_code(999).error();
        assert!(error.msg.contains("mtu 70000") && error.msg.contains("eth0"), "{error:?}");
        assert_eq!((state(&container), container.tool("cat", setting)), before);
        assert_eq!(records(), [""; 0]);
    }
}

ferrule_testkit::test! {
    /// A second ADD does not record the values of the first.
    fn a_second_add_keeps_the_first_values(host) {
        let container = container(host, "c1");
        let before = state(&container);
        let call = tuning(host, "c1", &all_and_queue());
        call.add().succeeds();
        call.add().succeeds();
        assert_eq!(records().len(), 2);
        tuning(host, "c1", &json!({ "mtu": 1400 })).add().succeeds();
        call.del().succeeds();
        assert_eq!((state(&container), records()), (before, vec![]));
    }
}

ferrule_testkit::test! {
    /// DEL without an interface or a namespace removes the record.
    fn del_without_interface_or_namespace(host) {
        let container = container(host, "c1");
        let call = tuning(host, "c1", &all());
        let tuned = || {
            call.add().succeeds();
            assert_eq!(records().len(), 2);
        };
        tuned();
        container.ip("link delete eth0");
        call.del().succeeds();
        assert_eq!(records(), [""; 0]);
        container.ip(format!("link add eth0 address {MAC} type veth peer name far0"));
        tuned();
        call.clone().netns("").del().succeeds();
        assert_eq!(records(), [""; 0]);
        tuned();
        std::fs::write("/run/no-namespace", "").unwrap();
        call.clone().netns("/run/no-namespace").del().succeeds();
        assert_eq!(records(), [""; 0]);
        tuned();
        container.remove();
        call.del().succeeds();
        assert_eq!(records(), [""; 0]);
    }
}

ferrule_testkit::test! {
    /// An interface with the alias of another attachment is not restored.
    fn another_containers_interface_is_not_restored(host) {
        let container = container(host, "c1");
        let call = tuning(host, "c1", &json!({ "mtu": 1300 }));
        call.add().succeeds();
        container.ip("link set eth0 alias cni:net/c2/eth0");
        let before = state(&container);
        call.del().succeeds();
        assert_eq!((state(&container), records()), (before, vec![]));
    }
}

ferrule_testkit::test! {
    /// A value that cannot be restored is reported, and DEL succeeds.
    fn a_value_that_cannot_be_restored_is_reported(host) {
        let container = container(host, "c1");
        let call = tuning(host, "c1", &json!({ "mtu": 1300, "txQLen": 5 }));
        call.add().succeeds();
        let record = format!("{FOLDER}/c1_eth0.json");
        fs::write(&record, r#"{"mtu": 70000, "txQLen": 9}"#).unwrap();
        let outcome = call.del().succeeds().stdout_is("");
        assert!(outcome.stderr.contains(&record) && outcome.stderr.contains("mtu 70000"), "{outcome}");
        assert!(state(&container).ends_with("mtu 1300 promisc false (0) allmulti false queue 9"));
        assert_eq!(fs::read_to_string(&record).unwrap(), r#"{"mtu": 70000, "txQLen": 9}"#);
    }
}

ferrule_testkit::test! {
    /// CHECK of this plugin and of the one before succeed after a change.
    fn check_of_the_plugin_before_succeeds(host) {
        let attachment = Network::ptp().attach(host, "c1");
        let mut keys = all();
        keys["dataDir"] = json!("/run/elsewhere/deep");
        let mut config = crate::tuning::node::config("1.1.0", &keys);
        config["prevResult"] = attachment.result.clone();
        let call = attachment.call.clone();
        let tuning = host.plugin("tuning").container("c1").netns("/run/netns/c1").ifname("eth0");
        let result = tuning.clone().config(&config).add().succeeds().json();
        assert!(fs::metadata("/run/elsewhere/deep/c1_eth0.json").is_ok());
        config["prevResult"] = result.clone();
        tuning.clone().config(&config).check().succeeds();
        let before = ferrule_tests::with_prev_result(&attachment.config, &result);
        call.clone().config(before).check().succeeds();
        tuning.config(&config).del().succeeds();
        attachment.detach();
    }
}
