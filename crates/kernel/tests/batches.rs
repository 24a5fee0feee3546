//! Several changes at once.

use std::net::Ipv4Addr;

use crate::lab::{bridge, link, private};
use ferrule_kernel::{Bridge, Errno, Family, IpNetwork, LinkChange, LinkSelector, NewAddress};

fn new(name: &str) -> Bridge<'_> {
    Bridge {
        name,
        mtu: None,
        mac: None,
        vlan_filtering: false,
    }
}

#[test]
fn a_link_is_created_and_configured_in_one_send() {
    let route = private();
    let mut batch = route.batch();
    assert!(batch.is_empty());
    batch
        .add(new("br0").create())
        .add(LinkChange::of_name("br0").mtu(1400).up().message())
        .add(LinkChange::of_name("lo").up().message());
    batch.run().unwrap();
    assert_eq!(
        (link(&route, "br0").mtu, link(&route, "br0").up),
        (1400, true)
    );
    assert!(link(&route, "lo").up);
}

#[test]
fn the_first_failure_is_named_and_the_conversation_goes_on() {
    let route = private();
    let mut batch = route.batch();
    batch
        .add(new("br0").create())
        .add(new("br1").create())
        .add(new("br0").create())
        .add(LinkChange::new(4000).up().message())
        .add(new("br2").create());
    let error = batch.run().unwrap_err();
    assert_eq!(
        (error.message, error.errno()),
        (Some(2), Some(Errno::EEXIST))
    );
    assert!(
        error
            .to_string()
            .starts_with("create bridge \"br0\": file exists (os error 17)")
    );
    // The kernel does not stop at a failure, and no reply is left over for the next question.
    for name in ["br0", "br1", "br2"] {
        assert_eq!(link(&route, name).name, name);
    }
}

#[test]
fn links_are_looked_up_as_the_changes_left_them() {
    let route = private();
    let lo = link(&route, "lo").index;
    let mut batch = route.batch();
    batch
        .add(new("br0").create())
        .add(LinkChange::of_name("br0").mtu(1400).message())
        .add(new("br0").create().unless_made());
    let sought = [
        LinkSelector::Name("br0"),
        LinkSelector::Name("br1"),
        LinkSelector::Index(lo),
        LinkSelector::Index(4000),
    ];
    let [made, absent, by_index, no_index] = batch.run_and_look_up(sought).unwrap();
    assert_eq!(made.unwrap().mtu, 1400);
    assert_eq!((absent, no_index), (None, None));
    assert_eq!(by_index.unwrap().name, "lo");
    // The change of an earlier message goes on being made, the later ones' failure is told.
    let mut batch = route.batch();
    batch
        .add(new("br1").create())
        .add(new("br0").create())
        .add(LinkChange::new(4000).up().message());
    let error = batch
        .run_and_look_up([LinkSelector::Name("br1")])
        .unwrap_err();
    assert_eq!(
        (error.message, error.errno()),
        (Some(1), Some(Errno::EEXIST))
    );
    assert_eq!(link(&route, "br1").name, "br1");
    let too_long = route.link_by_name(&"x".repeat(300)).unwrap_err();
    assert!(too_long.to_string().starts_with("look up link"));
}

#[test]
fn batches_larger_than_one_send_arrive_whole() {
    let route = private();
    let index = bridge(&route, "br0").index;
    let address = |number: u32| NewAddress {
        index,
        address: IpNetwork::new(Ipv4Addr::from(0x0a00_0000 + number).into(), 32).unwrap(),
        nodad: false,
    };
    let mut batch = route.batch();
    for number in 1..=300 {
        batch.add(address(number).message());
    }
    batch.run().unwrap();
    assert_eq!(route.addresses(index, Some(Family::V4)).unwrap().len(), 300);

    let mut batch = route.batch();
    for number in 302..=450 {
        batch.add(address(number).message());
    }
    batch.add(address(300).message());
    let error = batch.run().unwrap_err();
    assert!(error.is_exists(), "{error}");
    assert_eq!(error.message, Some(149));
}

#[test]
fn listings_longer_than_one_datagram_arrive_whole() {
    let route = private();
    let names: Vec<_> = (0..120).map(|number| format!("br{number}")).collect();
    let mut batch = route.batch();
    for name in &names {
        batch.add(new(name).create());
    }
    batch.run().unwrap();
    let found: Vec<_> = route
        .links()
        .unwrap()
        .into_iter()
        .map(|link| link.name)
        .collect();
    assert_eq!(found[0], "lo");
    assert_eq!(found[1..], names);
}

#[test]
fn an_empty_batch_is_carried_out() {
    private().batch().run().unwrap();
}
