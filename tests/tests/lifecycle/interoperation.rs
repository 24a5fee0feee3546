//! Ferrule and the Go plugin on one node: each continues the work of the other.

use ferrule_testkit::{Call, Host, assert_same};
use ferrule_tests::{Network, answers_at_once, with_prev_result};

use crate::lifecycle::{leases, without_bridge};

/// The call of our plugin or of the Go plugin.
fn call(host: &Host, network: &Network, whose: &str) -> Call {
    match whose {
        "ours" => network.call(host, "c1"),
        _ => network.peer_call(host, "c1"),
    }
}

ferrule_testkit::test! {
    /// ADD by one, CHECK and DEL by the other, in every version that both support.
    fn check_and_del_by_the_other_implementation(host, first in ["ours", "theirs"]) needs [PeerPlugins] {
        let second = if first == "ours" { "theirs" } else { "ours" };
        // The Go plugins wait for duplicate address detection, or leave it running.
        host.exec("sysctl -q -w net.ipv6.conf.default.accept_dad=0").succeeds();
        for plugin in ["bridge", "ptp"] {
            for version in ["0.2.0", "0.3.1", "0.4.0", "1.0.0"] {
                let network = Network::of(plugin).version(version);
                let before = without_bridge(host);
                let container = host.netns("c1");
                let result = call(host, &network, first).add().succeeds().json();
                assert!(container.ping("10.1.2.1") && container.ping("fd00:1:2::1"), "{plugin} {version}");
                let next = call(host, &network, second).config(with_prev_result(&network.config, &result));
                if ["0.4.0", "1.0.0"].contains(&version) {
                    next.check().succeeds();
                }
                next.del().succeeds();
                assert!(!container.has_link("eth0"));
                assert_eq!(leases(), [""; 0]);
                call(host, &network, first).del().succeeds();
                container.remove();
                assert_same(&before, &without_bridge(host));
            }
            let _ = host.exec("ip link delete cni0");
        }
    }
}

ferrule_testkit::test! {
    /// Containers of both share a bridge and an address range.
    fn both_share_a_bridge(host, first in ["ours", "theirs"]) needs [PeerPlugins] {
        let network = Network::bridge().version("1.0.0");
        let add = |container: &str, ours: bool| {
            let namespace = host.netns(container);
            let call = if ours { network.call(host, container) } else { network.peer_call(host, container) };
            call.add().succeeds();
            namespace
        };
        let one = add("c1", first == "ours");
        let two = add("c2", first != "ours");
        assert!(one.ping("10.1.2.3") && two.ping("fd00:1:2::2"));
        assert_eq!(leases(), ["10.1.2.2", "10.1.2.3", "fd00:1:2::2", "fd00:1:2::3"]);
    }
}

ferrule_testkit::test! {
    /// An attachment of the Go plugin is found by the previous result, also if the namespace is
    /// gone or the link renamed.
    fn links_of_the_go_plugin_are_found(host, plugin in ["bridge", "ptp"]) needs [PeerPlugins] {
        let network = Network::of(plugin).version("1.0.0");
        let before = without_bridge(host);
        for change in ["path gone", "renamed", "other namespace"] {
            let container = host.netns("c1");
            let result = network.peer_call(host, "c1").add().succeeds().json();
            let mut process = container.start("sleep 60");
            let call = network.call(host, "c1").config(with_prev_result(&network.config, &result));
            match change {
                "path gone" => container.remove(),
                "renamed" => {
                    container.ip("link set eth0 down");
                    container.ip("link set eth0 name net7");
                }
                _ => {
                    container.remove();
                    host.netns("c1");
                }
            }
            call.del().succeeds();
            let links = host.ip_json("link show type veth");
            assert_eq!(links.as_array().unwrap().len(), 0, "{change}: {links}");
            assert_eq!(leases(), [""; 0]);
            process.kill();
            process.wait();
            if change != "path gone" {
                container.remove();
            }
        }
        assert_same(&before, &without_bridge(host));
    }
}

ferrule_testkit::test! {
    /// An address of another container that resembles that of the previous result is not confused
    /// with it.
    fn links_of_the_go_plugin_are_not_confused(host) needs [PeerPlugins] {
        let network = Network::bridge().version("1.0.0");
        let container = host.netns("c1");
        let mut result = network.peer_call(host, "c1").add().succeeds().json();
        result["interfaces"][1]["mac"] = serde_json::json!("02:00:00:00:00:01");
        let call = network.call(host, "c1").netns("/run/netns/none");
        call.config(with_prev_result(&network.config, &result)).del().succeeds();
        assert!(answers_at_once(&container, "10.1.2.1"));
    }
}
