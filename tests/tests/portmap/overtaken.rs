//! Others change the rules while portmap does.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::portmap::node::{Node, mapping};

ferrule_testkit::test! {
    /// An administrator flushes the table between what ADD reads and what it writes.
    fn a_flush_during_add_is_overcome(host, form in ["iptables", "iptables-legacy"])
        needs [Iptables, Ip6tables, LegacyIptables] {
        let node = Node::new(host, form);
        node.publish("first", &[mapping("tcp", 8080, 80)]);
        let pod = node.prepare("second", &[mapping("tcp", 8081, 80)], &serde_json::json!({}));
        let suffix = if form == "iptables" { "-nft" } else { "-legacy" };
        let folder = host.work_folder().join("flushing");
        fs::create_dir(&folder).unwrap();
        for tool in ["iptables", "ip6tables"] {
            let restore = folder.join(format!("{tool}-restore"));
            let script = format!(
                "#!/bin/sh\nmkdir {0}/{tool} 2>/dev/null && /usr/sbin/{tool}{suffix} -w -t nat -F \
                 && /usr/sbin/{tool}{suffix} -w -t nat -X\nexec /usr/sbin/{tool}{suffix}-restore \"$@\"\n",
                folder.display()
            );
            fs::write(&restore, script).unwrap();
            fs::set_permissions(&restore, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let legacy = host.work_folder().join("legacy");
        let path = format!("{}:{}:/usr/sbin:/usr/bin", folder.display(), legacy.display());
        let call = pod.portmap.env("PATH", path);
        call.add().succeeds();
        assert!(folder.join("iptables").exists(), "nothing was flushed");
        call.check().succeeds();
        call.del().succeeds();
    }
}
