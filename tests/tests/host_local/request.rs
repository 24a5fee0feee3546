//! Requested addresses, and refused configurations.

use serde_json::json;

use crate::host_local::pool::{Pool, addresses};

ferrule_testkit::test! {
    /// Requests from the three sources add up, and each is served by the range set that contains
    /// it.
    fn requests_are_served(host) {
        let ipam = json!({ "ranges": [
            [{ "subnet": "10.1.2.0/24" }], [{ "subnet": "10.1.3.0/24" }, { "subnet": "10.1.4.0/24" }],
            [{ "subnet": "2001:db8:1::/48" }],
        ] });
        let pool = Pool::new(host, ipam)
            .with("args", json!({ "cni": { "ips": ["10.1.4.88/24"] } }))
            .with("RuntimeConfig", json!({ "IPS": ["2001:db8:1::999"] }));
        let result = pool.ours("c1").args("IgnoreUnknown=true;K8S_POD_NAME=p;IP=10.1.2.88").add().succeeds().json();
        assert_eq!(addresses(&result), ["10.1.2.88", "10.1.4.88", "2001:db8:1::999"]);
        assert_eq!(result["ips"][1], json!({ "address": "10.1.4.88/24", "gateway": "10.1.4.1" }));
        // The next search continues after a requested address.
        let plain = Pool::new(host, pool.config["ipam"].clone());
        assert_eq!(plain.add("c2"), ["10.1.2.89", "10.1.4.89", "2001:db8:1::99a"]);
    }
}

ferrule_testkit::test! {
    /// Requests that cannot be served are refused before anything is reserved.
    fn other_requests_are_refused(host) {
        let pool = Pool::of_subnet(host, "10.1.2.0/24");
        let two = pool.clone().with("args", json!({ "cni": { "ips": ["10.1.2.88", "10.1.2.77"] } }));
        two.ours("c1").add().fails_with_code(7).mentions("failed to allocate all requested IPs: 10.1.2.77");
        for (args, code, gist) in [
            ("IP=10.9.9.9", 7, "failed to allocate all requested IPs: 10.9.9.9"),
            ("IP=10.1.2.1", 7, "requested ip 10.1.2.1 is subnet's gateway"),
            ("IP=10.1.2.255", 7, "failed to allocate all requested IPs: 10.1.2.255"),
            ("IP=10.1.2", 4, "invalid IP address"),
            ("ip=10.1.2.3", 4, "unknown args [\"ip=10.1.2.3\"]"),
            ("IP=10.1.2.3;", 4, "CNI_ARGS"),
        ] {
            pool.ours("c1").args(args).add().fails_with_code(code).mentions(gist);
        }
        assert!(pool.reservations().is_empty());
        assert_eq!(addresses(&pool.ours("c1").args("IP=").add().succeeds().json()), ["10.1.2.2"]);
    }
}

ferrule_testkit::test! {
    /// Runtime ranges come first, and the error of an overlap names the sources.
    fn ranges_of_the_runtime_come_first(host) {
        let pool = Pool::of_subnet(host, "10.1.2.0/24")
            .with("runtimeConfig", json!({ "ipRanges": [[{ "subnet": "10.5.0.0/24" }]] }));
        assert_eq!(pool.add("c1"), ["10.5.0.2", "10.1.2.2"]);
        assert_eq!(pool.files()["last_reserved_ip.1"], "10.1.2.2");
        let same = pool.with("runtimeConfig", json!({ "ipRanges": [[{ "subnet": "10.1.2.0/24" }]] }));
        same.ours("c2").add().fails_with_code(7).mentions("range set 0 overlaps with 1")
            .mentions("runtimeConfig.ipRanges[0] and ipam.subnet");
    }
}

ferrule_testkit::test! {
    /// The first and the last address of a network are allocated if the range includes them.
    fn the_first_and_last_address_can_be_allocated(host) {
        let range = json!({ "subnet": "10.1.2.0/30", "rangeStart": "10.1.2.0", "rangeEnd": "10.1.2.3", "gateway": "10.1.2.2" });
        let pool = Pool::new(host, json!({ "ranges": [[range]] }));
        for (container, address) in [("a", "10.1.2.0"), ("b", "10.1.2.1"), ("c", "10.1.2.3")] {
            assert_eq!(pool.add(container), [address]);
        }
        pool.ours("d").add().fails_with_code(11);
    }
}

ferrule_testkit::test! {
    /// Invalid configurations are refused before anything changes, and the error names the key.
    fn invalid_configurations_are_refused(host) {
        for (ipam, code, gist) in [
            (json!({}), 7, "no IP ranges specified"),
            (json!({ "rangeStart": "10.1.2.9" }), 7, "no IP ranges specified"),
            (json!({ "ranges": [null] }), 7, "invalid range set 0: empty range set"),
            (json!({ "ranges": [[null]] }), 7, "invalid range set 0: the key subnet is missing"),
            (json!({ "subnet": null }), 6, "invalid CIDR"),
            (json!({ "ranges": [{ "subnet": "10.1.2.0/24" }] }), 6, "ipam.ranges[0]"),
            (json!({ "subnet": "10.1.2.0/31" }), 7, "too small to allocate from"),
            (json!({ "subnet": "10.1.2.3/24" }), 7, "host bits set"),
            (json!({ "subnet": "10.1.2.0/24", "rangeStart": "10.1.2.255" }), 7, "is the broadcast address"),
            (json!({ "subnet": "10.1.2.0/24", "rangeStart": "10.1.3.1" }), 7, "rangeStart 10.1.3.1 not in network"),
            (json!({ "subnet": "10.1.2.0/24", "rangeEnd": "10.1.3.1" }), 7, "rangeEnd 10.1.3.1 not in network"),
            (json!({ "subnet": "10.1.2.0/24", "gateway": 1 }), 6, "ipam.gateway"),
            (json!({ "subnet": "10.1.2.0/24", "routes": [{}] }), 6, "ipam.routes[0]"),
            (json!({ "subnet": "10.1.2.0/24", "resolvConf": "/none" }), 5, "open /none: no such file or directory"),
        ] {
            let pool = Pool::new(host, ipam);
            pool.ours("c1").add().fails_with_code(code).mentions(gist);
            assert!(!pool.folder().exists(), "{}", pool.config);
        }
        let pool = Pool::of_subnet(host, "10.1.2.0/24");
        let without = pool.ours("c1").config(json!({ "cniVersion": "1.0.0", "name": "net" }));
        without.add().fails_with_code(7).mentions("IPAM config missing 'ipam' key");
    }
}

ferrule_testkit::test! {
    /// Versions without lists have room for one address per family.
    fn old_versions_take_one_set_of_each_family(host, version in ["", "0.1.0", "0.2.0"]) {
        let two = json!({ "ranges": [[{ "subnet": "10.1.2.0/24" }], [{ "subnet": "10.1.3.0/24" }]] });
        let pool = Pool::new(host, two).with("cniVersion", json!(version));
        pool.ours("c1").add().fails_with_code(7).mentions("does not support more than 1 address per family");
        assert!(!pool.folder().exists());
    }
}

ferrule_testkit::test! {
    /// An endless `resolvConf` is refused; an empty one, or a pipe without a writer, adds nothing.
    fn resolv_conf_is_read_with_a_bound(host) needs [Tool("mkfifo")] {
        let pipe = host.work_folder().join("pipe");
        host.exec(["mkfifo", pipe.to_str().unwrap()]).succeeds();
        let with = |path: &str| Pool::new(host, json!({ "subnet": "10.1.2.0/24", "resolvConf": path }));
        for (path, verb) in [("/dev/zero", "ADD"), ("/dev/urandom", "ADD")] {
            let outcome = with(path).ours("c1").verb(verb).run();
            outcome.fails_with_code(5).mentions(&format!("open {path}: longer than"));
        }
        assert!(!with("").folder().exists());
        with("/dev/null").add("c1");
        with(pipe.to_str().unwrap()).add("c2");
    }
}
