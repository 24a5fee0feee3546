//! Masquerading, judged by packets and by what the tools say of the rules.

mod peers;
mod place;

use std::process::Command;

use cni_types::{Attachment, Attachments};
use ferrule_net::masquerade::{Masquerade, gc, status};
use ferrule_netfilter::Backend;
use ferrule_netfilter::nft::{Family, Nft, Table, Transaction};
use place::{FILTERS, FOUR, Place, SIX, addresses, choose, id, in_network, ruleset};

ferrule_testkit::test! {
    /// What leaves the network has the router as its source, what stays inside does not, and
    /// removing by name ends both.
    fn packets_to_elsewhere_get_the_routers_address(host, filter in FILTERS)
        needs [Nftables, Iptables, Ip6tables] {
        let backend = choose(host, filter);
        let place = Place::new(host);
        let clean = ruleset();
        assert_eq!(place.seen_by("192.0.2.2"), "10.1.2.2");
        let id = id("c", "eth0");
        let used = Masquerade::of(&id).add(Some(backend), &addresses(&[FOUR, SIX])).unwrap();
        assert_eq!(used, backend);
        assert_eq!(place.seen_by("192.0.2.2"), "192.0.2.1");
        assert_eq!(place.seen_by("[fd00:2::2]"), "fd00:2::1");
        assert_eq!(place.seen_by("10.1.2.200"), "10.1.2.2");
        assert_eq!(place.seen_by("[fd00:1::200]"), "fd00:1::2");

        Masquerade::of(&id).remove().unwrap();
        assert_eq!(place.seen_by("192.0.2.2"), "10.1.2.2");
        assert_eq!(place.seen_by("[fd00:2::2]"), "fd00:1::2");
        assert_eq!(ruleset(), clean);
        Masquerade::of(&id).remove().unwrap();
    }
}

ferrule_testkit::test! {
    /// A container with two networks of one family reaches both under its own address (Q8), and
    /// they go together (Q9).
    fn neither_of_two_networks_is_masqueraded_inside_itself(host, filter in FILTERS)
        needs [Nftables, Iptables, Ip6tables] {
        let backend = choose(host, filter);
        let place = Place::new(host);
        let clean = ruleset();
        let id = id("c", "eth0");
        let both = addresses(&["10.9.9.9/24", FOUR]);
        Masquerade::of(&id).add(Some(backend), &both).unwrap();
        assert_eq!(place.seen_by("10.1.2.200"), "10.1.2.2");
        assert_eq!(place.seen_by("192.0.2.2"), "192.0.2.1");
        Masquerade::of(&id).check(Some(backend), &both).unwrap();
        Masquerade::of(&id).remove().unwrap();
        assert_eq!(ruleset(), clean);
    }
}

ferrule_testkit::test! {
    /// Adding again replaces: nothing twice, and nothing of an address that changed.
    fn adding_twice_is_adding_once(host, filter in FILTERS)
        needs [Nftables, Iptables, Ip6tables] {
        let backend = choose(host, filter);
        let id = id("c", "eth0");
        let masquerade = Masquerade::of(&id);
        masquerade.add(Some(backend), &addresses(&[FOUR, SIX])).unwrap();
        let once = ruleset();
        masquerade.add(Some(backend), &addresses(&[FOUR, SIX])).unwrap();
        assert_eq!(ruleset(), once);
        masquerade.add(Some(backend), &addresses(&["10.1.2.77/24", SIX])).unwrap();
        assert_eq!(ruleset(), once.replace("10.1.2.2", "10.1.2.77").replace("10.1.2.770", "10.1.2.20"));
    }
}

ferrule_testkit::test! {
    /// Two interfaces of one container in one network share a chain; one can go alone.
    fn one_of_two_interfaces_goes_alone(host, filter in FILTERS)
        needs [Nftables, Iptables, Ip6tables] {
        let backend = choose(host, filter);
        let place = Place::new(host);
        let clean = ruleset();
        let (first, second) = (id("c", "eth0"), id("c", "net1"));
        Masquerade::of(&first).add(Some(backend), &addresses(&[FOUR])).unwrap();
        let alone = ruleset();
        Masquerade::of(&second).add(Some(backend), &addresses(&["10.9.9.9/24"])).unwrap();
        assert_eq!(place.seen_by("192.0.2.2"), "192.0.2.1");
        Masquerade::of(&second).remove().unwrap();
        assert_eq!(ruleset(), alone);
        Masquerade::of(&second).add(Some(backend), &addresses(&["10.9.9.9/24"])).unwrap();
        Masquerade::of(&first).remove().unwrap();
        assert_eq!(place.seen_by("192.0.2.2"), "10.1.2.2");
        Masquerade::of(&second).check(Some(backend), &addresses(&["10.9.9.9/24"])).unwrap();
        Masquerade::of(&second).remove().unwrap();
        assert_eq!(ruleset(), clean);
    }
}

ferrule_testkit::test! {
    /// CHECK sees every rule go, whichever it is, and says which.
    fn check_names_the_rule_that_is_missing_from_nftables(_host) needs [Nftables] {
        let id = id("c", "eth0");
        let masquerade = Masquerade::of(&id);
        let both = addresses(&[FOUR, SIX]);
        let table = Table::new(Family::Inet, "cni_plugins_masquerade");
        let nft = Nft::open().unwrap();
        let sentences = [
            ("postrouting", 0, "ip daddr 224.0.0.0/4 return"),
            ("postrouting", 1, "ip6 daddr ff00::/8 return"),
            ("postrouting", 2, "goto masq_checks"),
            ("masq_checks", 0, "ip saddr 10.1.2.2 ip daddr != 10.1.2.0/24 masquerade"),
            ("masq_checks", 1, "ip6 saddr fd00:1::2 ip6 daddr != fd00:1::/64 masquerade"),
        ];
        for (chain, place, sentence) in sentences {
            masquerade.add(Some(Backend::Nftables), &both).unwrap();
            masquerade.check(None, &both).unwrap();
            let chain = table.chain(chain);
            let handle = nft.rules(chain).unwrap().get(place).unwrap().handle;
            let mut changes = Transaction::new();
            changes.delete_rule(chain, handle);
            nft.commit(&changes).unwrap();
            let error = masquerade.check(None, &both).unwrap_err().to_string();
            assert_eq!(error, format!("masquerade rule missing in {chain}: {sentence}"));
        }
        let other = addresses(&["10.1.2.2/16"]);
        masquerade.check(Some(Backend::Nftables), &other).unwrap_err();
    }
}

ferrule_testkit::test! {
    fn check_names_the_rule_that_is_missing_from_iptables(host, filter in ["iptables-nft", "iptables-legacy"])
        needs [Nftables, Iptables, Ip6tables] {
        let backend = Some(choose(host, filter));
        let id = id("c", "eth0");
        let masquerade = Masquerade::of(&id);
        let both = addresses(&[FOUR, SIX]);
        let chain = id.chain("CNI-");
        let comment = r#"-m comment --comment "name: \"net\" id: \"c\"""#;
        for (tool, rule) in [
            ("iptables", format!("POSTROUTING -s 10.1.2.2/32 {comment} -j {chain}")),
            ("iptables", format!("{chain} -d 10.1.2.0/24 {comment} -j ACCEPT")),
            ("iptables", format!("{chain} ! -d 224.0.0.0/4 {comment} -j MASQUERADE")),
            ("ip6tables", format!("POSTROUTING -s fd00:1::2/128 {comment} -j {chain}")),
            ("ip6tables", format!("{chain} -d fd00:1::/64 {comment} -j ACCEPT")),
            ("ip6tables", format!("{chain} ! -d ff00::/8 {comment} -j MASQUERADE")),
        ] {
            masquerade.add(backend, &both).unwrap();
            masquerade.check(backend, &both).unwrap();
            masquerade.check(None, &both).unwrap();
            shell(&format!("{tool} -t nat -D {rule}"));
            let error = masquerade.check(backend, &both).unwrap_err().to_string();
            let (place, rule) = rule.split_once(' ').unwrap();
            let expected = format!("masquerade rule missing in chain {place:?} of table nat: {rule}");
            assert_eq!(error, expected);
        }
        // In the wrong order the network itself would be masqueraded.
        masquerade.add(backend, &both).unwrap();
        let accept = format!("{chain} -d 10.1.2.0/24 {comment} -j ACCEPT");
        shell(&format!("iptables -t nat -D {accept}; iptables -t nat -A {accept}"));
        masquerade.check(backend, &both).unwrap_err();
    }
}

ferrule_testkit::test! {
    /// GC takes what is not listed, of its network only: dead containers and dead interfaces.
    fn gc_takes_what_is_not_listed(host, filter in FILTERS)
        needs [Nftables, Iptables, Ip6tables] {
        let backend = Some(choose(host, filter));
        let keep = |pairs: &[(&str, &str)]| -> Attachments {
            pairs
                .iter()
                .map(|(container_id, ifname)| Attachment {
                    container_id: (*container_id).to_owned(),
                    ifname: (*ifname).to_owned(),
                })
                .collect()
        };
        let (live, dead) = (id("live", "eth0"), id("dead", "eth0"));
        let other = in_network("network", "dead", "eth0");
        Masquerade::of(&live).add(backend, &addresses(&[FOUR, SIX])).unwrap();
        Masquerade::of(&other).add(backend, &addresses(&["10.3.3.3/24"])).unwrap();
        let wanted = ruleset();
        Masquerade::of(&dead).add(backend, &addresses(&["10.1.2.9/24", "fd00:1::9/64"])).unwrap();
        let half = id("live", "net1");
        Masquerade::of(&half).add(backend, &addresses(&["10.1.7.7/24"])).unwrap();
        gc("net", &keep(&[("live", "eth0")])).unwrap();
        assert_eq!(sorted(&ruleset()), sorted(&wanted));
        gc("net", &keep(&[("live", "eth0"), ("dead", "eth0")])).unwrap();
        assert_eq!(sorted(&ruleset()), sorted(&wanted));
        gc("net", &keep(&[])).unwrap();
        gc("network", &keep(&[])).unwrap();
        assert_eq!(ruleset(), "");
    }
}

/// Rules of different containers are independent of each other's order.
fn sorted(ruleset: &str) -> Vec<&str> {
    let mut lines: Vec<_> = ruleset.lines().collect();
    lines.sort_unstable();
    lines
}

ferrule_testkit::test! {
    /// Without a back end in the configuration iptables is taken, unless it does not work.
    fn the_default_is_iptables_where_that_works(host) needs [Nftables, Iptables, Ip6tables] {
        choose(host, "iptables-nft");
        let id = id("c", "eth0");
        let masquerade = Masquerade::of(&id);
        for addresses in [addresses(&[FOUR, SIX]), addresses(&[SIX]), addresses(&[FOUR])] {
            assert_eq!(masquerade.add(None, &addresses).unwrap(), Backend::Iptables);
            masquerade.check(None, &addresses).unwrap();
            masquerade.remove().unwrap();
        }
        status(None).unwrap();
        status(Some(Backend::Nftables)).unwrap();

        std::fs::write("/run/broken", "#!/bin/sh\necho broken >&2\nexit 3\n").unwrap();
        shell("chmod +x /run/broken; mount --bind /run/broken /usr/sbin/xtables-nft-multi");
        let error = status(Some(Backend::Iptables)).unwrap_err().to_string();
        assert!(error.ends_with("exit status 3: broken"), "{error}");
        for addresses in [addresses(&[FOUR, SIX]), addresses(&[SIX])] {
            assert_eq!(masquerade.add(None, &addresses).unwrap(), Backend::Nftables);
            masquerade.check(None, &addresses).unwrap();
            masquerade.remove().unwrap();
        }
        status(None).unwrap();
        masquerade.add(Some(Backend::Iptables), &addresses(&[FOUR])).unwrap_err();
    }
}

ferrule_testkit::test! {
    /// Wherever the rules are they are found: in the other back end, in the other variant.
    fn removing_looks_everywhere(host) needs [Nftables, Iptables, Ip6tables] {
        let id = id("c", "eth0");
        let masquerade = Masquerade::of(&id);
        choose(host, "iptables-legacy");
        masquerade.add(Some(Backend::Iptables), &addresses(&[FOUR, SIX])).unwrap();
        masquerade.add(Some(Backend::Nftables), &addresses(&[FOUR, SIX])).unwrap();
        shell("umount /etc/alternatives");
        choose(host, "iptables-nft");
        masquerade.add(Some(Backend::Iptables), &addresses(&[FOUR, SIX])).unwrap();
        // The form of releases before 0.8.
        let chain = id.chain("CNI-");
        shell(&format!("iptables -t nat -A POSTROUTING -s {FOUR} -j {chain}"));
        masquerade.remove().unwrap();
        assert_eq!(ruleset(), "");
    }
}

ferrule_testkit::test! {
    /// What fails half-way leaves nothing.
    fn a_failed_add_leaves_nothing(host) needs [Nftables, Iptables, Ip6tables] {
        choose(host, "iptables-nft");
        std::fs::write("/run/broken", "#!/bin/sh\nexit 3\n").unwrap();
        shell("chmod +x /run/broken; ln -sf /run/broken /etc/alternatives/ip6tables-restore");
        let id = id("c", "eth0");
        let error = Masquerade::of(&id).add(None, &addresses(&[FOUR, SIX])).unwrap_err();
        assert!(error.to_string().contains("ip6tables-restore"), "{error}");
        assert_eq!(ruleset(), "");
    }
}

ferrule_testkit::test! {
    /// Many at once lose nothing and leave nothing.
    fn many_at_once_lose_nothing(host, filter in FILTERS)
        needs [Nftables, Iptables, Ip6tables] {
        let backend = Some(choose(host, filter));
        let all = |work: fn(Masquerade<'_>, Option<Backend>, u8)| {
            std::thread::scope(|scope| {
                for number in 1..=50 {
                    scope.spawn(move || {
                        let id = id(&format!("c{number}"), "eth0");
                        work(Masquerade::of(&id), backend, number);
                    });
                }
            });
        };
        let address = |number: u8| addresses(&[&format!("10.1.2.{number}/24")]);
        all(|masquerade, backend, number| {
            let address = addresses(&[&format!("10.1.2.{number}/24")]);
            masquerade.add(backend, &address).unwrap();
        });
        for number in 1..=50 {
            let id = id(&format!("c{number}"), "eth0");
            Masquerade::of(&id).check(backend, &address(number)).unwrap();
        }
        all(|masquerade, _, _| masquerade.remove().unwrap());
        assert_eq!(ruleset(), "");
    }
}

#[track_caller]
fn shell(command: &str) {
    let status = Command::new("sh").args(["-ec", command]).status().unwrap();
    assert!(status.success(), "{command}");
}
