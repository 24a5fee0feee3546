//! Networks of other plugins whose addresses are leased: judged by packets.

use ferrule_testkit::{Call, Container, Host, assert_same};
use ferrule_tests::dhcp::message::RELEASE;
use ferrule_tests::dhcp::{Daemon, Message, Pool, Segment, Server, ServerKind, wait_until};
use ferrule_tests::with_prev_result;
use serde_json::{Value, json};

use crate::dhcp::client::address;

/// A server, and on the host a way to its segment.
pub(crate) struct Lan {
    pub(crate) server: Server,
}

impl Lan {
    pub(crate) fn new(host: &Host, kind: ServerKind, pool: Pool) -> Self {
        let segment = Segment::new(host);
        let server = Server::start(&segment, "s1", kind, pool);
        // What links of their own are put on.
        host.ip("link add wire0 type veth peer name p-wire");
        host.ip("link set p-wire master lan0 up");
        host.ip("link set wire0 up");
        Self { server }
    }

    /// The configuration of a network of this plugin on the segment.
    pub(crate) fn config(plugin: &str) -> Value {
        let mut config = json!({
            "cniVersion": "1.1.0", "name": "net", "type": plugin, "ipam": { "type": "dhcp" },
        });
        match plugin {
            "bridge" => config["bridge"] = json!("lan0"),
            _ => config["master"] = json!("wire0"),
        }
        config
    }
}

pub(crate) fn call(host: &Host, config: &Value, container: &Container) -> Call {
    let plugin = config["type"].as_str().unwrap();
    let call = host
        .plugin(plugin)
        .container("c1")
        .netns(container)
        .ifname("eth0");
    call.config(config)
}

ferrule_testkit::test! {
    /// A pod on a leased address reaches the network as soon as ADD has returned, keeps its lease
    /// over several lives, and DEL of the plugin that delegates releases it while the interface still
    /// has it.
    fn a_pod_keeps_its_lease_until_del(host, plugin in ["bridge", "macvlan", "ipvlan"] => needs_of)
        needs [Tool("dhcpd")] {
        let lan = Lan::new(host, ServerKind::Isc, Pool::new(10));
        let _daemon = Daemon::start_with(host, if plugin == "ipvlan" { "-broadcast" } else { "" });
        let container = host.netns("c1");
        let config = Lan::config(plugin);
        let call = call(host, &config, &container);
        let before = host.snapshot().ignoring(&["/run/cni/dhcp", "lan0", "wire0"]);
        let result = call.add().succeeds().json();
        let leased = address(&result);
        assert!(ferrule_tests::answers_at_once(&container, "10.9.0.1"));
        assert_eq!(container.addresses("eth0"), [format!("{leased}/24")]);
        assert_eq!(container.ip_json("route show default")[0]["gateway"], "10.9.0.1");
        std::thread::sleep(std::time::Duration::from_secs(14));
        let with_result = call.clone().config(with_prev_result(&config, &result));
        with_result.check().succeeds();
        assert!(lan.server.holds(&leased));
        assert!(ferrule_tests::answers_at_once(&container, "10.9.0.1"));
        let capture = lan.server.machine.capture();
        with_result.del().succeeds();
        let of = |frame: &_| Message::of(frame).is_some_and(|message| message.kind() == RELEASE);
        let release = capture.wait_for(std::time::Duration::from_secs(10), of).and_then(|frame| Message::of(&frame));
        assert_eq!(release.unwrap().source.to_string(), leased);
        wait_until("released", 10, || lan.server.leases().is_empty() && lan.server.releases(&leased) == 1);
        assert!(!container.has_link("eth0"));
        assert_same(&before, &host.snapshot().ignoring(&["/run/cni/dhcp", "lan0", "wire0"]));
    }
}

fn needs_of(plugin: &str) -> &'static [ferrule_testkit::Need] {
    match plugin {
        "macvlan" => &[ferrule_testkit::Need::Macvlan],
        "ipvlan" => &[ferrule_testkit::Need::Ipvlan],
        _ => &[],
    }
}

ferrule_testkit::test! {
    /// Each server hears the release that DEL of the plugin before causes.
    fn every_server_hears_the_release(host, kind in ["dnsmasq", "dhcpd", "kea-dhcp4"])
        needs [Tool("dnsmasq"), Tool("dhcpd"), Tool("kea-dhcp4")] {
        let lan = Lan::new(host, ServerKind::of(kind), Pool::new(3600));
        let _daemon = Daemon::start(host);
        let container = host.netns("c1");
        let call = call(host, &Lan::config("bridge"), &container);
        let leased = address(&call.add().succeeds().json());
        assert!(lan.server.holds(&leased));
        call.del().succeeds();
        wait_until("released", 10, || lan.server.leases().is_empty());
        assert_eq!(lan.server.releases(&leased), 1, "{}", lan.server.log());
    }
}

ferrule_testkit::test! {
    /// An ADD that fails after the lease gives it back.
    fn a_failed_add_releases(host) needs [Tool("dnsmasq")] {
        // The gateway that bridge is to get is the server's own: the port's address is taken.
        let lan = Lan::new(host, ServerKind::Dnsmasq, Pool::new(3600).with("--dhcp-option=option:router"));
        let _daemon = Daemon::start(host);
        let container = host.netns("c1");
        container.ip("link add eth0 type veth peer name other");
        let call = call(host, &Lan::config("bridge"), &container);
        call.add().fails();
        wait_until("released", 10, || lan.server.leases().is_empty());
        assert_eq!(ferrule_tests::dhcp::held_leases(host), json!([]));
    }
}

ferrule_testkit::test! {
    /// Without a server the whole ADD fails and leaves the node as it was.
    fn no_server_leaves_no_link(host, plugin in ["bridge", "macvlan"] => needs_of) {
        let segment = Segment::new(host);
        host.ip("link add wire0 type veth peer name p-wire");
        host.ip("link set p-wire master lan0 up");
        host.ip("link set wire0 up");
        let _daemon = Daemon::start_with(host, "-timeout 1s -resendmax 1s -resendtimeout 3s");
        let container = host.netns("c1");
        let call = call(segment.host, &Lan::config(plugin), &container);
        let before = host.snapshot().ignoring(&["/run/cni/dhcp"]);
        call.add().fails();
        assert_same(&before, &host.snapshot().ignoring(&["/run/cni/dhcp"]));
        assert!(!container.has_link("eth0"));
    }
}

ferrule_testkit::test! {
    /// A changed address on renewal reaches the pod: it goes on talking with the new one.
    fn a_pod_moves_to_its_new_address(host) needs [Tool("kea-dhcp4")] {
        let mut lan = Lan::new(host, ServerKind::Kea, Pool::new(10).range(100, 110));
        let _daemon = Daemon::start(host);
        let container = host.netns("c1");
        let config = Lan::config("bridge");
        let call = call(host, &config, &container);
        let result = call.add().succeeds().json();
        let leased = address(&result);
        lan.server.forget();
        lan.server.pool = lan.server.pool.clone().range(150, 160);
        lan.server.start_again();
        wait_until("moved", 40, || {
            let now = container.addresses("eth0");
            now.len() == 1 && now[0] != format!("{leased}/24")
        });
        wait_until("reached", 10, || container.ping("10.9.0.1"));
        assert_eq!(container.ip_json("route show default").as_array().unwrap().len(), 1);
        call.config(with_prev_result(&config, &result)).del().succeeds();
        wait_until("released", 10, || lan.server.leases().is_empty());
    }
}

ferrule_testkit::test! {
    /// A router outside the leased network, as a relay's: it is the gateway, and reached on the link.
    fn a_router_outside_the_network(host) needs [Tool("dnsmasq"), Macvlan] {
        let pool = Pool::new(3600)
            .with("--dhcp-option-force=121,172.30.0.1/32,0.0.0.0,0.0.0.0/0,172.30.0.1");
        let lan = Lan::new(host, ServerKind::Dnsmasq, pool);
        lan.server.machine.ip("address add 172.30.0.1/32 dev eth0");
        let _daemon = Daemon::start(host);
        let container = host.netns("c1");
        let mut config = Lan::config("macvlan");
        config["ipam"]["request"] = json!([{ "option": "121" }]);
        let call = call(host, &config, &container);
        call.add().succeeds();
        let default = container.ip_json("route show default");
        assert_eq!(default[0]["gateway"], "172.30.0.1", "{default}");
        assert!(ferrule_tests::answers_at_once(&container, "172.30.0.1"));
        call.del().succeeds();
        wait_until("released", 10, || lan.server.leases().is_empty());
    }
}
