//! Routes and addresses that are made again, in a real kernel.

use crate::lab::{another, ip, pair, private};
use ferrule_kernel::{Family, RouteCopy, RouteFilter, RtnlSocket};

/// The routes of a link in a table, as iproute2 shows them without the table.
fn shown(table: u32) -> String {
    let one = |family: &str| ip(&format!("-{family} route show table {table} dev veth0"));
    one("4") + &one("6")
}

fn copies(route: &RtnlSocket, index: u32) -> Vec<RouteCopy> {
    let mut all = Vec::new();
    for family in [Family::V4, Family::V6] {
        let (table, oif) = (Some(254), Some(index));
        all.extend(
            route
                .route_copies(&RouteFilter { family, table, oif })
                .unwrap(),
        );
    }
    all.sort_by_key(RouteCopy::needs_others);
    all
}

#[test]
fn routes_are_the_same_in_another_table() {
    let (route, netns) = (private(), another());
    let index = pair(&route, &netns, "veth0", "eth0").here.index;
    for words in [
        "address add 10.0.0.2/24 dev veth0",
        "address add fd00::2/64 dev veth0 nodad",
        "route add default via 10.0.0.1 metric 7 mtu lock 1400 advmss 1360 initcwnd 20",
        "route add 192.0.2.0/24 via 203.0.113.1 dev veth0 onlink src 10.0.0.2 proto static",
        "route add 198.51.100.0/24 dev veth0 tos 0x10 realm 5",
        "-6 route add default via fd00::1 dev veth0 pref high",
        "-6 route add fd01::/64 via fd00::1 dev veth0 expires 100",
        "-6 route add fd02::/64 nexthop via fd00::5 dev veth0 weight 3 nexthop via fd00::6 dev veth0",
    ] {
        ip(words);
    }
    let (before, all) = (shown(254), copies(&route, index));
    // Of v4 four, of v6 the prefixes of both addresses beside the four.
    assert_eq!(all.len(), 9, "{before}");
    for copy in &all {
        route.execute(copy.add_to(1000)).unwrap();
        assert!(route.execute(copy.add_to(1000)).unwrap_err().is_exists());
    }
    let without_time = |text: String| {
        text.replace(" expires 99sec", "")
            .replace(" expires 100sec", "")
    };
    assert_eq!(without_time(shown(1000)), without_time(before.clone()));
    assert!(shown(1000).contains("expires"), "{}", shown(1000));

    for copy in &all {
        route.execute(copy.delete_from(254)).unwrap();
        assert!(
            route
                .execute(copy.delete_from(254))
                .unwrap_err()
                .is_not_found()
        );
    }
    assert_eq!(shown(254), "");
    for copy in &all {
        route.execute(copy.add_to(254)).unwrap();
    }
    assert_eq!(without_time(shown(254)), without_time(before));
}

#[test]
fn addresses_come_back_with_peer_and_lifetime() {
    let (route, netns) = (private(), another());
    let index = pair(&route, &netns, "veth0", "eth0").here.index;
    ip("address add fd00::2 peer fd00::1/64 dev veth0");
    ip("address add fd01::2/64 dev veth0 valid_lft 9000 preferred_lft 500 noprefixroute");
    ip("address add 10.0.0.2 peer 10.0.0.1/32 dev veth0 label veth0:1");
    let all = route.address_copies(index, None).unwrap();
    assert_eq!(all.len(), 4); // one is the kernel's own, link-local
    ip("address flush dev veth0");
    for copy in &all {
        route.execute(copy.add()).unwrap();
        assert!(route.execute(copy.add()).unwrap_err().is_exists());
    }
    let shown = ip("address show dev veth0");
    for text in [
        "inet 10.0.0.2 peer 10.0.0.1/32 scope global veth0:1",
        "inet6 fd00::2 peer fd00::1/64 scope global nodad",
        "inet6 fd01::2/64 scope global nodad dynamic noprefixroute",
        "inet6 fe80::",
    ] {
        assert!(shown.contains(text), "{text} in {shown}");
    }
    assert!(
        !shown.contains("tentative")
            && !shown.contains("fd01::2/64 scope global nodad noprefixroute"),
        "{shown}"
    );
}
