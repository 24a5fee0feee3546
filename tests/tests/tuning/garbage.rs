//! GC.

use std::fs;

use ferrule_testkit::{Call, Host};
use serde_json::{Value, json};

use crate::tuning::node::{FOLDER, config, container, records, tuning};

fn gc(host: &Host, network: &str, valid: &Value) -> Call {
    let mut config = config("1.1.0", &json!({ "cni.dev/valid-attachments": valid }));
    config["name"] = json!(network);
    host.plugin("tuning").config(config)
}

ferrule_testkit::test! {
    /// Records of unlisted attachments of the network are removed, and no others.
    fn unlisted_records_are_removed(host) {
        let keys = json!({ "mtu": 1400 });
        for name in ["kept", "lost", "moved", "taken"] {
            container(host, name);
            tuning(host, name, &keys).add().succeeds();
        }
        let mut other = config("1.1.0", &keys);
        other["name"] = json!("other");
        other["prevResult"] = json!({ "cniVersion": "1.1.0" });
        container(host, "far");
        tuning(host, "far", &keys).config(&other).add().succeeds();
        // Attached to another network since, without DEL by the first; and written by another
        // plugin.
        tuning(host, "moved", &keys).config(&other).add().succeeds();
        fs::remove_file(format!("{FOLDER}/taken_eth0.json")).unwrap();
        fs::write(format!("{FOLDER}/taken_eth0.json"), "{}").unwrap();
        fs::write(format!("{FOLDER}/gopher_eth0.json"), "{}").unwrap();
        let valid = json!([{ "containerID": "kept", "ifname": "eth0" }, { "containerID": "lost", "ifname": "eth1" }]);
        gc(host, "net", &valid).gc().succeeds().stdout_is("");
        let files = || {
            let (json, tags): (Vec<_>, Vec<_>) =
                records().into_iter().partition(|name| name.contains(".json"));
            (json, tags.len())
        };
        let left = ["far", "gopher", "kept", "moved", "taken"].map(|name| format!("{name}_eth0.json"));
        assert_eq!(files(), (left.to_vec(), 3));
        gc(host, "net", &Value::Null).gc().succeeds();
        let left = ["far", "gopher", "moved", "taken"].map(|name| format!("{name}_eth0.json"));
        assert_eq!(files(), (left.to_vec(), 2));
        gc(host, "other", &json!([])).gc().succeeds();
        let left = ["gopher", "taken"].map(|name| format!("{name}_eth0.json"));
        assert_eq!(files(), (left.to_vec(), 0));
    }
}

ferrule_testkit::test! {
    /// GC without a list removes nothing; without a folder it succeeds.
    fn without_a_list_nothing_is_removed(host) {
        gc(host, "net", &json!([])).gc().succeeds();
        container(host, "c1");
        tuning(host, "c1", &json!({ "mtu": 1400 })).add().succeeds();
        host.plugin("tuning").config(config("1.1.0", &json!({}))).gc().succeeds();
        assert_eq!(records().len(), 2);
    }
}
