//! Files that others have put where the plugin reads or writes.

use std::fs;
use std::os::unix::fs::{chown, symlink};

use ferrule_testkit::Host;
use serde_json::json;

use crate::tuning::allow_list;
use crate::tuning::node::{FOLDER, container, records, state, tuning};

const KINDS: &[&str] = &[
    "pipe",
    "open pipe",
    "endless",
    "link",
    "broken link",
    "garbage",
    "folder",
    "foreign",
];

/// Puts something in place of a file. A symbolic link points to a valid file.
fn put(host: &Host, kind: &str, path: &str, content: &str) {
    fs::create_dir_all("/run/cni/tuning").unwrap();
    let _ = fs::remove_file(path);
    match kind {
        "pipe" | "open pipe" => {
            host.exec(["mkfifo", path]).succeeds();
        }
        "endless" => {
            host.exec(["mknod", path, "c", "1", "5"]).succeeds();
        }
        "link" => {
            fs::write("/run/target", content).unwrap();
            symlink("/run/target", path).unwrap();
        }
        "broken link" => symlink("/run/nowhere/at/all", path).unwrap(),
        "garbage" => fs::write(path, b"\xff{\"mtu\": ").unwrap(),
        "folder" => fs::create_dir(path).unwrap(),
        _ => {
            fs::write(path, content).unwrap();
            chown(path, Some(65534), None).unwrap();
        }
    }
}

ferrule_testkit::test! {
    /// Whatever is in place of the record is not waited for, followed or trusted; ADD replaces it,
    /// DEL removes it.
    fn in_place_of_the_record(host, kind in KINDS) {
        let container = container(host, "c1");
        let before = state(&container);
        let record = format!("{FOLDER}/c1_eth0.json");
        let call = tuning(host, "c1", &json!({ "mtu": 1400 }));
        put(host, kind, &record, r#"{"mtu": 1234, "mac": "02:00:00:00:00:66"}"#);
        // A writer that never writes.
        let open = (kind == "open pipe").then(|| {
            fs::OpenOptions::new().read(true).write(true).open(&record).unwrap()
        });
        if kind == "folder" {
            call.add().fails_with_code(5).mentions(&record);
            assert_eq!(state(&container), before);
            call.del().fails_with_code(5).mentions(&record);
            return;
        }
        call.del().succeeds();
        assert_eq!((state(&container), records()), (before.clone(), vec![]));
        put(host, kind, &record, r#"{"mtu": 1234, "mac": "02:00:00:00:00:66"}"#);
        call.add().succeeds();
        assert_eq!(fs::read_to_string(&record).unwrap(), "{\n \"mtu\": 1500\n}");
        call.del().succeeds();
        assert_eq!((state(&container), records()), (before, vec![]));
        if kind == "link" {
            assert!(fs::read_to_string("/run/target").unwrap().contains("1234"));
        }
        drop(open);
    }
}

ferrule_testkit::test! {
    /// A list that cannot be read allows nothing, and does not block. A symbolic link to a list is
    /// valid, as an administrator may use one.
    fn in_place_of_the_allow_list(host, kind in KINDS) {
        allow_list::folder(host);
        let container = container(host, "c1");
        put(host, kind, allow_list::FILE, "somaxconn");
        let _open = (kind == "open pipe").then(|| {
            fs::OpenOptions::new().read(true).write(true).open(allow_list::FILE).unwrap()
        });
        let call = tuning(host, "c1", &json!({ "sysctl": { "net.core.somaxconn": "444" } }));
        let add = call.add();
        match kind {
            "link" | "foreign" => {
                add.succeeds();
            }
            "broken link" => {
                // As without a list, also for the Go plugin.
                add.succeeds();
            }
            // A pipe without a writer is an empty list.
            _ => {
                add.fails_with_code(7).mentions(allow_list::FILE);
                assert_ne!(container.tool("cat", "/proc/sys/net/core/somaxconn").trim(), "444");
                call.status().fails_with_code(50);
            }
        }
        call.del().succeeds();
    }
}
