//! The Go daemon and plugin, side by side with ours.

use std::time::Duration;

use ferrule_tests::dhcp::{
    Daemon, Pool, SOCKET, Segment, Server, ServerKind, held_leases, hexadecimal,
};
use serde_json::json;

use crate::dhcp::client::{Client, config};

ferrule_testkit::test! {
    /// The Go plugin leases from each of the servers, whose files tell so: what the other tests
    /// judge by is not ours alone.
    fn the_go_plugin_leases_from_each_server(host, kind in ["dnsmasq", "dhcpd", "kea-dhcp4"])
        needs [PeerPlugins, Tool("dnsmasq"), Tool("dhcpd"), Tool("kea-dhcp4")] {
        let segment = Segment::new(host);
        let server = Server::start(&segment, "s1", ServerKind::of(kind), Pool::new(120));
        let _daemon = Daemon::start_peer(host, "");
        let client = Client::peer(&segment, "c1", &config("1.0.0", &json!({})));
        let address = client.attach();
        let leases = server.leases();
        assert_eq!(leases.len(), 1, "{leases:?}\n{}", server.log());
        assert_eq!(leases[0].address.to_string(), address);
        // A zero byte and the name of the lease.
        let expected = hexadecimal(b"\0c1/net/eth0");
        assert_eq!(leases[0].client, expected);
        client.call.del().succeeds();
    }
}

ferrule_testkit::test! {
    /// A Go daemon on the socket does not understand our plugin: that is said at once, and DEL leaves
    /// it alone.
    fn a_go_daemon_on_the_socket_is_told(host) needs [PeerPlugins] {
        let segment = Segment::new(host);
        let _daemon = Daemon::start_peer(host, "");
        let client = Client::new(&segment, "c1", &config("1.1.0", &json!({})));
        for outcome in [client.call.add().fails(), client.call.status().fails_with_code(50)] {
            let text = outcome.stdout.to_lowercase();
            assert!(text.contains("daemon") && text.contains(SOCKET), "{outcome}");
            assert!(outcome.elapsed < Duration::from_secs(10), "{outcome}");
        }
        client.call.del().succeeds();
    }
}

ferrule_testkit::test! {
    /// A Go plugin that meets our daemon fails at once and leaves nothing.
    fn a_go_plugin_is_refused(host) needs [PeerPlugins] {
        let segment = Segment::new(host);
        let mut daemon = Daemon::start(host);
        let client = Client::peer(&segment, "c1", &config("1.0.0", &json!({})));
        let outcome = client.call.add().fails();
        assert!(outcome.elapsed < Duration::from_secs(15), "{outcome}");
        assert!(daemon.runs());
        assert_eq!(held_leases(host), json!([]));
    }
}

ferrule_testkit::test! {
    /// A container that the Go daemon leased for keeps its address when ours takes over: the server
    /// knows the client by the same identifier.
    fn an_address_of_the_go_daemon_is_leased_again(host, kind in ["dnsmasq", "dhcpd", "kea-dhcp4"])
        needs [PeerPlugins, Tool("dnsmasq"), Tool("dhcpd"), Tool("kea-dhcp4")] {
        let segment = Segment::new(host);
        let server = Server::start(&segment, "s1", ServerKind::of(kind), Pool::new(120));
        let mut theirs = Daemon::start_peer(host, "");
        let client = Client::peer(&segment, "c1", &config("1.0.0", &json!({})));
        let address = client.lease();
        theirs.kill();
        let _ours = Daemon::start(host);
        let ours = host.plugin("dhcp").container("c1").netns(&client.container).ifname("eth0").config(&client.config);
        assert_eq!(crate::dhcp::client::address(&ours.add().succeeds().json()), address);
        assert_eq!(server.leases().len(), 1);
        ours.del().succeeds();
    }
}
