//! `kill -9` between any two system calls, then DEL.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::portmap::FORMS;
use crate::portmap::node::{Node, mapping, mapping_at};

ferrule_testkit::test! {
    /// ADD killed anywhere, then DEL: only what all containers share is left.
    fn a_killed_add_leaves_nothing_after_del(host, form in FORMS)
        needs [Iptables, Ip6tables, Nftables, Ipv6, Tool("iptables-legacy")] {
        let node = Node::new(host, form);
        let mappings = [mapping("tcp", 8080, 80), mapping_at("192.0.2.1", "udp", 8080, 80)];
        let pod = node.prepare("pod", &mappings, &json!({}));
        pod.portmap.add().succeeds();
        pod.portmap.del().succeeds();
        let skeleton = node.rules();
        let add = pod.portmap.clone().verb("ADD");
        let del = pod.call_with(&json!({ "prevResult": null })).netns("");
        let mut survived = 0;
        for count in 1.. {
            let Some(killed) = add.killed_at_syscall(count) else { break };
            survived += usize::from(node.rules() != skeleton);
            del.del().succeeds();
            assert_eq!(node.rules(), skeleton, "{killed}");
        }
        assert!(survived > 0, "the sweep reached the point where something was there");
    }
}

ferrule_testkit::test! {
    /// DEL killed anywhere, then DEL again.
    fn a_killed_del_can_be_repeated(host, form in ["iptables", "nftables", "maps"])
        needs [Iptables, Ip6tables, Nftables, Ipv6, Tool("iptables-legacy")] {
        let node = Node::new(host, form);
        let mappings = [mapping("tcp", 8080, 80), mapping_at("192.0.2.1", "udp", 8080, 80)];
        let pod = node.prepare("pod", &mappings, &json!({}));
        pod.portmap.add().succeeds();
        pod.portmap.del().succeeds();
        let skeleton = node.rules();
        pod.portmap.add().succeeds();
        let complete = node.rules();
        let del = pod.portmap.clone().verb("DEL");
        for count in 1.. {
            let Some(killed) = del.killed_at_syscall(count) else { break };
            if node.rules() == complete {
                continue;
            }
            pod.portmap.del().succeeds();
            assert_eq!(node.rules(), skeleton, "{killed}");
            pod.portmap.add().succeeds();
        }
        assert_eq!(node.rules(), skeleton);
    }
}

ferrule_testkit::test! {
    /// A tool that a killed ADD has left running, and that writes its rules only now: DEL waits for
    /// it and removes them.
    fn del_waits_for_what_a_killed_add_left_running(host) needs [Iptables, Ip6tables, Ipv6] {
        let node = Node::new(host, "iptables");
        let pod = node.prepare("pod", &[mapping("tcp", 8080, 80)], &json!({}));
        pod.portmap.add().succeeds();
        pod.portmap.del().succeeds();
        let skeleton = node.rules();
        let folder = host.work_folder().join("slow");
        std::fs::create_dir(&folder).unwrap();
        symlink("/usr/sbin/iptables-nft", folder.join("iptables")).unwrap();
        let script = folder.join("iptables-restore");
        let begun = folder.join("begun");
        let text = format!(
            "#!/bin/sh\n/usr/bin/touch {}\n/usr/bin/sleep 1\nexec /usr/sbin/iptables-nft-restore \"$@\"\n",
            begun.display()
        );
        std::fs::write(&script, text).unwrap();
        std::fs::set_permissions(&script, Permissions::from_mode(0o755)).unwrap();
        let mut add = pod.portmap.clone().verb("ADD").env("PATH", &folder).start();
        // All of its input is in the pipe by then, or soon.
        let deadline = Instant::now() + Duration::from_secs(5);
        while !begun.exists() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(200));
        add.kill();
        assert_eq!(node.rules(), skeleton, "the tool has not written yet");
        let del = pod.portmap.del().succeeds();
        assert!(del.elapsed > Duration::from_millis(300), "{del}");
        assert_eq!(node.rules(), skeleton);
        assert!(!add.wait().status.success());
        std::thread::sleep(Duration::from_millis(1500));
        assert_eq!(node.rules(), skeleton);
    }
}
