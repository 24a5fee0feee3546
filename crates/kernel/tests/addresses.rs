//! Addresses in a real kernel.

use crate::lab::{another, bridge, ip, pair, private};
use ferrule_kernel::{Errno, Family, IpNetwork, NewAddress, RtnlSocket};

fn add(route: &RtnlSocket, index: u32, address: &str, nodad: bool) {
    let address = address.parse().unwrap();
    route
        .execute(
            NewAddress {
                index,
                address,
                nodad,
            }
            .message(),
        )
        .unwrap();
}

fn listed(route: &RtnlSocket, index: u32, family: Option<Family>) -> Vec<IpNetwork> {
    let addresses = route.addresses(index, family).unwrap().into_iter();
    let chosen_by_us = addresses.filter(|found| found.scope == 0);
    chosen_by_us.map(|found| found.address).collect()
}

fn networks(texts: &[&str]) -> Vec<IpNetwork> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn addresses_are_listed_by_link_and_family() {
    let route = private();
    let (first, second) = (bridge(&route, "br0").index, bridge(&route, "br1").index);
    add(&route, first, "10.1.2.3/24", false);
    add(&route, first, "fd00::3/64", true);
    add(&route, second, "10.9.9.9/32", false);
    assert_eq!(
        listed(&route, first, None),
        networks(&["10.1.2.3/24", "fd00::3/64"])
    );
    assert_eq!(
        listed(&route, first, Some(Family::V4)),
        networks(&["10.1.2.3/24"])
    );
    assert_eq!(
        listed(&route, first, Some(Family::V6)),
        networks(&["fd00::3/64"])
    );
    assert_eq!(listed(&route, second, None), networks(&["10.9.9.9/32"]));
    let shown = ip("-4 -o addr show dev br0");
    assert!(
        shown.contains("inet 10.1.2.3/24 brd 10.1.2.255 scope global br0"),
        "{shown}"
    );
    let shown = ip("-4 -o addr show dev br1");
    assert!(
        shown.contains("inet 10.9.9.9/32 scope global br1"),
        "{shown}"
    );
}

#[test]
fn a_missing_link_is_not_a_link_without_addresses() {
    let route = private();
    for family in [None, Some(Family::V4), Some(Family::V6)] {
        let error = route.addresses(4000, family).unwrap_err();
        assert!(error.is_not_found(), "{family:?}: {error}");
        assert!(
            error
                .to_string()
                .starts_with("list addresses of link 4000: no such device")
        );
    }
}

#[test]
fn an_address_is_added_once_and_deleted_twice() {
    let route = private();
    let index = bridge(&route, "br0").index;
    for text in ["10.1.2.3/24", "fd00::3/64"] {
        let address = text.parse().unwrap();
        add(&route, index, text, true);
        let again = NewAddress {
            index,
            address,
            nodad: true,
        }
        .message();
        assert!(route.execute(again).unwrap_err().is_exists());
        assert!(route.delete_address(index, address).unwrap());
        assert!(!route.delete_address(index, address).unwrap());
        assert!(!route.delete_address(4000, address).unwrap());
    }
    assert!(listed(&route, index, None).is_empty());
}

#[test]
fn without_duplicate_detection_an_address_is_usable_at_once() {
    let (route, netns) = (private(), another());
    let index = pair(&route, &netns, "veth0", "eth0").here.index;
    add(&route, index, "fd00::1/64", true);
    add(&route, index, "fd00::2/64", false);
    let addresses = route.addresses(index, Some(Family::V6)).unwrap();
    let flags = |text: &str| {
        let wanted: IpNetwork = text.parse().unwrap();
        addresses
            .iter()
            .find(|found| found.address == wanted)
            .unwrap()
            .flags
    };
    assert!(!flags("fd00::1/64").tentative && flags("fd00::1/64").permanent);
    assert!(flags("fd00::2/64").tentative && !flags("fd00::2/64").dad_failed);
}

#[test]
fn impossible_addresses_are_refused_with_a_reason() {
    let route = private();
    let address = "10.0.0.1/24".parse().unwrap();
    let message = NewAddress {
        index: 4000,
        address,
        nodad: false,
    }
    .message();
    let error = route.execute(message).unwrap_err();
    assert_eq!(error.errno(), Some(Errno::ENODEV));
    assert!(
        error
            .to_string()
            .starts_with("add address 10.0.0.1/24 to link 4000: no such device")
    );
}
