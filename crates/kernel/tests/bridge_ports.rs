//! What a bridge keeps about its ports.

use crate::lab::{another, bridge, link, pair, private, veth};
use ferrule_kernel::{PortSettings, PortState, VethPair, set_port};

#[test]
fn a_link_joins_a_bridge_and_is_configured_by_one_message() {
    let (route, netns) = (private(), another());
    let bridge = bridge(&route, "br0");
    let port = pair(&route, &netns, "veth0", "eth0").here;
    assert_eq!(port.port, None);
    let settings = PortSettings {
        master: Some(bridge.index),
        hairpin: Some(true),
        isolated: Some(true),
    };
    route.execute(set_port(port.index, settings)).unwrap();
    let joined = link(&route, "veth0");
    assert_eq!(joined.master, Some(bridge.index));
    assert_eq!(
        joined.port,
        Some(PortState {
            hairpin: true,
            isolated: true
        })
    );

    let settings = PortSettings {
        hairpin: Some(false),
        ..PortSettings::default()
    };
    route.execute(set_port(port.index, settings)).unwrap();
    let changed = link(&route, "veth0").port;
    assert_eq!(
        changed,
        Some(PortState {
            hairpin: false,
            isolated: true
        })
    );
}

#[test]
fn options_of_a_link_that_is_no_port_are_an_error() {
    let (route, netns) = (private(), another());
    let index = pair(&route, &netns, "veth0", "eth0").here.index;
    let settings = PortSettings {
        hairpin: Some(true),
        ..PortSettings::default()
    };
    let error = route.execute(set_port(index, settings)).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with(&format!("set bridge port {index} hairpin on: "))
    );
}

#[test]
fn a_port_of_a_bridge_that_does_not_filter_has_no_vlans_of_its_own() {
    let (route, netns) = (private(), another());
    let master = bridge(&route, "br0").index;
    let index = pair(&route, &netns, "veth0", "eth0").here.index;
    let settings = PortSettings {
        master: Some(master),
        ..PortSettings::default()
    };
    route.execute(set_port(index, settings)).unwrap();
    let vlans = route.port_vlans(index).unwrap();
    assert!(vlans.iter().all(|vlan| vlan.vid == 1), "{vlans:?}");
}

#[test]
fn the_ports_of_a_bridge_are_listed_and_nothing_else() {
    let (route, netns) = (private(), another());
    let (first, second) = (bridge(&route, "br0"), bridge(&route, "br1"));
    for (number, master) in [
        Some(first.index),
        Some(second.index),
        None,
        Some(first.index),
    ]
    .into_iter()
    .enumerate()
    {
        let (name, peer) = (format!("veth{number}"), format!("eth{number}"));
        let pair = VethPair {
            master,
            ..veth(&name, &peer, &netns)
        };
        route.execute(pair.create()).unwrap();
    }
    let names = |master| {
        let ports = route.ports(master).unwrap();
        ports.into_iter().map(|port| port.name).collect::<Vec<_>>()
    };
    assert_eq!(names(first.index), ["veth0", "veth3"]);
    assert_eq!(names(second.index), ["veth1"]);
    assert_eq!(names(link(&route, "veth2").index), [""; 0]);
}
