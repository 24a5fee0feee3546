//! DEL and CHECK.

use std::fs;

use serde_json::json;

use crate::host_local::pool::Pool;

ferrule_testkit::test! {
    /// DEL without a reservation succeeds and creates nothing.
    fn del_without_add_creates_nothing(host, version in VERSIONS) {
        let pool = Pool::of_subnet(host, "10.1.2.0/24").with("cniVersion", json!(version));
        pool.ours("c1").without_env("CNI_NETNS").del().succeeds().stdout_is("");
        assert_eq!(fs::read_dir("/var/lib/cni").unwrap().count(), 0);
        pool.add("c2");
        let before = pool.files();
        pool.ours("c1").del().succeeds().stdout_is("");
        assert_eq!(pool.files(), before);
    }
}

ferrule_testkit::test! {
    /// DEL needs neither ranges nor valid arguments: callers pass dummies, or a configuration that
    /// was edited since.
    fn del_needs_no_valid_configuration(host) {
        let pool = Pool::of_subnet(host, "10.1.2.0/24");
        for (ipam, args) in [
            (json!({ "type": "host-local" }), ""),
            (json!({ "subnet": "10.1.2.3/99" }), ""),
            (json!({ "subnet": 7, "ranges": "x", "routes": [{}], "resolvConf": "/none" }), ""),
            (json!({ "ranges": [[{ "subnet": "10.1.2.0/31" }], [null], null] }), ""),
            (json!({ "subnet": "192.168.0.0/24" }), ""),
            (json!(null), ""),
            (json!("host-local"), ""),
            (json!({ "subnet": "10.1.2.0/24" }), "IP=x;;=;unknown=1"),
        ] {
            pool.add("c1");
            let broken = pool.clone().with("ipam", ipam).with("args", json!(1)).with("runtimeConfig", json!([]));
            broken.ours("c1").args(args).del().succeeds().stdout_is("");
            assert!(pool.reservations().is_empty(), "{}", broken.config);
        }
    }
}

ferrule_testkit::test! {
    /// Blanks around the content of a file are ignored; a container id without interface matches
    /// if nothing else does.
    fn old_and_padded_files_are_released(host) {
        let pool = Pool::of_subnet(host, "10.1.2.0/24");
        pool.write("10.1.2.7", "c1");
        pool.write("10.1.2.8", " c1\r\neth0\n");
        pool.write("10.1.2.9", "c2");
        pool.write("notes", "c1");
        pool.ours("c1").check().succeeds();
        pool.ours("c1").del().succeeds();
        assert_eq!(pool.reservations().into_keys().collect::<Vec<_>>(), ["10.1.2.7", "10.1.2.9"]);
        pool.ours("c1").check().succeeds();
        pool.ours("c1").del().succeeds();
        assert_eq!(pool.reservations().into_keys().collect::<Vec<_>>(), ["10.1.2.9"]);
        pool.ours("c1").check().fails_with_code(999);
        assert!(pool.files().contains_key("notes"));
    }
}

ferrule_testkit::test! {
    /// Upstream's test case: the file of an ADD, rewritten to contain only the container id.
    fn a_file_rewritten_to_the_id_is_released(host) {
        let pool = Pool::of_subnet(host, "10.1.2.0/24");
        pool.add("c1");
        pool.write("10.1.2.2", "c1");
        pool.ours("c1").check().succeeds();
        pool.ours("c1").del().succeeds();
        assert!(pool.reservations().is_empty());
    }
}

ferrule_testkit::test! {
    /// A container id that looks like an address is not confused with the cursor file.
    fn an_id_may_look_like_an_address(host) {
        let pool = Pool::of_subnet(host, "10.1.2.0/24");
        pool.add("c1");
        let call = pool.ours("10.1.2.2");
        call.check().fails_with_code(999);
        call.del().succeeds();
        assert!(pool.files().contains_key("last_reserved_ip.0"));
        call.add().succeeds();
        call.check().succeeds();
    }
}

ferrule_testkit::test! {
    /// DEL removes what it can, and the error names what is left.
    fn del_names_what_it_could_not_remove(host) needs [Tool("chattr")] {
        // A file system with immutable files, which tmpfs of this kernel may lack.
        let folder = tempdir_on_disk();
        let pool = Pool::new(host, json!({ "ranges": [[{ "subnet": "10.1.2.0/24" }], [{ "subnet": "fd00::/64" }]] }))
            .in_folder(folder.to_str().unwrap());
        pool.add("c1");
        let stuck = pool.folder().join("10.1.2.2");
        let locked = host.exec(["chattr", "+i", stuck.to_str().unwrap()]);
        locked.succeeds();
        let outcome = pool.ours("c1").del();
        host.exec(["chattr", "-i", stuck.to_str().unwrap()]).succeeds();
        let left: Vec<String> = pool.reservations().into_keys().collect();
        pool.ours("c1").del().succeeds();
        let nothing = pool.reservations().is_empty();
        fs::remove_dir_all(folder).unwrap();
        outcome.fails_with_code(5).mentions("10.1.2.2: operation not permitted");
        assert_eq!(left, ["10.1.2.2"]);
        assert!(nothing);
    }
}

/// A folder outside the private tmpfs mounts of a test.
fn tempdir_on_disk() -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("ferrule-host-local-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder
}

ferrule_testkit::test! {
    /// CHECK succeeds after ADD, in every version that has it.
    fn check_passes_after_add(host, version in ["0.4.0", "1.0.0", "1.1.0"]) {
        let pool = Pool::new(host, json!({ "ranges": [[{ "subnet": "10.1.2.0/24" }], [{ "subnet": "fd00::/64" }]] }))
            .with("cniVersion", json!(version));
        pool.ours("c1").check().fails_with_code(999).mentions("Failed to find address added by container c1");
        let result = pool.ours("c1").add().succeeds().json();
        pool.ours("c1").check().succeeds().stdout_is("");
        let chained = pool.clone().with("prevResult", result);
        chained.ours("c1").check().succeeds().stdout_is("");
        pool.ours("c1").del().succeeds();
        chained.ours("c1").check().fails_with_code(999);
    }
}

ferrule_testkit::test! {
    /// CHECK detects an address of the result that is not reserved any more; addresses of others
    /// are ignored.
    fn check_detects_a_lost_reservation(host) {
        let pool = Pool::new(host, json!({ "ranges": [[{ "subnet": "10.1.2.0/24" }], [{ "subnet": "fd00::/64" }]] }));
        pool.add("c1");
        let shown = |ips: serde_json::Value| {
            let result = json!({
                "cniVersion": "1.1.0", "ips": ips,
                "interfaces": [{ "name": "eth0", "sandbox": "/x" }, { "name": "net1", "sandbox": "/x" }],
            });
            pool.clone().with("prevResult", result).ours("c1").check()
        };
        shown(json!([{ "address": "10.1.2.2/32", "interface": 0 }, { "address": "fd00::2/64" }])).succeeds();
        // Of another range, of another interface, of an interface that is missing.
        shown(json!([{ "address": "192.168.0.9/24", "interface": 0 }])).succeeds();
        shown(json!([{ "address": "10.1.2.9/24", "interface": 1 }])).succeeds();
        shown(json!("broken")).succeeds();
        shown(json!([{ "address": "10.1.2.9/24", "interface": 0 }])).fails_with_code(999)
            .mentions("address 10.1.2.9 of container c1 on \"eth0\" is not reserved for it");
        pool.write("fd00::2", "c2\r\neth0");
        shown(json!([{ "address": "10.1.2.2/24" }, { "address": "fd00::2/64" }])).fails_with_code(999)
            .mentions("fd00::2");
    }
}
