//! Files of the Go plugin, and the Go plugin with ours. Debian has no Go flannel: the tests do its
//! steps.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use ferrule_testkit::{Host, assert_same};

use crate::flannel::{
    DATA_DIR, DUAL, attach, call, leases, records, scripted, snapshot, stdin_of, verbs,
    write_subnet_env,
};

/// Writes the file as the Go plugin does: truncated, then written in place.
fn go_writes(container: &str, text: &[u8]) {
    fs::create_dir_all(DATA_DIR).unwrap();
    fs::set_permissions(DATA_DIR, fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(format!("{DATA_DIR}/{container}"), text).unwrap();
}

/// The Go plugin's DEL: the delegate reads the file, then the file is removed.
fn go_deletes(host: &Host, container: &str) {
    let path = format!("{DATA_DIR}/{container}");
    let text = fs::read(&path).unwrap();
    let call = host.plugin("bridge").container(container).ifname("eth0");
    let call = call.netns(format!("/run/netns/{container}")).stdin(text);
    call.del().succeeds();
    fs::remove_file(path).unwrap();
}

ferrule_testkit::test! {
    /// ADD by the Go plugin, CHECK and DEL by ours.
    fn ours_removes_attachments_of_the_go_plugin(host) needs [Ipv6] {
        write_subnet_env(DUAL);
        let before = snapshot(host);
        let attachment = attach(host, "c1");
        let text = fs::read(format!("{DATA_DIR}/c1")).unwrap();
        for name in records() {
            fs::remove_file(format!("{DATA_DIR}/{name}")).unwrap();
        }
        go_writes("c1", &text);
        attachment.check().succeeds();
        attachment.call.add().fails();
        assert_eq!(records(), ["c1"]);
        attachment.check().succeeds();
        attachment.detach();
        assert_eq!((records(), leases()), (vec![], vec![]));
        attachment.container.remove();
        assert_same(&before, &snapshot(host));
    }
}

ferrule_testkit::test! {
    /// ADD by ours, DEL by the Go plugin. The names that it does not know are removed by the next
    /// DEL or GC.
    fn the_go_plugin_removes_our_attachments(host) needs [Ipv6] {
        write_subnet_env(DUAL);
        let attachment = attach(host, "c1");
        go_deletes(host, "c1");
        assert_eq!((records(), leases()), (vec!["c1:eth0".to_owned()], vec![]));
        assert!(!attachment.container.has_link("eth0"));
        attachment.detach();
        assert_eq!(records(), [""; 0]);
    }
}

ferrule_testkit::test! {
    /// A file that a killed Go plugin has left empty, or that another network has overwritten: DEL
    /// uses the current configuration, also without the subnet file, and leaves files of other
    /// networks.
    fn unusable_files(host, subnet_env in ["there", "gone"]) needs [Ipv6] {
        write_subnet_env(DUAL);
        for (text, stays) in [
            ("", false), (r#"{"ipMasq":fa"#, false), ("[]", false),
            (r#"{"name":"other","type":"missing"}"#, true),
        ] {
            let attachment = attach(host, "c1");
            for name in records() {
                fs::remove_file(format!("{DATA_DIR}/{name}")).unwrap();
            }
            go_writes("c1", text.as_bytes());
            if subnet_env == "gone" {
                fs::remove_file("/run/flannel/subnet.env").unwrap();
            }
            let outcome = attachment.call.del().succeeds();
            assert!(outcome.stderr.contains("DEL uses the current configuration"), "{outcome}");
            assert!(!attachment.container.has_link("eth0"));
            assert_eq!((records().len(), leases()), (usize::from(stays), vec![]), "{text}");
            let _ = fs::remove_file(format!("{DATA_DIR}/c1"));
            attachment.container.remove();
            write_subnet_env(DUAL);
        }
    }
}

ferrule_testkit::test! {
    /// Files in a folder that others can write to are not used.
    fn a_folder_that_others_can_write_to(host) {
        write_subnet_env(DUAL);
        go_writes("c1", br#"{"name":"net","type":"evil"}"#);
        fs::set_permissions(DATA_DIR, fs::Permissions::from_mode(0o777)).unwrap();
        let path = scripted(host, "evil", "");
        scripted(host, "bridge", "");
        let call = call(host, "c1").cni_path(path);
        call.add().fails_with_code(5).mentions("others can write to it");
        call.status().fails_with_code(5);
        assert_eq!(verbs(host), "");
        call.del().succeeds();
        assert_eq!(verbs(host), "DEL eth0");
        assert!(stdin_of(host, "DEL").contains(r#""type":"bridge""#));
    }
}
