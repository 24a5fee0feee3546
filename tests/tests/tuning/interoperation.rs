//! Ferrule and the Go plugin on one node: each continues the work of the other.

use std::fs;

use ferrule_testkit::{Call, Host};
use serde_json::{Value, json};

use crate::tuning::node::{FOLDER, all, call_of, container, records, state};

fn call(host: &Host, whose: &str, version: &str, keys: &Value) -> Call {
    let plugin = match whose {
        "ours" => host.plugin("tuning"),
        _ => host.peer_plugin("tuning"),
    };
    call_of(plugin, version, "c1", keys)
}

ferrule_testkit::test! {
    /// ADD by one, CHECK and DEL by the other, in every version that both support.
    fn check_and_del_by_the_other_implementation(host, first in ["ours", "theirs"]) needs [PeerPlugins] {
        let second = if first == "ours" { "theirs" } else { "ours" };
        let container = container(host, "c1");
        let before = state(&container);
        let mut keys = all();
        // The Go plugin compares texts.
        keys["mac"] = json!("02:aa:00:00:00:0b");
        keys["sysctl"] = json!({ "net.core.somaxconn": "500" });
        for version in ["0.3.0", "0.3.1", "0.4.0", "1.0.0"] {
            let add = call(host, first, version, &keys);
            let next = call(host, second, version, &keys);
            let answer = add.add().succeeds().json();
            assert_eq!(answer["interfaces"][1]["mac"], "02:aa:00:00:00:0b");
            if ["0.4.0", "1.0.0"].contains(&version) {
                next.check().succeeds();
            }
            next.del().succeeds();
            assert_eq!(state(&container), before, "{version}");
            assert!(!fs::exists(format!("{FOLDER}/c1_eth0.json")).unwrap());
            call(host, "ours", version, &keys).del().succeeds();
            assert_eq!((state(&container), records()), (before.clone(), vec![]));
        }
    }
}

ferrule_testkit::test! {
    /// Both write the same record, byte by byte.
    fn the_record_is_the_same(host) needs [PeerPlugins] {
        let container = container(host, "c1");
        for keys in [
            all(),
            json!({ "mtu": 1400 }),
            json!({ "promisc": true, "allmulti": false }),
            json!({ "mac": "02:aa:00:00:00:0b" }),
        ] {
            let [ours, theirs] = ["ours", "theirs"].map(|whose| {
                let call = call(host, whose, "1.0.0", &keys);
                call.add().succeeds();
                let record = fs::read_to_string(format!("{FOLDER}/c1_eth0.json")).unwrap();
                let tuned = state(&container);
                call.del().succeeds();
                (record, tuned)
            });
            assert_eq!(ours, theirs);
        }
    }
}

ferrule_testkit::test! {
    /// A record with all fields of newer Go plugins, and one of a failed ADD of theirs.
    fn records_of_newer_ones_are_restored(host) {
        let container = container(host, "c1");
        let del = call(host, "ours", "1.0.0", &json!({}));
        fs::create_dir_all(FOLDER).unwrap();
        let record = format!("{FOLDER}/c1_eth0.json");
        fs::write(&record, "{\n \"mac\": \"02:00:00:00:00:07\",\n \"promisc\": true,\n \"mtu\": 1401,\n \"allmulti\": true,\n \"txQLen\": 42\n}").unwrap();
        del.del().succeeds();
        assert_eq!(state(&container), "02:00:00:00:00:07 mtu 1401 promisc true (1) allmulti true queue 42");
        assert_eq!(records(), [""; 0]);
        fs::write(&record, r#"{"Mac": "02:00:00:00:00:01", "mtu": null, "future": {}}"#).unwrap();
        del.del().succeeds();
        assert_eq!(state(&container), "02:00:00:00:00:01 mtu 1401 promisc true (1) allmulti true queue 42");
        assert_eq!(records(), [""; 0]);
    }
}
