//! Creating, finding, changing and removing links in a real kernel.

use std::time::{Duration, Instant};

use crate::lab::{another, bridge, ip, link, mac, pair, private, veth};
use ferrule_kernel::{
    Bridge, Errno, LinkChange, NetlinkError, Netns, OperState, RequestError, RtnlSocket,
};

#[test]
fn a_veth_is_born_whole_with_its_ends_in_two_namespaces() {
    let (route, netns) = (private(), another());
    let bridge = bridge(&route, "br0");
    let pair = ferrule_kernel::VethPair {
        mtu: Some(1400),
        peer_mac: Some(mac("02:00:00:00:00:07")),
        master: Some(bridge.index),
        ..veth("veth0", "eth0", &netns)
    };
    route.execute(pair.create()).unwrap();

    let outer = link(&route, "veth0");
    assert_eq!(outer.kind.as_deref(), Some("veth"));
    assert_eq!(
        (outer.mtu, outer.master, outer.up),
        (1400, Some(bridge.index), true)
    );
    assert!(route.link_by_name("eth0").unwrap().is_none());

    let remote = netns.run(RtnlSocket::open).unwrap().unwrap();
    let inner = link(&remote, "eth0");
    assert_eq!(inner.mac, Some(mac("02:00:00:00:00:07")));
    assert_eq!((inner.mtu, inner.master, inner.up), (1400, None, false));
    assert_eq!(inner.peer_index, Some(outer.index));
    assert_eq!(outer.peer_index, Some(inner.index));
    assert!(outer.link_netnsid.is_some() && inner.link_netnsid.is_some());

    remote
        .execute(LinkChange::new(inner.index).up().message())
        .unwrap();
    // The kernel notices the carrier in its own time.
    let deadline = Instant::now() + Duration::from_secs(5);
    while link(&route, "veth0").operstate != OperState::Up {
        assert!(Instant::now() < deadline, "{:?}", link(&route, "veth0"));
    }
}

#[test]
fn each_end_of_a_veth_has_one_queue() {
    let (route, here) = (private(), Netns::current().unwrap());
    route
        .execute(veth("veth0", "veth1", &here).create())
        .unwrap();
    for name in ["veth0", "veth1"] {
        let text = ip(&format!("-d link show {name}"));
        assert!(text.contains("numtxqueues 1 numrxqueues 1 "), "{text}");
    }
}

#[test]
fn taken_names_on_either_side_are_told() {
    let (route, netns) = (private(), another());
    route
        .execute(veth("veth0", "eth0", &netns).create())
        .unwrap();
    for (name, peer) in [("veth0", "eth1"), ("veth1", "eth0")] {
        let error = route
            .execute(veth(name, peer, &netns).create())
            .unwrap_err();
        assert!(error.is_exists(), "{error}");
        assert!(
            error
                .to_string()
                .starts_with(&format!("create veth {name:?}: file exists"))
        );
    }
    assert!(route.link_by_name("veth1").unwrap().is_none());
}

#[test]
fn a_bridge_is_created_once_and_found_in_every_way() {
    let route = private();
    let new = Bridge {
        name: "cni0",
        mtu: Some(1300),
        mac: None,
        vlan_filtering: false,
    };
    route.execute(new.create()).unwrap();
    let bridge = link(&route, "cni0");
    assert!(bridge.is_kind("bridge") && !bridge.up);
    assert_eq!((bridge.mtu, bridge.port), (1300, None));
    assert_ne!(bridge.vlan_filtering, Some(true));

    let error = route.execute(new.create()).unwrap_err();
    assert!(error.is_exists(), "{error}");
    assert_eq!(error.message, Some(0));

    assert_eq!(
        route.link_by_index(bridge.index).unwrap().as_ref(),
        Some(&bridge)
    );
    let names: Vec<_> = route
        .links()
        .unwrap()
        .into_iter()
        .map(|link| link.name)
        .collect();
    assert_eq!(names, ["lo", "cni0"]);
}

#[test]
fn alternative_names_find_a_link_and_remove_it() {
    let route = private();
    let bridge = bridge(&route, "br0");
    ip("link property add dev br0 altname an-alternative-name altname short");
    for name in ["an-alternative-name", "short"] {
        let found = link(&route, name);
        assert_eq!((found.index, found.name.as_str()), (bridge.index, "br0"));
        assert_eq!(found.altnames, ["an-alternative-name", "short"]);
    }
    assert!(route.link_by_name("another-alternative").unwrap().is_none());
    assert!(route.delete_link_by_name("an-alternative-name").unwrap());
    assert!(!route.delete_link_by_name("an-alternative-name").unwrap());
}

#[test]
fn removing_twice_is_no_error() {
    let (route, netns) = (private(), another());
    let pair = pair(&route, &netns, "veth0", "eth0");
    assert!(pair.remote.delete_link_by_name("eth0").unwrap());
    assert!(!pair.remote.delete_link_by_name("eth0").unwrap());
    assert!(!pair.remote.delete_link(pair.there.index).unwrap());
    assert!(
        route.link_by_name("veth0").unwrap().is_none(),
        "one end goes with the other"
    );
    assert!(!route.delete_link(pair.here.index).unwrap());
    assert!(route.link_by_index(pair.here.index).unwrap().is_none());
}

#[test]
fn links_that_cannot_be_removed_are_an_error() {
    let error = private().delete_link(1).unwrap_err();
    assert_eq!(error.errno(), Some(Errno::EOPNOTSUPP));
}

#[test]
fn everything_about_a_link_can_change_at_once() {
    let route = private();
    let created = bridge(&route, "br0");
    let master = bridge(&route, "br1").index;
    let netns = another();
    let end = pair(&route, &netns, "veth0", "eth0").here;
    let change = LinkChange::new(end.index)
        .name("port.100")
        .mac(mac("02:00:00:00:00:09"))
        .mtu(1280)
        .master(master)
        .alias("some text")
        .tx_queue_len(77)
        .promisc(true);
    let mut batch = route.batch();
    batch
        .add(LinkChange::new(end.index).down().message())
        .add(change.message());
    batch.run().unwrap();
    let changed = link(&route, "port.100");
    assert_eq!(changed.index, end.index);
    assert_eq!(changed.mac, Some(mac("02:00:00:00:00:09")));
    assert_eq!(
        (changed.mtu, changed.master, changed.up),
        (1280, Some(master), false)
    );
    assert_eq!(changed.alias.as_deref(), Some("some text"));
    assert!(changed.promiscuous && changed.promiscuity >= 1);
    assert_eq!(changed.tx_queue_len, 77);

    let back = LinkChange::of_name("port.100")
        .up()
        .no_master()
        .alias("")
        .promisc(false);
    route.execute(back.message()).unwrap();
    let changed = link(&route, "port.100");
    assert_eq!(
        (changed.master, changed.alias, changed.up),
        (None, None, true)
    );
    assert_eq!((changed.promiscuous, changed.promiscuity), (false, 0));
    assert_eq!(created.index, link(&route, "br0").index);
}

#[test]
fn a_link_moves_to_another_namespace() {
    let (route, netns, third) = (private(), another(), another());
    let end = pair(&route, &netns, "veth0", "eth0").here;
    let change = LinkChange::new(end.index).name("moved").netns(&third);
    route.execute(change.message()).unwrap();
    assert!(route.link_by_name("veth0").unwrap().is_none());
    assert!(
        third
            .run(RtnlSocket::open)
            .unwrap()
            .unwrap()
            .link_by_name("moved")
            .unwrap()
            .is_some()
    );
}

#[test]
fn the_kernels_explanation_is_part_of_the_error() {
    let route = private();
    let bridge = bridge(&route, "br0");
    let error = route
        .execute(LinkChange::new(bridge.index).mtu(10).message())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "change link {} (mtu 10): invalid argument (os error 22): mtu less than device minimum",
            bridge.index
        )
    );
}

#[test]
fn wrong_names_never_reach_the_kernel() {
    let (route, netns) = (private(), another());
    let mut batch = route.batch();
    batch
        .add(
            Bridge {
                name: "br0",
                mtu: None,
                mac: None,
                vlan_filtering: false,
            }
            .create(),
        )
        .add(veth("", "eth0", &netns).create());
    let error = batch.run().unwrap_err();
    assert!(matches!(error.cause, RequestError::Invalid(_)));
    assert_eq!(error.message, Some(1));
    assert_eq!(
        error.to_string(),
        "create veth \"\": interface name is empty"
    );
    assert!(
        route.link_by_name("br0").unwrap().is_none(),
        "nothing was sent"
    );
    let renaming = LinkChange::of_name("lo").name("lo1").message();
    let error = route.execute(renaming).unwrap_err();
    assert!(matches!(error.cause, RequestError::Invalid(_)), "{error}");
    let long = LinkChange::new(1).name("a-name-too-long-").message();
    assert!(matches!(
        route.execute(long),
        Err(NetlinkError {
            cause: RequestError::Invalid(_),
            ..
        })
    ));
    assert!(matches!(
        route.link_by_name(""),
        Err(NetlinkError {
            cause: RequestError::Invalid(_),
            ..
        })
    ));
}

#[test]
fn links_are_removed_together_and_the_others_of_a_group_stay() {
    let (route, netns) = (private(), another());
    let born = |number: u32, group| {
        let (name, peer) = (format!("veth{number}"), format!("eth{number}"));
        let pair = ferrule_kernel::VethPair {
            group,
            ..veth(&name, &peer, &netns)
        };
        route.execute(pair.create()).unwrap();
        let link = link(&route, &name);
        assert_eq!(link.group, group);
        link.index
    };
    let mut doomed: Vec<u32> = (0..120).map(|number| born(number, number % 2)).collect();
    let (alone, grouped) = (born(120, 0), born(121, 1));
    doomed.insert(7, 7_000);
    route.delete_links(&doomed, 77).unwrap();
    let mut left = route.links().unwrap();
    left.retain(|link| link.is_kind("veth"));
    let left: Vec<_> = left.iter().map(|link| (link.index, link.group)).collect();
    assert_eq!(left, [(alone, 0), (grouped, 1)]);
    let change = LinkChange::new(grouped).group(0);
    route.execute(change.message()).unwrap();
    assert_eq!(link(&route, "veth121").group, 0);
    route.delete_links(&[], 77).unwrap();
    route.delete_links(&doomed, 77).unwrap();
}
