//! Packets, and which processes may attach.

use std::net::Ipv4Addr;

use ferrule_testkit::Container;
use ferrule_tests::{TapEnd, User};
use nix::errno::Errno;
use serde_json::json;

use crate::tap::tap;

const OWNER: User = User {
    uid: 54321,
    gid: 54322,
};
const STRANGER: User = User {
    uid: 54999,
    gid: 54998,
};
const MACHINE: Ipv4Addr = Ipv4Addr::new(10, 1, 2, 77);

/// A virtual machine of the owner answers a ping from the container.
fn answers(container: &Container, name: &str, queues: bool) -> bool {
    let end = TapEnd::attach(container, name, queues, Some(OWNER)).unwrap();
    let _machine = end.serve(MACHINE);
    container.ping(MACHINE)
}

ferrule_testkit::test! {
    /// The owner attaches without privilege, and packets flow in both directions; other users may
    /// not attach. It works again after the machine has detached and attached again.
    fn the_owner_talks_to_the_container(host, version in VERSIONS) needs [Tun] {
        let keys = json!({ "owner": OWNER.uid });
        let attachment = tap().version(version).with(keys).attach(host, "c1");
        let container = &attachment.container;
        let refused = TapEnd::attach(container, "eth0", false, Some(STRANGER)).unwrap_err();
        assert_eq!(refused, Errno::EPERM);
        assert!(answers(container, "eth0", false) && answers(container, "eth0", false));
        assert!(!container.ping(MACHINE));
        attachment.detach();
    }
}

ferrule_testkit::test! {
    /// Members of the group attach, others do not, also with an owner.
    fn the_group_may_attach(host) needs [Tun] {
        let attachment = tap().with(json!({ "group": OWNER.gid })).attach(host, "c1");
        let member = User { uid: STRANGER.uid, ..OWNER };
        let attach = |user| TapEnd::attach(&attachment.container, "eth0", false, Some(user));
        assert!(attach(member).is_ok());
        assert_eq!(attach(STRANGER).unwrap_err(), Errno::EPERM);

        let keys = json!({ "owner": OWNER.uid, "group": OWNER.gid });
        let both = tap().with(keys).attach(host, "c2");
        let attach = |user| TapEnd::attach(&both.container, "eth0", false, Some(user));
        assert!(attach(OWNER).is_ok());
        assert_eq!(attach(STRANGER).unwrap_err(), Errno::EPERM);
        assert!(answers(&both.container, "eth0", false));
    }
}

ferrule_testkit::test! {
    /// With several queues several processes attach at once, otherwise one does.
    fn one_or_several_queues(host) needs [Tun] {
        let keys = json!({ "owner": OWNER.uid, "multiQueue": true });
        let wide = tap().with(keys).attach(host, "c1");
        let attach = |queues| TapEnd::attach(&wide.container, "eth0", queues, Some(OWNER));
        assert_eq!(attach(false).unwrap_err(), Errno::EINVAL);
        let ends = [attach(true).unwrap(), attach(true).unwrap()];
        let data = wide.container.link("eth0")["linkinfo"]["info_data"].clone();
        assert_eq!((&data["multi_queue"], &data["numqueues"]), (&json!(true), &json!(2)));
        drop(ends);
        assert!(answers(&wide.container, "eth0", true));

        let narrow = tap().with(json!({ "owner": OWNER.uid })).attach(host, "c2");
        let attach = |queues| TapEnd::attach(&narrow.container, "eth0", queues, Some(OWNER));
        assert_eq!(attach(true).unwrap_err(), Errno::EINVAL);
        let _end = attach(false).unwrap();
        assert_eq!(attach(false).unwrap_err(), Errno::EBUSY);
    }
}

ferrule_testkit::test! {
    /// The link is a port of a bridge inside the container, without addresses of its own.
    fn a_port_of_a_bridge_in_the_container(host) needs [Tun] {
        let keys = json!({ "bridge": "br0", "owner": OWNER.uid });
        let network = tap().without_ipam().with(keys);
        let container = host.netns("c1");
        let call = network.call(host, "c1");
        let before = container.network_snapshot();
        call.add().fails().mentions("key bridge").mentions("\"br0\" not found");
        ferrule_testkit::assert_same(&before, &container.network_snapshot());
        container.ip("link add br0 type bridge");
        container.ip("link set br0 up");
        container.ip("address add 10.1.2.1/24 dev br0");
        let result = call.add().succeeds().json();
        assert_eq!(container.link("eth0")["master"], "br0");
        assert_eq!(result.get("ips"), None);
        assert!(answers(&container, "eth0", false));
        let check = call.clone().config(ferrule_tests::with_prev_result(&network.config, &result));
        check.check().succeeds();
        container.ip("link set eth0 nomaster");
        check.check().fails().mentions("not a port of bridge \"br0\"");
        call.del().succeeds();
        assert!(container.has_link("br0") && !container.has_link("eth0"));
    }
}

ferrule_testkit::test! {
    /// IPv6 addresses are usable at once, although no machine is attached yet.
    fn addresses_do_not_wait_for_a_machine(host) needs [Tun, Ipv6] {
        let attachment = tap().attach(host, "c1");
        let shown = attachment.container.ip("-6 address show dev eth0 scope global");
        assert!(shown.contains("fd00:1:2::2/64") && !shown.contains("tentative"), "{shown}");
        assert!(attachment.container.ip("-6 route").contains("default via fd00:1:2::1 dev eth0"));
        attachment.check().succeeds();
    }
}
