//! CHECK and STATUS report damage.

use std::fs;

use serde_json::json;

use crate::flannel::{DATA_DIR, DUAL, attach, call, config, scripted, write_subnet_env};

ferrule_testkit::test! {
    /// CHECK reports what the delegate finds, and an unusable record.
    fn check_detects_damage(host) needs [Ipv6] {
        write_subnet_env(DUAL);
        let attachment = attach(host, "c1");
        attachment.check().succeeds();
        let container = &attachment.container;
        container.ip("route del 10.1.0.0/16");
        attachment.check().fails();
        container.ip("route add 10.1.0.0/16 via 10.1.17.1");
        attachment.check().succeeds();
        let files = ["c1", "c1:eth0"].map(|name| format!("{DATA_DIR}/{name}"));
        let text = fs::read(&files[0]).unwrap();
        for damage in ["{", r#"{"type":"bridge","name":"other"}"#] {
            fs::write(&files[1], damage).unwrap();
            attachment.check().fails_with_code(999).mentions("cannot read the delegate's configuration");
        }
        fs::write(&files[1], &text).unwrap();
        attachment.check().succeeds();
        for file in &files {
            fs::remove_file(file).unwrap();
        }
        attachment.check().fails_with_code(999).mentions("there is none");
        fs::write(&files[0], text).unwrap();
        attachment.check().succeeds();
        container.ip("link delete eth0");
        attachment.check().fails();
        attachment.detach();
    }
}

ferrule_testkit::test! {
    /// STATUS reports an unusable subnet file, a missing delegate, and errors of the delegate.
    fn status_fails_where_add_would(host) needs [Ipv6] {
        let status = || call(host, "any").status();
        let hint = "check that flanneld runs here";
        status().fails_with_code(50).mentions("open /run/flannel/subnet.env: no such file or directory").mentions(hint);
        write_subnet_env("FLANNEL_MTU=1450\n");
        status().fails_with_code(50).mentions("is missing FLANNEL_NETWORK").mentions(hint);
        write_subnet_env(DUAL);
        status().succeeds().stdout_is("");
        call(host, "any").cni_path("/run").status().fails_with_code(50).mentions("failed to find plugin \"bridge\"");
        let mut config = config();
        config["ipam"] = json!({ "type": "missing" });
        call(host, "any").config(&config).status().fails_with_code(50).mentions("\"missing\"");
        config["ipam"] = json!({});
        config["delegate"] = json!({ "name": "x" });
        call(host, "any").config(&config).status().fails_with_code(7);
        let error = r#"echo '{"code": 51, "msg": "half of it"}'; exit 1"#;
        let path = scripted(host, "bridge", error);
        call(host, "any").cni_path(path).status().fails_with_code(51).mentions("half of it");
    }
}
