//! Routes in a real kernel.

use crate::lab;
use std::net::IpAddr;

use crate::lab::{another, bridge, ip, pair, private};
use ferrule_kernel::route::{SCOPE_HOST, SCOPE_LINK};
use ferrule_kernel::{
    Family, NewAddress, NewRoute, RequestError, RouteEntry, RouteFilter, RouteMode, RtnlSocket,
};

/// A link with 10.0.0.2/24 and `fd00::2/64` whose other end is up.
fn network() -> (RtnlSocket, u32, lab::Pair) {
    let (route, netns) = (private(), another());
    let pair = pair(&route, &netns, "veth0", "eth0");
    let index = pair.here.index;
    for text in ["10.0.0.2/24", "fd00::2/64"] {
        let address = text.parse().unwrap();
        route
            .execute(
                NewAddress {
                    index,
                    address,
                    nodad: true,
                }
                .message(),
            )
            .unwrap();
    }
    (route, index, pair)
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn to(dst: &str) -> NewRoute {
    NewRoute::to(dst.parse().unwrap())
}

fn via(dst: &str, gateway: &str) -> NewRoute {
    NewRoute {
        gateway: Some(address(gateway)),
        ..to(dst)
    }
}

fn in_table(family: Family, table: u32) -> RouteFilter {
    RouteFilter {
        family,
        table: Some(table),
        oif: None,
    }
}

/// The routes to `dst` in a table.
fn found(route: &RtnlSocket, dst: &str, table: u32) -> Vec<RouteEntry> {
    let dst = dst.parse().unwrap();
    let family = Family::of(ferrule_kernel::IpNetwork::ip(&dst));
    let routes = route.routes(&in_table(family, table)).unwrap();
    routes
        .into_iter()
        .filter(|entry| entry.dst == dst)
        .collect()
}

#[test]
fn everything_said_about_a_route_is_kept() {
    let (route, index, _pair) = network();
    let new = NewRoute {
        oif: Some(index),
        source: Some(address("10.0.0.2")),
        priority: Some(77),
        mtu: Some(1400),
        advmss: Some(1360),
        ..via("192.0.2.0/24", "10.0.0.1")
    };
    route.execute(new.add()).unwrap();
    let entries = found(&route, "192.0.2.0/24", 254);
    let [entry] = entries.as_slice() else {
        panic!("{entries:?}")
    };
    assert_eq!(
        (entry.gateway, entry.oif),
        (Some(address("10.0.0.1")), Some(index))
    );
    assert_eq!(
        (entry.source, entry.priority),
        (Some(address("10.0.0.2")), Some(77))
    );
    assert_eq!((entry.mtu, entry.advmss), (Some(1400), Some(1360)));
    assert_eq!(
        (entry.table, entry.scope, entry.protocol, entry.kind),
        (254, 0, 3, 1)
    );
    let shown = ip("route show 192.0.2.0/24");
    assert_eq!(
        shown.trim(),
        "192.0.2.0/24 via 10.0.0.1 dev veth0 proto boot src 10.0.0.2 metric 77 mtu 1400 advmss 1360"
            .replace(" proto boot", "")
    );
}

#[test]
fn tables_and_links_limit_the_listing() {
    let (route, index, _pair) = network();
    let other = bridge(&route, "br0").index;
    for table in [100, 70_000] {
        let new = NewRoute {
            table: Some(table),
            ..via("0.0.0.0/0", "10.0.0.1")
        };
        route.execute(new.add()).unwrap();
        let entries = found(&route, "0.0.0.0/0", table);
        assert_eq!(
            entries.iter().map(|entry| entry.table).collect::<Vec<_>>(),
            [table]
        );
        assert!(entries[0].is_default());
    }
    assert!(found(&route, "0.0.0.0/0", 254).is_empty());
    let by = |oif| RouteFilter {
        family: Family::V4,
        table: None,
        oif: Some(oif),
    };
    let by_veth = route.routes(&by(index)).unwrap();
    assert!(by_veth.iter().all(|entry| entry.oif == Some(index)));
    assert_eq!(by_veth.iter().filter(|entry| entry.is_default()).count(), 2);
    assert!(route.routes(&by(other)).unwrap().is_empty());
}

#[test]
fn a_missing_table_is_empty_and_a_missing_link_an_error() {
    let (route, ..) = network();
    for family in [Family::V4, Family::V6] {
        assert_eq!(route.routes(&in_table(family, 4711)).unwrap(), []);
        let filter = RouteFilter {
            family,
            table: None,
            oif: Some(4000),
        };
        assert!(route.routes(&filter).unwrap_err().is_not_found());
    }
}

#[test]
fn the_modes_differ_in_what_they_accept() {
    let (route, ..) = network();
    let first = via("192.0.2.0/24", "10.0.0.1");
    let second = via("192.0.2.0/24", "10.0.0.3");
    route.execute(first.add()).unwrap();
    assert!(route.execute(second.add()).unwrap_err().is_exists());
    let added = |new: NewRoute| {
        route.execute(
            NewRoute {
                mode: RouteMode::Add,
                ..new
            }
            .add(),
        )
    };
    assert!(added(first).unwrap_err().is_exists(), "the very same route");
    added(second).unwrap();
    let gateways = |dst| {
        let entries = found(&route, dst, 254);
        entries
            .into_iter()
            .map(|entry| entry.gateway.unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        gateways("192.0.2.0/24"),
        [address("10.0.0.3"), address("10.0.0.1")]
    );
    let last = NewRoute {
        mode: RouteMode::Append,
        ..via("192.0.2.0/24", "10.0.0.5")
    };
    route.execute(last.add()).unwrap();
    assert_eq!(
        gateways("192.0.2.0/24"),
        ["10.0.0.3", "10.0.0.1", "10.0.0.5"].map(address)
    );
    route.execute(last.delete()).unwrap();
    let third = via("192.0.2.0/24", "10.0.0.4");
    route
        .execute(
            NewRoute {
                mode: RouteMode::Replace,
                ..third
            }
            .add(),
        )
        .unwrap();
    assert_eq!(
        gateways("192.0.2.0/24"),
        [address("10.0.0.4"), address("10.0.0.1")]
    );
}

#[test]
fn ipv6_routes_with_gateways_become_one_with_several_hops() {
    let (route, index, _pair) = network();
    for gateway in ["fd00::1", "fd00::3"] {
        let new = NewRoute {
            mode: RouteMode::Add,
            ..via("2001:db8::/64", gateway)
        };
        route.execute(new.add()).unwrap();
    }
    let entries = found(&route, "2001:db8::/64", 254);
    let [entry] = entries.as_slice() else {
        panic!("{entries:?}")
    };
    let mut gateways: Vec<_> = entry
        .nexthops
        .iter()
        .filter_map(|hop| hop.gateway)
        .collect();
    gateways.sort();
    assert_eq!(gateways, [address("fd00::1"), address("fd00::3")]);
    assert!(entry.leaves_by(index) && entry.gateway.is_none());
    let filter = RouteFilter {
        family: Family::V6,
        table: None,
        oif: Some(index),
    };
    assert!(
        route
            .routes(&filter)
            .unwrap()
            .iter()
            .any(|found| found.dst == entry.dst)
    );
}

#[test]
fn deleting_finds_the_route_whoever_made_it() {
    let (route, index, _pair) = network();
    // The kernel made this one, of scope link, when the address was added.
    let connected = NewRoute {
        oif: Some(index),
        ..to("10.0.0.0/24")
    };
    assert_eq!(found(&route, "10.0.0.0/24", 254)[0].scope, SCOPE_LINK);
    route.execute(connected.delete()).unwrap();
    let error = route.execute(connected.delete()).unwrap_err();
    assert!(error.is_not_found(), "{error}");
    let expected = format!("delete route 10.0.0.0/24 on link {index}: no such process");
    assert!(error.to_string().starts_with(&expected), "{error}");
}

#[test]
fn host_routes_onlink_gateways_and_host_bits_are_accepted() {
    let (route, index, _pair) = network();
    let scoped = NewRoute {
        oif: Some(index),
        scope: Some(SCOPE_HOST),
        ..to("10.0.5.5/32")
    };
    route.execute(scoped.add()).unwrap();
    assert_eq!(found(&route, "10.0.5.5/32", 254)[0].scope, SCOPE_HOST);
    let unreachable = NewRoute {
        oif: Some(index),
        ..via("198.51.100.7/24", "172.16.0.1")
    };
    assert!(route.execute(unreachable.add()).is_err());
    route
        .execute(
            NewRoute {
                onlink: true,
                ..unreachable
            }
            .add(),
        )
        .unwrap();
    assert_eq!(found(&route, "198.51.100.0/24", 254).len(), 1);
}

#[test]
fn families_must_agree_before_anything_is_sent() {
    let error = private()
        .execute(via("10.0.0.0/8", "fd00::1").add())
        .unwrap_err();
    assert!(matches!(error.cause, RequestError::Invalid(_)));
    assert_eq!(
        error.to_string(),
        "add route 10.0.0.0/8 via fd00::1: \
         address family of fd00::1 differs from the destination's, 10.0.0.0"
    );
}

#[test]
fn the_route_to_an_address_is_looked_up() {
    let (route, index, _pair) = network();
    for (near, far) in [("10.0.0.9", "192.0.2.1"), ("fd00::9", "2001:db8::1")] {
        let direct = route.route_to(address(near)).unwrap().unwrap();
        assert_eq!(
            (direct.oif, direct.gateway, direct.table),
            (Some(index), None, 254)
        );
        assert_eq!(route.route_to(address(far)).unwrap(), None);
    }
    let default = via("0.0.0.0/0", "10.0.0.1");
    route.execute(default.add()).unwrap();
    let entry = route.route_to(address("192.0.2.1")).unwrap().unwrap();
    assert_eq!(
        (entry.oif, entry.gateway),
        (Some(index), Some(address("10.0.0.1")))
    );
    assert_eq!(entry.source, Some(address("10.0.0.2")));
    let entry = route.entry_for(address("192.0.2.1")).unwrap().unwrap();
    assert!(entry.is_default(), "the entry itself: {entry:?}");
    assert_eq!((entry.oif, entry.table), (Some(index), 254));
    let entry = route.entry_for(address("10.0.0.9")).unwrap().unwrap();
    assert_eq!(entry.dst, "10.0.0.0/24".parse().unwrap());
    assert_eq!(route.entry_for(address("2001:db8::1")).unwrap(), None);
}
