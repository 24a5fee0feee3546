//! Links of various kinds in a real kernel. Few test machines have the drivers of ipvlan, vlan and
//! dummy: on others these tests run on the lab kernel.

use crate::lab::{another, link, mac, pair, private};
use ferrule_kernel::{
    DriverSettings, Dummy, IpVlanMode, Ipvlan, LinkChange, MacVlanMode, Macvlan, NewLink,
    RtnlSocket, Vlan, Vrf,
};

const BRIDGE: Macvlan = Macvlan {
    mode: MacVlanMode::Bridge,
    broadcast_queue: None,
};

ferrule_testkit::test! {
    fn a_macvlan_is_created_in_another_namespace(_host) needs [Macvlan] {
        let (route, netns) = (private(), another());
        let parent = pair(&route, &netns, "parent", "wire").here;
        let macvlan = Macvlan {
            mode: MacVlanMode::Vepa,
            broadcast_queue: Some(2222),
        };
        let new = NewLink {
            parent: Some(parent.index),
            netns: Some(netns.fd()),
            mtu: Some(1400),
            mac: Some(mac("02:00:00:00:00:07")),
            up: true,
            ..NewLink::named("eth0")
        };
        route.execute(macvlan.create(&new)).unwrap();

        assert!(route.link_by_name("eth0").unwrap().is_none());
        let born = link(&netns.run(RtnlSocket::open).unwrap().unwrap(), "eth0");
        assert!(born.is_kind("macvlan"));
        assert_eq!(born.settings, Some(DriverSettings::Macvlan(macvlan)));
        assert_eq!((born.mtu, born.mac, born.up), (1400, new.mac, true));
        assert_eq!(born.peer_index, Some(parent.index));
        assert!(born.link_netnsid.is_some());
    }
}

ferrule_testkit::test! {
    fn a_macvlan_follows_its_master_and_is_removed_with_it(_host) needs [Macvlan] {
        let (route, netns) = (private(), another());
        let parent = pair(&route, &netns, "parent", "wire").here;
        let modes = [MacVlanMode::Private, MacVlanMode::Bridge];
        for (name, mode) in ["mv0", "mv1"].into_iter().zip(modes) {
            let new = NewLink {
                parent: Some(parent.index),
                ..NewLink::named(name)
            };
            let macvlan = Macvlan { mode, ..BRIDGE };
            route.execute(macvlan.create(&new)).unwrap();
            let born = link(&route, name);
            let Some(DriverSettings::Macvlan(read)) = born.settings else {
                panic!("{born:?}")
            };
            assert_eq!(read.mode, mode);
            assert_eq!(
                (born.mtu, born.up, born.link_netnsid),
                (parent.mtu, false, None)
            );
        }
        let taken = NewLink {
            parent: Some(parent.index),
            ..NewLink::named("mv0")
        };
        assert!(
            route
                .execute(BRIDGE.create(&taken))
                .unwrap_err()
                .is_exists()
        );
        route.delete_link(parent.index).unwrap();
        assert!(route.link_by_name("mv0").unwrap().is_none());
    }
}

ferrule_testkit::test! {
    fn a_driver_probe_creates_no_link(_host) needs [Macvlan] {
        let (route, netns) = (private(), another());
        let before = route.links().unwrap().len();
        for kind in ["macvlan", "veth", "bridge"] {
            assert!(route.has_driver(kind).unwrap(), "{kind}");
        }
        assert!(!route.has_driver("no-such-kind").unwrap());
        assert_eq!(route.links().unwrap().len(), before);
        drop(netns);
    }
}

ferrule_testkit::test! {
    fn an_ipvlan_shares_the_address_of_its_master(_host) needs [Ipvlan] {
        let (route, netns) = (private(), another());
        let parent = pair(&route, &netns, "parent", "wire").here;
        let remote = netns.run(RtnlSocket::open).unwrap().unwrap();
        for mode in [IpVlanMode::L2, IpVlanMode::L3, IpVlanMode::L3S] {
            let ipvlan = Ipvlan { mode };
            let new = NewLink {
                parent: Some(parent.index),
                netns: Some(netns.fd()),
                ..NewLink::named("eth0")
            };
            route.execute(ipvlan.create(&new)).unwrap();
            let born = link(&remote, "eth0");
            assert_eq!(born.settings, Some(DriverSettings::Ipvlan(ipvlan)));
            assert_eq!((born.mac, born.mtu), (parent.mac, parent.mtu));
            remote.delete_link(born.index).unwrap();
        }
        assert!(route.has_driver("ipvlan").unwrap());
    }
}

ferrule_testkit::test! {
    fn a_vlan_id_is_unique_on_its_master(_host) needs [Vlan8021q] {
        let (route, netns) = (private(), another());
        let parent = pair(&route, &netns, "parent", "wire").here;
        let vlan = Vlan { id: 4094 };
        let new = |name| NewLink {
            parent: Some(parent.index),
            netns: Some(netns.fd()),
            mtu: Some(1400),
            ..NewLink::named(name)
        };
        route.execute(vlan.create(&new("eth0"))).unwrap();
        let born = link(&netns.run(RtnlSocket::open).unwrap().unwrap(), "eth0");
        assert_eq!(born.settings, Some(DriverSettings::Vlan(vlan)));
        assert_eq!(born.mtu, 1400);
        let again = route.execute(vlan.create(&new("eth1"))).unwrap_err();
        assert!(again.is_exists(), "{again}");
        assert!(route.has_driver("vlan").unwrap());
    }
}

ferrule_testkit::test! {
    fn a_dummy_has_no_master(_host) needs [Dummy] {
        let (route, netns) = (private(), another());
        assert!(route.has_driver("dummy").unwrap());
        let new = NewLink {
            netns: Some(netns.fd()),
            mac: Some(mac("02:00:00:00:00:07")),
            ..NewLink::named("eth0")
        };
        route.execute(Dummy.create(&new)).unwrap();
        assert!(route.link_by_name("eth0").unwrap().is_none());
        let born = link(&netns.run(RtnlSocket::open).unwrap().unwrap(), "eth0");
        assert!(born.is_kind("dummy"));
        assert_eq!((born.mac, born.peer_index), (new.mac, None));
    }
}

ferrule_testkit::test! {
    fn a_vrf_has_a_table_and_ports(_host) needs [Vrf] {
        let (route, netns) = (private(), another());
        let port = pair(&route, &netns, "port", "wire").here;
        let vrf = Vrf { table: 70_000 };
        let new = NewLink { up: true, ..NewLink::named("red") };
        route.execute(vrf.create(&new)).unwrap();
        assert!(route.execute(vrf.create(&new)).unwrap_err().is_exists());
        let born = link(&route, "red");
        assert!(born.is_kind(Vrf::KIND) && born.up);
        assert_eq!(born.settings, Some(DriverSettings::Vrf(vrf)));
        assert_eq!(route.ports(born.index).unwrap(), []);
        route.execute(LinkChange::new(port.index).master(born.index).message()).unwrap();
        let ports = route.ports(born.index).unwrap();
        assert_eq!(ports.iter().map(|link| link.index).collect::<Vec<_>>(), [port.index]);
        route.execute(LinkChange::new(port.index).no_master().message()).unwrap();
        assert_eq!(link(&route, "port").master, None);
    }
}
