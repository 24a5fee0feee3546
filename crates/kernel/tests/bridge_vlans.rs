//! VLANs of bridge ports. Few kernels of test machines filter by VLAN; elsewhere these tests run on
//! the lab kernel.

use crate::lab::{another, link, pair, private, veth};
use ferrule_kernel::link::bridge_vlan::{add_vlans, delete_vlans};
use ferrule_kernel::{
    Bridge, Errno, LinkChange, Netns, PortSettings, PortVlan, RtnlSocket, VethPair, VlanFlags,
    set_port,
};

/// VLAN 1 as every new port has it, and VLANs chosen for an access port and for a trunk.
const ACCESS: VlanFlags = VlanFlags {
    pvid: true,
    untagged: true,
};
const TAGGED: VlanFlags = VlanFlags {
    pvid: false,
    untagged: false,
};

/// Gives a filtering bridge one port, whose other end is in `netns`; the port's index.
fn port(route: &RtnlSocket, netns: &Netns) -> u32 {
    route
        .execute(
            Bridge {
                name: "br0",
                mtu: None,
                mac: None,
                vlan_filtering: true,
            }
            .create(),
        )
        .unwrap();
    route
        .execute(LinkChange::of_name("br0").up().message())
        .unwrap();
    let bridge = link(route, "br0");
    assert_eq!(bridge.vlan_filtering, Some(true));
    let pair = VethPair {
        master: Some(bridge.index),
        ..veth("veth0", "eth0", netns)
    };
    route.execute(pair.create()).unwrap();
    link(route, "veth0").index
}

fn numbers(vlans: &[PortVlan]) -> Vec<u16> {
    vlans.iter().map(|vlan| vlan.vid).collect()
}

ferrule_testkit::test! {
    fn an_access_port_carries_one_vlan_untagged(_host) needs [BridgeVlanFiltering] {
        let (route, netns) = (private(), another());
        let index = port(&route, &netns);
        assert_eq!(
            route.port_vlans(index).unwrap(),
            [PortVlan {
                vid: 1,
                flags: ACCESS
            }]
        );
        let mut batch = route.batch();
        batch
            .add(delete_vlans(index, &[1]))
            .add(add_vlans(index, &[100], ACCESS));
        batch.run().unwrap();
        assert_eq!(
            route.port_vlans(index).unwrap(),
            [PortVlan {
                vid: 100,
                flags: ACCESS
            }]
        );
    }
}

ferrule_testkit::test! {
    fn a_trunk_carries_many_vlans_tagged(_host) needs [BridgeVlanFiltering] {
        let (route, netns) = (private(), another());
        let index = port(&route, &netns);
        let trunk: Vec<u16> = (10..=20).chain([4094]).collect();
        route.execute(add_vlans(index, &trunk, TAGGED)).unwrap();
        let vlans = route.port_vlans(index).unwrap();
        assert_eq!(numbers(&vlans), [&[1], trunk.as_slice()].concat());
        assert!(vlans[1..].iter().all(|vlan| vlan.flags == TAGGED));
        route.execute(delete_vlans(index, &trunk[1..])).unwrap();
        assert_eq!(numbers(&route.port_vlans(index).unwrap()), [1, 10]);
    }
}

ferrule_testkit::test! {
    fn all_vlans_at_once_are_one_message(_host) needs [BridgeVlanFiltering] {
        let (route, netns) = (private(), another());
        let index = port(&route, &netns);
        let every: Vec<u16> = (1..=4094).collect();
        route.execute(add_vlans(index, &every, TAGGED)).unwrap();
        assert_eq!(numbers(&route.port_vlans(index).unwrap()), every);
        route.execute(delete_vlans(index, &every)).unwrap();
        assert_eq!(route.port_vlans(index).unwrap(), []);
    }
}

ferrule_testkit::test! {
    fn vlans_of_other_ports_are_left_out(_host) needs [BridgeVlanFiltering] {
        let (route, netns) = (private(), another());
        let index = port(&route, &netns);
        let other = pair(&route, &netns, "veth1", "eth1").here.index;
        let master = Some(link(&route, "br0").index);
        let settings = PortSettings {
            master,
            ..PortSettings::default()
        };
        route.execute(set_port(other, settings)).unwrap();
        route.execute(add_vlans(other, &[200], TAGGED)).unwrap();
        assert_eq!(numbers(&route.port_vlans(index).unwrap()), [1]);
        assert_eq!(numbers(&route.port_vlans(other).unwrap()), [1, 200]);
    }
}

ferrule_testkit::test! {
    fn what_is_not_there_is_told(_host) needs [BridgeVlanFiltering] {
        let (route, netns) = (private(), another());
        let index = port(&route, &netns);
        route.execute(delete_vlans(index, &[300])).unwrap();
        assert!(route.port_vlans(4000).unwrap_err().is_not_found());
        let error = route.execute(add_vlans(4000, &[5], TAGGED)).unwrap_err();
        assert!(error.is_not_found());
        assert!(
            error
                .to_string()
                .starts_with("add VLAN 5 to port 4000: no such device"),
            "{error}"
        );
        let loopback = 1;
        assert_eq!(
            route.port_vlans(loopback).unwrap_err().errno(),
            Some(Errno::EINVAL)
        );
    }
}
