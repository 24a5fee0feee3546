//! A failing delegate.

use std::fs;

use ferrule_testkit::assert_same;
use serde_json::json;

use crate::flannel::{
    DATA_DIR, DUAL, attach, call, config, leases, records, scripted, snapshot, verbs,
    write_subnet_env,
};

/// A script that fails this verb with an error object.
fn failing(verb: &str) -> String {
    let error = r#"{"code": 123, "msg": "no room", "details": "later"}"#;
    format!("[ $CNI_COMMAND != {verb} ] || {{ echo '{error}'; exit 1; }}")
}

ferrule_testkit::test! {
    /// However ADD fails, the delegate gets DEL, and no record stays.
    fn a_failed_add_runs_the_delegates_del(host) {
        write_subnet_env(DUAL);
        for (lines, text) in [
            (failing("ADD"), "no room"),
            ("echo sorry >&2; [ $CNI_COMMAND = DEL ]".into(), "delegate \"bridge\": exited with status 1 and only logged \"sorry"),
            ("[ $CNI_COMMAND != ADD ] || echo nonsense".into(), "failed to unmarshal"),
            ("[ $CNI_COMMAND != ADD ] || kill -9 $$".into(), "killed by SIGKILL"),
            // A result that the version cannot express.
            (r#"[ $CNI_COMMAND != ADD ] || echo '{"cniVersion":"1.0.0"}'"#.into(), "no valid IP addresses"),
        ] {
            let mut config = config();
            config["cniVersion"] = json!("0.2.0");
            let call = call(host, "c1").cni_path(scripted(host, "bridge", &lines)).config(config);
            call.add().fails().mentions(text);
            assert_eq!(verbs(host), "ADD eth0, DEL eth0", "{lines}");
            assert_eq!(records(), [""; 0]);
            // Nothing is left for the runtime's DEL.
            call.del().succeeds();
            assert_eq!(verbs(host), "");
        }
        let call = call(host, "c1").cni_path(scripted(host, "bridge", &failing("ADD")));
        let error = call.add().fails_with_code(123).error();
        assert_eq!((error.msg.as_str(), error.details.as_str()), ("no room", "later"));
    }
}

ferrule_testkit::test! {
    /// With the real delegate: everything that was created before the failure is removed.
    fn a_failed_add_leaves_nothing(host) needs [Ipv6] {
        write_subnet_env(DUAL);
        let container = host.netns("c1");
        let before = snapshot(host);
        let mut config = config();
        config["ipam"] = json!({ "routes": [{ "dst": "10.77.0.0/16", "gw": "192.0.2.1" }] });
        call(host, "c1").config(config).add().fails();
        assert!(!container.has_link("eth0"));
        assert_eq!((records(), leases()), (vec![], vec![]));
        assert_same(&before, &snapshot(host));
    }
}

ferrule_testkit::test! {
    /// If the delegate's DEL fails as well, the record stays, and the next DEL repeats it.
    fn the_record_stays_if_del_fails_after_add(host) {
        write_subnet_env(DUAL);
        let path = scripted(host, "bridge", "echo sorry >&2; exit 1");
        let call = call(host, "c1").cni_path(&path);
        call.add().fails().mentions("sorry").mentions("could not undo the delegate's ADD");
        assert_eq!(records(), ["c1", "c1:eth0"]);
        verbs(host);
        for _ in 0..2 {
            call.del().fails().mentions("sorry");
            assert_eq!((records().len(), verbs(host).as_str()), (2, "DEL eth0"));
        }
        scripted(host, "bridge", "");
        call.del().succeeds();
        assert_eq!((records().len(), verbs(host).as_str()), (0, "DEL eth0"));
    }
}

ferrule_testkit::test! {
    /// The record stays when the delegate's DEL fails, so that the next DEL releases the
    /// addresses.
    fn the_record_stays_until_del_succeeds(host) needs [Ipv6] {
        write_subnet_env(DUAL);
        let attachment = attach(host, "c1");
        let path = scripted(host, "bridge", &failing("DEL"));
        attachment.call.clone().cni_path(path).del().fails_with_code(123).mentions("no room");
        attachment.call.clone().cni_path("/run").del().fails().mentions("failed to find plugin \"bridge\"");
        assert_eq!((records().len(), leases().len()), (2, 2));
        attachment.detach();
        assert_eq!((records(), leases()), (vec![], vec![]));
        assert!(!attachment.container.has_link("eth0"));
    }
}

ferrule_testkit::test! {
    /// A second ADD fails and leaves the attachment and its record as they were.
    fn a_second_add_changes_nothing(host) needs [Ipv6] {
        write_subnet_env(DUAL);
        let attachment = attach(host, "c1");
        let path = format!("{DATA_DIR}/c1");
        let (before, text) = (snapshot(host), fs::read(&path).unwrap());
        write_subnet_env(&DUAL.replace("1450", "1400"));
        attachment.call.add().fails();
        assert_eq!(fs::read(&path).unwrap(), text);
        assert_eq!((records().len(), leases().len()), (2, 2));
        write_subnet_env(DUAL);
        assert_same(&before, &snapshot(host));
        attachment.check().succeeds();
        attachment.detach();
        assert_eq!((records(), leases()), (vec![], vec![]));
    }
}

ferrule_testkit::test! {
    /// A missing delegate is an error before anything is written.
    fn a_missing_delegate_is_an_error(host) {
        write_subnet_env(DUAL);
        let before = host.snapshot();
        let call = call(host, "c1").cni_path("/run");
        call.add().fails_with_code(999).mentions("delegate \"bridge\": failed to find plugin \"bridge\" in path [/run]");
        assert_same(&before, &host.snapshot());
    }
}
