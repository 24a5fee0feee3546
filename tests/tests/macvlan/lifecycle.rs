//! DEL, failed ADDs and GC leave nothing.

use std::os::unix::fs::PermissionsExt as _;

use ferrule_testkit::{Host, assert_same};
use ferrule_tests::{Network, Wire, single_link};
use serde_json::json;

ferrule_testkit::test! {
    /// DEL removes link and addresses in every state of the container, and nothing else.
    fn del_leaves_nothing(host) needs [Macvlan] {
        Wire::new(host);
        single_link::del_leaves_nothing(host, &Network::on_wire("macvlan"));
        single_link::del_spares_others(host, &Network::on_wire("macvlan"));
    }
}

ferrule_testkit::test! {
    /// DEL needs no master, configured or default.
    fn del_needs_no_master(host, master in ["wire0", ""]) needs [Macvlan] {
        Wire::new(host);
        host.ip("route add default dev wire0");
        let network = Network::on_wire("macvlan").with(json!({ "master": master }));
        let attachment = network.attach(host, "c1");
        host.ip("link delete wire0");
        assert!(!attachment.container.has_link("eth0"));
        attachment.detach();
        attachment.detach();
        assert_eq!(single_link::leases(), Vec::<String>::new());
    }
}

ferrule_testkit::test! {
    /// A failed ADD leaves neither link nor address.
    fn a_failed_add_leaves_nothing(host) needs [Macvlan] {
        Wire::new(host);
        single_link::failed_add_leaves_nothing(host, &Network::on_wire("macvlan"));
        // A result that old versions cannot express.
        let old = Network::on_wire("macvlan").without_ipam().version("0.2.0");
        let container = host.netns("old");
        let before = container.network_snapshot();
        let call = old.call(host, "old");
        call.add().fails().mentions("cannot convert: no valid IP addresses");
        assert_same(&before, &container.network_snapshot());
        call.del().succeeds();
    }
}

ferrule_testkit::test! {
    /// GC releases the addresses of attachments that are not listed.
    fn gc_collects_stale_attachments(host) needs [Macvlan] {
        Wire::new(host);
        single_link::gc_collects_what_is_dead(host, &Network::on_wire("macvlan"));
    }
}

/// An address plugin that needs the link, like DHCP: it records whether the link is up, and
/// succeeds or fails.
fn needy_plugin(host: &Host, answer: &str) -> String {
    let path = host.work_folder().join("needy");
    let script = format!(
        "#!/bin/sh\ncat >/dev/null\necho $CNI_COMMAND >>/run/cni/verbs\n\
         [ $CNI_COMMAND = ADD ] || exit 0\n\
         nsenter --net=$CNI_NETNS ip -br link show $CNI_IFNAME >/run/cni/seen\n{answer}\n"
    );
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let ours = ferrule_testkit::binaries_folder();
    format!("{}:{}", host.work_folder().display(), ours.display())
}

ferrule_testkit::test! {
    /// An address plugin other than host-local and static is called when the link is up; if its
    /// addresses cannot be added, they are released.
    fn other_address_plugins_find_the_link_up(host, route in ["10.1.2.1", "192.0.2.77"])
        needs [Macvlan, Tool("nsenter")] {
        Wire::new(host);
        let answer = json!({ "cniVersion": "1.0.0", "ips": [{ "address": "10.1.2.9/24" }],
                             "routes": [{ "dst": "10.9.0.0/16", "gw": route }] });
        let path = needy_plugin(host, &format!("echo '{answer}'"));
        let network = Network::on_wire("macvlan").with(json!({ "ipam": { "type": "needy" } }));
        let container = host.netns("c1");
        let call = network.call(host, "c1").cni_path(path);
        let outcome = call.add();
        let seen = std::fs::read_to_string("/run/cni/seen").unwrap();
        assert!(seen.starts_with("eth0@") && seen.contains("UP"), "{seen}");
        let verbs = || std::fs::read_to_string("/run/cni/verbs").unwrap();
        if route == "10.1.2.1" {
            outcome.succeeds();
            assert_eq!(container.addresses("eth0"), ["10.1.2.9/24"]);
            assert_eq!(verbs(), "ADD\n");
        } else {
            outcome.fails().mentions("10.9.0.0/16");
            assert!(!container.has_link("eth0"));
            assert_eq!(verbs(), "ADD\nDEL\n");
        }
        call.del().succeeds();
        assert!(!container.has_link("eth0"));
    }
}

ferrule_testkit::test! {
    /// DEL removes everything after an ADD that was killed at any system call.
    fn a_killed_add_leaves_nothing_after_del(host) needs [Macvlan] {
        Wire::new(host);
        let container = host.netns("c1");
        let call = Network::on_wire("macvlan").call(host, "c1");
        let links = || container.ip("-o link show");
        // By name alone: whether the wire has a carrier is told with a delay.
        let host_links = || {
            let links = host.ip("-o -br link show");
            let names = links.lines().filter_map(|line| line.split_whitespace().next());
            names.map(str::to_owned).collect::<Vec<_>>()
        };
        let (inside, outside) = (links(), host_links());
        let mut killed = 0;
        for count in 1.. {
            let Some(outcome) = call.clone().verb("ADD").killed_at_syscall(count) else { break };
            killed += 1;
            assert_eq!(host_links(), outside, "on the host, after {outcome}");
            call.del().succeeds();
            assert_eq!(links(), inside, "after {outcome}");
            assert_eq!(single_link::leases(), Vec::<String>::new(), "after {outcome}");
        }
        assert!(killed > 50, "only {killed} system calls");
        // The last ADD was not killed.
        assert!(container.has_link("eth0"));
        call.del().succeeds();
    }
}
