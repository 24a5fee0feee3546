//! STATUS.

use std::fs;

use serde_json::json;

use crate::host_local::pool::Pool;

ferrule_testkit::test! {
    /// STATUS tells a full set, while another one still has addresses.
    fn status_tells_a_full_set(host) {
        let pool = Pool::new(host, json!({ "ranges": [[{ "subnet": "10.1.2.0/24" }], [{ "subnet": "10.2.2.0/29" }]] }));
        pool.ours("x").status().succeeds().stdout_is("");
        assert_eq!(fs::read_dir("/var/lib/cni").unwrap().count(), 0, "STATUS makes nothing");
        for container in ["a", "b", "c", "d"] {
            pool.add(container);
            pool.ours("x").status().succeeds();
        }
        pool.add("e");
        pool.ours("x").status().fails_with_code(50)
            .mentions("no IP addresses available in range set: 10.2.2.1-10.2.2.6")
            .mentions("5 addresses of this set are held by 5 containers");
        // An empty file is no obstacle to ADD.
        pool.write("10.2.2.4", "");
        pool.ours("x").status().succeeds();
        pool.ours("a").del().succeeds();
        pool.ours("x").status().succeeds();
    }
}

ferrule_testkit::test! {
    /// Ranges may come with ADD alone.
    fn status_needs_no_ranges(host) {
        Pool::new(host, json!({})).ours("x").status().succeeds();
        Pool::new(host, json!({ "ranges": [] })).ours("x").status().succeeds();
    }
}

ferrule_testkit::test! {
    /// A data folder that cannot be written, or a file that cannot be read, is told.
    fn status_tells_what_add_would_miss(host) {
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
