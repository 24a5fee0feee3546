//! GC.

use std::fs;

use ferrule_testkit::Call;
use serde_json::{Value, json};

use crate::flannel::{
    DATA_DIR, DUAL, attach, call, config, leases, records, scripted, stdin_of, verbs,
    write_subnet_env,
};

fn listed(call: &Call, list: &Value) -> Call {
    let mut config = config();
    config["cni.dev/valid-attachments"] = list.clone();
    call.clone().config(config)
}

ferrule_testkit::test! {
    /// Links, addresses and records of unlisted attachments are removed; those of other networks
    /// stay.
    fn unlisted_attachments_are_removed(host) needs [Ipv6] {
        write_subnet_env(DUAL);
        let kept = attach(host, "kept");
        let second = kept.call.clone().ifname("net1");
        second.add().succeeds();
        let lost = attach(host, "lost");
        let gone = attach(host, "gone");
        gone.container.remove();
        host.netns("other");
        let mut other = config();
        other["name"] = json!("net-other");
        other["delegate"] = json!({ "bridge": "cni1" });
        call(host, "other").config(&other).add().succeeds();
        // Written by the Go plugin: one name.
        let old = attach(host, "old");
        fs::remove_file(format!("{DATA_DIR}/old:eth0")).unwrap();
        let alive = attach(host, "alive");
        fs::remove_file(format!("{DATA_DIR}/alive:eth0")).unwrap();
        fs::write(format!("{DATA_DIR}/lost:eth0:new"), "").unwrap();
        // The node has another subnet by now.
        write_subnet_env(&DUAL.replace("10.1.17", "10.1.99"));
        let list = json!([{ "containerID": "kept", "ifname": "eth0" }, { "containerID": "alive", "ifname": "eth0" }]);
        listed(&kept.call, &list).gc().succeeds().stdout_is("");
        assert_eq!(records(), ["alive", "kept", "kept:eth0", "other", "other:eth0"]);
        assert_eq!(leases().len(), 4);
        assert!(!kept.container.has_link("net1") && !lost.container.has_link("eth0"));
        assert!(!old.container.has_link("eth0"));
        kept.check().succeeds();
        alive.check().succeeds();
        listed(&kept.call, &Value::Null).gc().succeeds();
        assert_eq!(records(), ["other", "other:eth0"]);
        assert_eq!(leases(), [""; 0]);
    }
}

ferrule_testkit::test! {
    /// The delegate gets its list, once per configuration that the network has had.
    fn the_delegate_runs_gc_for_every_configuration(host) {
        write_subnet_env(DUAL);
        let path = scripted(host, "bridge", r#"[ $CNI_COMMAND != ADD ] || echo '{"cniVersion":"1.0.0"}'"#);
        let add = |container: &str, keys: Value| {
            let mut config = config();
            config["cniVersion"] = json!("1.0.0");
            config["runtimeConfig"] = json!({ "container": container });
            config["delegate"] = keys;
            call(host, container).cni_path(&path).config(config).add().succeeds();
        };
        add("c1", json!({}));
        add("c2", json!({}));
        add("c3", json!({ "bridge": "older" }));
        verbs(host);
        let gc = call(host, "any").cni_path(&path);
        gc.gc().succeeds();
        assert_eq!((verbs(host).as_str(), records().len()), ("", 6));
        let list = json!([{ "containerID": "c1", "ifname": "eth0" }]);
        listed(&gc, &list).gc().succeeds();
        assert_eq!(verbs(host), "GC, GC");
        assert_eq!(records(), ["c1", "c1:eth0"]);
        let found: Value = serde_json::from_str(&stdin_of(host, "GC")).unwrap();
        assert_eq!(found["cni.dev/valid-attachments"], list);
        assert_eq!((&found["cniVersion"], &found["bridge"]), (&json!("1.1.0"), &json!("older")));
        assert_eq!(found["runtimeConfig"], Value::Null);
        // Without the subnet file GC uses the records and the configuration's keys.
        fs::remove_file("/run/flannel/subnet.env").unwrap();
        listed(&gc, &json!([])).gc().succeeds();
        assert_eq!(verbs(host), "GC, GC");
        assert_eq!(records(), [""; 0]);
    }
}

ferrule_testkit::test! {
    /// A record is removed after the delegate's GC has succeeded, not before.
    fn records_stay_if_the_delegate_fails(host) needs [Ipv6] {
        write_subnet_env(DUAL);
        let lost = attach(host, "lost");
        let path = scripted(host, "bridge", "echo sorry >&2; exit 1");
        let gc = listed(&lost.call, &json!([]));
        gc.clone().cni_path(path).gc().fails().mentions("sorry");
        assert_eq!((records().len(), leases().len()), (2, 2));
        gc.gc().succeeds();
        assert_eq!((records(), leases()), (vec![], vec![]));
        assert!(!lost.container.has_link("eth0"));
    }
}
