//! The files, byte by byte, and the corresponding results.

use std::fs;

use serde_json::json;

use crate::host_local::pool::{Pool, addresses, content};

ferrule_testkit::test! {
    /// ADD returns an address of each range set and writes the files as the Go plugin does; DEL
    /// removes them.
    fn add_and_del_write_the_shared_files(host, version in VERSIONS) {
        let resolv_conf = host.work_folder().join("resolv.conf");
        fs::write(&resolv_conf, "# x\nnameserver 192.0.2.3\nsearch a b\nsearch c\n").unwrap();
        let pool = Pool::new(host, json!({
            "ranges": [
                [{ "subnet": "10.1.2.0/24" }, { "subnet": "10.2.2.0/24" }],
                [{ "subnet": "2001:db8:1::0/64" }],
            ],
            "routes": [
                { "dst": "0.0.0.0/0" }, { "dst": "::/0" },
                { "dst": "192.168.0.0/16", "gw": "1.1.1.1" }, { "dst": "2001:db8:2::0/64", "gw": "2001:db8:3::1" },
            ],
            "resolvConf": resolv_conf,
        }));
        let pool = pool.with("cniVersion", json!(version));
        let result = pool.ours("c1").add().succeeds().json();
        assert_eq!(addresses(&result), ["10.1.2.2", "2001:db8:1::2"]);
        assert_eq!(result["cniVersion"], version);
        assert_eq!(result["dns"], json!({ "nameservers": ["192.0.2.3"], "search": ["a", "b", "c"] }));
        if version < "0.3.0" {
            let routes = json!([{ "dst": "::/0" }, { "dst": "2001:db8:2::/64", "gw": "2001:db8:3::1" }]);
            assert_eq!(result["ip6"], json!({ "ip": "2001:db8:1::2/64", "gateway": "2001:db8:1::1", "routes": routes }));
        } else {
            assert_eq!(result["ips"][0]["gateway"], "10.1.2.1");
            assert_eq!(result["ips"][1]["gateway"], "2001:db8:1::1");
            assert_eq!(result["routes"][3], json!({ "dst": "2001:db8:2::/64", "gw": "2001:db8:3::1" }));
        }

        let files: Vec<(String, String)> = pool.files().into_iter().collect();
        let expected = [
            ("10.1.2.2", "c1\r\neth0"),
            ("2001:db8:1::2", "c1\r\neth0"),
            ("last_reserved_ip.0", "10.1.2.2"),
            ("last_reserved_ip.1", "2001:db8:1::2"),
            ("lock", ""),
        ];
        assert_eq!(files, expected.map(|(name, text)| (name.to_owned(), text.to_owned())));
        let modes = [("10.1.2.2", 0o600), ("last_reserved_ip.0", 0o600), ("lock", 0o600), (".", 0o700), ("..", 0o755)];
        for (name, mode) in modes {
            assert_eq!(pool.mode(name), mode, "{name}");
        }

        pool.ours("c1").del().succeeds().stdout_is("");
        let left: Vec<String> = pool.files().into_keys().collect();
        assert_eq!(left, ["last_reserved_ip.0", "last_reserved_ip.1", "lock"]);
    }
}

ferrule_testkit::test! {
    /// IPv6 file names are spelled as in RFC 5952, without an embedded IPv4 address.
    fn names_have_one_spelling(host) {
        for (subnet, first) in [
            ("64:ff9b::1.2.3.0/120", "64:ff9b::102:302"),
            ("::1.2.3.0/120", "::102:302"),
            ("2001:DB8:0:0:1::/80", "2001:db8::1:0:0:2"),
        ] {
            let pool = Pool::new(host, json!({ "subnet": subnet, "dataDir": "/var/lib/cni/v6" }));
            assert_eq!(pool.add("c1"), [first]);
            assert!(pool.files().contains_key(first), "{:?}", pool.files());
            pool.ours("c1").del().succeeds();
        }
    }
}

ferrule_testkit::test! {
    /// A released address is reused as late as possible.
    fn addresses_are_reused_in_turn(host) {
        let pool = Pool::of_subnet(host, "10.1.2.0/29");
        for (container, address) in [("a", 2), ("b", 3), ("c", 4), ("d", 5), ("e", 6)] {
            assert_eq!(pool.add(container), [format!("10.1.2.{address}")]);
        }
        pool.ours("a").del().succeeds();
        pool.ours("c").del().succeeds();
        assert_eq!(pool.add("f"), ["10.1.2.2"]);
        assert_eq!(pool.add("g"), ["10.1.2.4"]);
        pool.ours("h").add().fails_with_code(11)
            .mentions("no IP addresses available in range set: 10.1.2.1-10.1.2.6")
            .mentions("5 addresses of this set are held by 5 containers")
            .mentions("collect garbage (GC)");
        assert_eq!(pool.reservations().len(), 5);
    }
}

ferrule_testkit::test! {
    /// Attachments of one container on several interfaces and networks are separate.
    fn attachments_are_separate(host) {
        let pool = Pool::of_subnet(host, "10.1.2.0/24");
        let other = pool.clone().with("name", json!("other"));
        pool.add("c1");
        pool.ours("c1").ifname("eth1").add().succeeds();
        other.add("c1");
        pool.ours("c1").del().succeeds();
        assert_eq!(pool.reservations().into_iter().collect::<Vec<_>>(), [("10.1.2.3".into(), "c1\r\neth1".into())]);
        assert_eq!(other.reservations().len(), 1);
        pool.ours("c1").ifname("eth1").check().succeeds().stdout_is("");
        pool.ours("c1").check().fails_with_code(999).mentions("Failed to find address added by container c1");
    }
}

ferrule_testkit::test! {
    /// A second ADD is refused and releases nothing of the first.
    fn a_second_add_is_refused(host) {
        let pool = Pool::new(host, json!({ "ranges": [[{ "subnet": "10.1.2.0/29" }], [{ "subnet": "10.2.2.0/29" }]] }));
        pool.add("c1");
        let before = pool.files();
        let gist = "10.1.2.2 has been allocated to c1, duplicate allocation is not allowed";
        pool.ours("c1").add().fails_with_code(999).mentions(gist);
        // Upstream allows this one, then releases everything of the container.
        pool.ours("c1").args("IP=10.1.2.4").add().fails_with_code(999).mentions(gist);
        pool.ours("c1").ifname("eth1").args("IP=10.1.2.2").add().fails_with_code(999)
            .mentions("requested IP address 10.1.2.2 is not available in range set 10.1.2.1-10.1.2.6");
        assert_eq!(pool.files(), before);
        pool.ours("c1").check().succeeds();
        // An old file, without an interface, matches every interface of its container.
        pool.write("10.1.2.5", "c5");
        pool.ours("c5").ifname("eth7").add().fails_with_code(999).mentions("10.1.2.5 has been allocated to c5");
        // An address outside all ranges stems from an older configuration.
        pool.write("10.9.9.9", "c6\r\neth0");
        assert_eq!(pool.add("c6"), ["10.1.2.3", "10.2.2.3"]);
    }
}

ferrule_testkit::test! {
    /// An ADD that fails at the second range set, or cannot print its result, leaves nothing.
    fn a_failed_add_leaves_nothing(host) {
        let pool = Pool::new(host, json!({ "ranges": [[{ "subnet": "10.1.2.0/29" }], [{ "subnet": "10.2.2.0/30" }]] }));
        pool.add("c1");
        pool.ours("c2").add().fails_with_code(11).mentions("failed to allocate for range 1");
        assert_eq!(pool.reservations().into_values().collect::<Vec<_>>(), [content("c1"), content("c1")]);

        let single = Pool::of_subnet(host, "10.3.2.0/29").in_folder("/var/lib/cni/single");
        single.add("c1");
        let command = format!(
            "CNI_COMMAND=ADD CNI_CONTAINERID=c2 CNI_NETNS=/none CNI_IFNAME=eth0 CNI_PATH=/none {}/host-local > /dev/full",
            ferrule_testkit::binaries_folder().display()
        );
        let outcome = host.exec_with_input(["sh", "-c", &command], &single.config.to_string());
        outcome.fails();
        assert_eq!(single.reservations().into_values().collect::<Vec<_>>(), [content("c1")]);
    }
}

ferrule_testkit::test! {
    /// ADD fails without the lock.
    fn add_fails_without_the_lock(host) {
        let pool = Pool::of_subnet(host, "10.1.2.0/29");
        fs::create_dir_all(pool.folder().join("lock")).unwrap();
        pool.ours("c1").add().fails_with_code(5).mentions("lock: is a directory");
        assert_eq!(fs::read_dir(pool.folder()).unwrap().count(), 1);
    }
}
