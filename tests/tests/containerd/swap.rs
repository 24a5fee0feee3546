//! The folder of plugins is replaced while pods run, in both directions.

use std::path::Path;

use ferrule_testkit::{Host, PEER_FOLDER, assert_same, binaries_folder};
use ferrule_tests::answers_http;

use serde_json::json;

use crate::containerd::{assert_reached, chain, finish, run, snapshot, start};

/// GC of every plugin, as runtimes that speak 1.1.0 call it, with no attachment that is valid.
fn collect_garbage(host: &Host) {
    for plugin in chain("iptables")["plugins"].as_array().unwrap() {
        let mut config = plugin.clone();
        config["cniVersion"] = json!("1.1.0");
        config["name"] = json!("pods");
        config["cni.dev/valid-attachments"] = json!([]);
        let name = plugin["type"].as_str().unwrap();
        host.plugin(name).config(config).gc().succeeds();
    }
}

ferrule_testkit::test! {
    /// Pods of both live side by side, and each removes what the other has attached.
    fn the_plugins_are_swapped_under_running_pods(host, first in ["ours", "theirs"]) needs [
        Tool("containerd"), Tool("crun"), Tool("curl"), Tool("busybox"), PeerPlugins,
        Iptables, Ip6tables, Ifb, TokenBucketFilter, IngressRedirect, Ipv6
    ] {
        let [ours, theirs] = [binaries_folder(), Path::new(PEER_FOLDER).to_owned()];
        let (first, second) = if first == "ours" { (ours, theirs) } else { (theirs, ours) };
        let containerd = start(host, &chain("iptables"));
        // What each makes once for all pods.
        containerd.use_plugins_of(Path::new(PEER_FOLDER));
        let warming = run(&containerd, "warming", &[(8078, 80)]);
        finish(&containerd, &warming);
        let before = snapshot(host);

        containerd.use_plugins_of(&first);
        let [stays, goes] = [8081, 8082].map(|port| run(&containerd, &format!("a{port}"), &[(port, 80)]));
        containerd.use_plugins_of(&second);
        assert_reached(host, &stays, Some(8081));
        let new = run(&containerd, "new", &[(8083, 80)]);
        finish(&containerd, &goes);
        assert_reached(host, &stays, Some(8081));
        assert_reached(host, &new, Some(8083));
        assert!(!answers_http(host, "10.9.0.1", 8082));
        containerd.use_plugins_of(&first);
        finish(&containerd, &new);
        assert_reached(host, &stays, Some(8081));
        containerd.use_plugins_of(&second);
        finish(&containerd, &stays);
        // The Go plugins know nothing of what ours note for themselves.
        collect_garbage(host);
        assert_same(&before, &snapshot(host));
    }
}
