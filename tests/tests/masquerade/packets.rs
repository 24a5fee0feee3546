//! The source address that peers see.

use std::net::{IpAddr, SocketAddr};

use ferrule_testkit::Namespace;
use ferrule_tests::{Attachment, Network, external_host};
use serde_json::json;

use super::{CASES, network};

/// The source address of `client` at a TCP and a UDP server at `address`, which must be the same.
fn seen(server: &Namespace, address: &str, client: &Namespace) -> Result<IpAddr, String> {
    let listen = if address.contains(':') {
        format!("[{address}]:0")
    } else {
        format!("{address}:0")
    };
    let tcp = server.listen_tcp(&listen);
    let udp = server.listen_udp(&listen);
    let text = |error: std::io::Error| error.to_string();
    let by_tcp = tcp.reached_from(client, tcp.address()).map_err(text)?;
    let by_udp = udp.reached_from(client, udp.address()).map_err(text)?;
    let ip = |address: SocketAddr| address.ip();
    assert_eq!(ip(by_tcp), ip(by_udp));
    Ok(ip(by_tcp))
}

fn own(attachment: &Attachment, position: usize) -> IpAddr {
    attachment.address(position).parse().unwrap()
}

ferrule_testkit::test! {
    /// Outside, packets of a container have the host's address; without masquerading there is no
    /// answer.
    fn packets_to_outside_have_the_hosts_address(host, case in CASES) needs [Iptables, Ip6tables, Nftables] {
        let outside = external_host(host);
        let pod = network(case).attach(host, "c1");
        assert_eq!(seen(&outside, "192.0.2.9", &pod.container), Ok("192.0.2.1".parse().unwrap()));
        assert_eq!(seen(&outside, "2001:db8::9", &pod.container), Ok("2001:db8::1".parse().unwrap()));
        pod.detach();

        let plain = network(case).with(json!({ "ipMasq": false }));
        let pod = plain.attach(host, "c2");
        assert!(seen(&outside, "192.0.2.9", &pod.container).is_err());
    }
}

ferrule_testkit::test! {
    /// Within the network addresses are unchanged, also towards the host.
    fn packets_inside_keep_their_address(host, case in CASES) needs [Iptables, Ip6tables, Nftables] {
        let network = network(case);
        let (one, two) = (network.attach(host, "c1"), network.attach(host, "c2"));
        for position in [0, 1] {
            let seen = seen(&two.container, two.address(position), &one.container);
            assert_eq!(seen, Ok(own(&one, position)));
        }
        assert_eq!(seen(host, "10.1.2.1", &one.container), Ok(own(&one, 0)));
    }
}

ferrule_testkit::test! {
    /// Two subnets of one family: packets within each are not masqueraded (upstream masquerades the
    /// second).
    fn two_subnets_of_one_family(host, case in CASES) needs [Iptables, Ip6tables, Nftables] {
        let ranges = json!([[{ "subnet": "10.1.2.0/24" }], [{ "subnet": "10.1.3.0/24" }]]);
        let mut network = network(case);
        network.config["ipam"]["ranges"] = ranges;
        network.config["ipam"]["routes"] = json!([{ "dst": "0.0.0.0/0" }]);
        network.config["isGateway"] = json!(false);
        let (one, two) = (network.attach(host, "c1"), network.attach(host, "c2"));
        for position in [0, 1] {
            let listen = format!("{}:0", two.address(position));
            let server = two.container.listen_udp(&listen);
            let seen = server.reached_from(&one.container, server.address()).unwrap();
            assert_eq!(seen.ip(), own(&one, position));
        }
        one.detach();
        two.detach();
    }
}

ferrule_testkit::test! {
    /// Without `ipMasqBackend` the packet filter is the one that the Go plugins choose: iptables if
    /// it exists.
    fn the_back_end_is_chosen_as_upstream_does(host, plugin in ["bridge", "ptp"]) needs [Iptables, Ip6tables] {
        let outside = external_host(host);
        let pod = Network::of(plugin).with(json!({ "ipMasq": true })).attach(host, "c1");
        assert_eq!(seen(&outside, "192.0.2.9", &pod.container), Ok("192.0.2.1".parse().unwrap()));
        assert!(host.exec(["iptables-save", "-t", "nat"]).stdout.contains("MASQUERADE"));
        pod.detach();
    }
}
