use proptest::prelude::*;

use super::*;
use crate::v4::reply::ReplyKind;

/// An answer with these options besides those of a lease of a minute.
fn answer(options: &[(u8, &[u8])]) -> Reply {
    let lease: [(u8, &[u8]); 2] = [
        (code::SUBNET_MASK, &[255, 255, 255, 0]),
        (code::LIFE, &[0, 0, 0, 60]),
    ];
    let all = lease.iter().chain(options);
    Reply {
        kind: ReplyKind::Ack,
        server: [10, 0, 0, 1].into(),
        address: [10, 0, 0, 9].into(),
        options: all
            .map(|(code, content)| (*code, content.to_vec()))
            .collect(),
    }
}

fn asking(request: &[u8]) -> ClientOptions {
    ClientOptions {
        request: request.to_vec(),
        ..ClientOptions::default()
    }
}

fn granted(options: &[(u8, &[u8])], request: &[u8]) -> Lease {
    lease(&answer(options), &asking(request), Duration::ZERO).unwrap()
}

/// The routes as text: destination, router, scope.
fn routes(options: &[(u8, &[u8])], request: &[u8]) -> Vec<String> {
    let text = |route: &Route| {
        let router = route.gw.map(|router| format!(" via {router}"));
        let scope = route.scope.map(|scope| format!(" scope {scope}"));
        [Some(route.dst.to_string()), router, scope]
            .into_iter()
            .flatten()
            .collect()
    };
    granted(options, request).routes.iter().map(text).collect()
}

#[test]
fn address_and_router() {
    let lease = granted(&[(3, &[10, 0, 0, 1, 10, 0, 0, 2])], &[3, 1]);
    assert_eq!(lease.address, "10.0.0.9/24".parse().unwrap());
    assert_eq!(lease.gateway, Some("10.0.0.1".parse().unwrap()));
    assert_eq!(lease.server, IpAddr::from([10, 0, 0, 1]));
    assert_eq!(
        routes(&[(3, &[10, 0, 0, 1])], &[3, 1]),
        ["0.0.0.0/0 via 10.0.0.1"]
    );
    // Three bytes are no address.
    assert_eq!(granted(&[(3, &[10, 0, 0])], &[3, 1]).gateway, None);
}

#[test]
fn what_was_not_asked_for_does_not_count() {
    let all: [(u8, &[u8]); 7] = [
        (3, &[10, 0, 0, 1]),
        (6, &[10, 0, 0, 1]),
        (15, b"example.org"),
        (26, &[5, 120]),
        (33, &[10, 5, 0, 0, 10, 0, 0, 2]),
        (121, &[0, 10, 0, 0, 3]),
        (249, &[0, 10, 0, 0, 4]),
    ];
    let lease = granted(&all, &[1]);
    assert_eq!((lease.gateway, lease.routes.len()), (None, 0));
    assert!(lease.dns.is_empty());
    let lease = granted(&all, &[3, 6, 15]);
    assert_eq!(lease.routes.len(), 1);
    assert_eq!(lease.routes[0].mtu, 0);
    assert_eq!(lease.dns.nameservers, Some(vec!["10.0.0.1".to_owned()]));
    assert_eq!(lease.dns.domain, "example.org");
}

#[test]
fn answers_without_a_usable_address_grant_nothing() {
    let refused = |address: [u8; 4], mask: &[u8]| {
        let mut reply = answer(&[(code::SUBNET_MASK, mask)]);
        reply.address = address.into();
        lease(&reply, &asking(&[1]), Duration::ZERO).unwrap_err()
    };
    let mask = [255, 255, 255, 0];
    for address in [
        [0, 0, 0, 0],
        [0, 1, 2, 3],
        [127, 0, 0, 1],
        [224, 0, 0, 1],
        [240, 0, 0, 1],
        [255, 255, 255, 255],
    ] {
        let expected = Unusable::Address(address.into());
        assert_eq!(refused(address, &mask), expected);
    }
    for mask in [&[255, 0, 255, 0][..], &[0; 4], &[255; 3], &[255; 5], &[]] {
        assert_eq!(refused([10, 0, 0, 9], mask), Unusable::Mask);
    }
    let none = lease(&answer(&[(51, &[0; 4])]), &asking(&[1]), Duration::ZERO);
    assert_eq!(none.unwrap_err(), Unusable::Life);
}

#[test]
fn classless_routes_replace_all_others() {
    let others: [(u8, &[u8]); 2] = [(3, &[10, 0, 0, 1]), (33, &[10, 5, 0, 0, 10, 0, 0, 2])];
    let classless = [
        0, 10, 0, 0, 3, // default
        12, 172, 16, 10, 0, 0, 4, // a prefix that ends within a byte
        32, 10, 9, 8, 7, 0, 0, 0, 0, // on the link
    ];
    let all = [&others[..], &[(121, &classless)]].concat();
    let expected = [
        "0.0.0.0/0 via 10.0.0.3",
        "172.16.0.0/12 via 10.0.0.4",
        "10.9.8.7/32 via 0.0.0.0 scope 253",
    ];
    assert_eq!(routes(&all, &[121, 33, 3, 1]), expected);
    let microsoft = [&others[..], &[(249, &classless)]].concat();
    assert_eq!(routes(&microsoft, &[249, 33, 3, 1]), expected);
    // The gateway of the address is the router all the same.
    let lease = granted(&all, &[121, 3, 1]);
    assert_eq!(lease.gateway, Some("10.0.0.1".parse().unwrap()));
}

#[test]
fn malformed_classless_routes_count_as_absent() {
    for malformed in [
        &[][..],
        &[33, 10, 0, 0, 0, 0, 10, 0, 0, 1],
        &[24, 10, 0, 0, 10, 0, 0],
        &[24, 10],
        &[0, 10, 0, 0, 3, 99],
        &[0, 224, 0, 0, 1],
    ] {
        let all: [(u8, &[u8]); 2] = [(3, &[10, 0, 0, 1]), (121, malformed)];
        assert_eq!(
            routes(&all, &[121, 3, 1]),
            ["0.0.0.0/0 via 10.0.0.1"],
            "{malformed:?}"
        );
    }
}

#[test]
fn routes_by_class_come_before_the_default_one() {
    let pairs = [
        9, 0, 0, 0, 10, 0, 0, 2, // class A
        172, 16, 0, 0, 10, 0, 0, 3, // class B
        192, 168, 5, 0, 10, 0, 0, 4, // class C
        1, 2, 3, // cut off
    ];
    let expected = [
        "9.0.0.0/8 via 10.0.0.2",
        "172.16.0.0/16 via 10.0.0.3",
        "192.168.5.0/24 via 10.0.0.4",
        "0.0.0.0/0 via 10.0.0.1",
    ];
    let all: [(u8, &[u8]); 2] = [(3, &[10, 0, 0, 1]), (33, &pairs)];
    assert_eq!(routes(&all, &[33, 3, 1]), expected);
}

#[test]
fn metric_and_mtu_are_those_of_every_route() {
    let client = ClientOptions {
        priority: 7,
        ..asking(&[26, 33, 3, 1])
    };
    let all: [(u8, &[u8]); 3] = [
        (3, &[10, 0, 0, 1]),
        (26, &[5, 120]),
        (33, &[9, 0, 0, 0, 10, 0, 0, 2]),
    ];
    let lease = lease(&answer(&all), &client, Duration::ZERO).unwrap();
    assert_eq!(lease.routes.len(), 2);
    assert!(
        lease
            .routes
            .iter()
            .all(|r| (r.priority, r.mtu) == (7, 1400))
    );
    // Less than IPv4 works with.
    let small = granted(&[(3, &[10, 0, 0, 1]), (26, &[0, 67])], &[26, 3]);
    assert_eq!(small.routes[0].mtu, 0);
}

#[test]
fn names_that_do_not_fit_into_a_resolvers_file_are_left_out() {
    let domain = |text: &[u8]| granted(&[(15, text)], &[15]).dns.domain;
    assert_eq!(domain(b"example.org\0"), "example.org");
    assert_eq!(domain(b"example.org."), "example.org");
    for text in [&b"a\nnameserver 6.6.6.6"[..], b"a b", b"\xff", b"", b"$(x)"] {
        assert_eq!(domain(text), "", "{text:?}");
    }
    // "eng.example.org" and, by a pointer to its fourth byte, "example.org".
    let search = b"\x03eng\x07example\x03org\x00\xc0\x04";
    let found = granted(&[(119, search)], &[119]).dns.search;
    assert_eq!(
        found,
        Some(vec!["eng.example.org".to_owned(), "example.org".to_owned()])
    );
    assert_eq!(granted(&[(119, b"\xc0\x00")], &[119]).dns.search, None);
}

proptest! {
    /// Whatever a server sends, the lease is one that a host can have, or there is none.
    #[test]
    fn any_options_are_survived(
        address: [u8; 4],
        options in prop::collection::btree_map(any::<u8>(), prop::collection::vec(any::<u8>(), 0..300), 0..40),
        request: Vec<u8>,
    ) {
        let mut reply = answer(&[]);
        reply.address = address.into();
        reply.options.extend(options);
        if let Ok(lease) = lease(&reply, &asking(&request), Duration::ZERO) {
            prop_assert!(is_host(address.into()));
            prop_assert!(lease.address.prefix() > 0);
            prop_assert!(lease.dns.domain.is_empty() || is_domain(&lease.dns.domain));
        }
    }

    #[test]
    fn any_routes_are_survived(bytes: Vec<u8>) {
        for route in classless_routes(&bytes).unwrap_or_default() {
            prop_assert!(route.dst.prefix() <= 32 && route.gw.is_some());
        }
    }
}
