//! STATUS.

use std::fs;

use serde_json::json;

use crate::host_local::pool::Pool;

ferrule_testkit::test! {
    /// A full range is not a failure: kubelet would mark the node NotReady and evict its pods.
    fn a_full_range_is_only_logged(host) {
        let pool = Pool::new(host, json!({ "ranges": [[{ "subnet": "10.1.2.0/24" }], [{ "subnet": "10.2.2.0/29" }]] }));
        pool.ours("x").status().succeeds().stdout_is("");
        assert_eq!(fs::read_dir("/var/lib/cni").unwrap().count(), 0, "STATUS makes nothing");
        let stderr = || pool.ours("x").status().succeeds().stdout_is("").stderr;
        for container in ["a", "b", "c", "d"] {
            pool.add(container);
            assert_eq!(stderr(), "");
        }
        pool.add("e");
        assert_eq!(stderr(), "host-local: no IP addresses available in range set: 10.2.2.1-10.2.2.6\n");
        pool.ours("a").del().succeeds();
        assert_eq!(stderr(), "");
    }
}

ferrule_testkit::test! {
    /// A file system full of reservations is not a failure either: the next DEL frees space.
    fn a_file_system_full_of_reservations_is_only_logged(host) {
        let folder = "/var/lib/cni/tiny";
        fs::create_dir(folder).unwrap();
        host.exec(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", folder]).succeeds();
        let pool = Pool::of_subnet(host, "10.1.2.0/24").in_folder(folder);
        while pool.ours(&format!("c{}", pool.reservations().len())).add().status.success() {}
        assert!(pool.reservations().len() > 1);
        let outcome = pool.ours("x").status().succeeds();
        assert!(outcome.stderr.contains("no space left on device"), "{}", outcome.stderr);
    }
}

ferrule_testkit::test! {
    /// STATUS waits neither for the lock nor for a pipe in place of a file.
    fn status_does_not_wait(host) needs [Tool("mkfifo")] {
        let pipe = host.work_folder().join("pipe");
        host.exec(["mkfifo", pipe.to_str().unwrap()]).succeeds();
        let _writer = fs::OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
        let mut pool = Pool::of_subnet(host, "10.1.2.0/24");
        pool.add("c1");
        let lock = fs::File::open(pool.folder().join("lock")).unwrap();
        lock.lock().unwrap();
        pool.ours("x").status().succeeds().stdout_is("");
        pool.config["ipam"]["resolvConf"] = json!(pipe);
        pool.ours("x").status().fails_with_code(50).mentions("pipe: try again");
    }
}

ferrule_testkit::test! {
    /// Ranges may be passed to ADD only.
    fn status_needs_no_ranges(host) {
        Pool::new(host, json!({})).ours("x").status().succeeds();
        Pool::new(host, json!({ "ranges": [] })).ours("x").status().succeeds();
    }
}

ferrule_testkit::test! {
    /// STATUS fails if the data folder is not writable or a file not readable.
    fn status_fails_where_add_would(host) {
        let read_only = host.work_folder().join("read-only");
        let tiny = host.work_folder().join("tiny");
        let file = host.work_folder().join("file");
        fs::write(&file, "").unwrap();
        for (folder, options) in [(&read_only, "ro"), (&tiny, "nr_inodes=2")] {
            fs::create_dir(folder).unwrap();
            let folder = folder.to_str().unwrap();
            host.exec(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder]).succeeds();
        }
        fs::create_dir(tiny.join("net")).unwrap();
        for (folder, gist) in [
            (&read_only, "read-only file system"),
            (&tiny, "no space left on device"),
            (&file, "not a directory"),
        ] {
            let pool = Pool::of_subnet(host, "10.1.2.0/24").in_folder(folder.to_str().unwrap());
            pool.ours("x").status().fails_with_code(50).mentions(gist);
            pool.ours("c1").add().fails_with_code(5).mentions(gist);
        }
        let pool = Pool::new(host, json!({ "subnet": "10.1.2.0/24", "resolvConf": "/none" }));
        pool.ours("x").status().fails_with_code(50).mentions("open /none: no such file or directory");
        Pool::of_subnet(host, "10.1.2.0/31").ours("x").status().fails_with_code(7);
        pool.with("cniVersion", json!("1.0.0")).ours("x").status().fails_with_code(1);
    }
}
