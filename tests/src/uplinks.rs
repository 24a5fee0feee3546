//! A container with two uplinks.

use std::thread::sleep;
use std::time::Duration;

use ferrule_testkit::{Call, Container, Host, Namespace};
use serde_json::Value;

/// Addresses that both routers have. Only the router of the right interface has a route back, so an
/// answer shows which interface a packet left by.
pub const TARGETS: [&str; 2] = ["192.0.2.1", "2001:db8::1"];

/// A container with the interfaces `eth0`, which has the default routes, and `net1`. Each is connected
/// to a router of its own, which has routes back to the addresses of this interface alone.
///
/// The container has `10.0.N.5/24` and `fd00:N::5/64`, the routers have 1 in place of 5.
#[derive(Debug)]
pub struct Uplinks<'h> {
    /// The host of all three.
    pub host: &'h Host,
    /// The container, `c1`.
    pub container: Container,
    /// The routers.
    pub routers: [Container; 2],
}

impl<'h> Uplinks<'h> {
    /// Makes the container and the routers.
    ///
    /// # Panics
    /// When the neighbours do not reach each other.
    #[must_use]
    pub fn new(host: &'h Host) -> Self {
        let container = host.netns("c1");
        let routers = [(0, "eth0"), (1, "net1")].map(|(number, name)| {
            let router = host.netns(&format!("r{number}"));
            host.ip(format!(
                "link add {name} netns c1 type veth peer name up0 netns r{number}"
            ));
            for (namespace, link, last) in [(&container, name, 5), (&router, "up0", 1)] {
                namespace.ip(format!("address add 10.0.{number}.{last}/24 dev {link}"));
                namespace.ip(format!(
                    "address add fd00:{number}::{last}/64 dev {link} nodad"
                ));
                namespace.ip(format!("link set {link} up"));
            }
            router.ip("link set lo up");
            for target in TARGETS {
                router.ip(format!("address add {target} dev lo"));
                assert!(answers_soon(&router, target));
            }
            assert!(answers_soon(&router, &format!("fd00:{number}::5")));
            assert!(answers_soon(&container, &format!("fd00:{number}::1")));
            router
        });
        container.ip("route add default via 10.0.0.1");
        container.ip("-6 route add default via fd00:0::1");
        Self {
            host,
            container,
            routers,
        }
    }

    /// This call, about the interface `net1` of the container.
    pub fn about_net1(&self, call: Call, config: &Value) -> Call {
        call.container("c1")
            .netns(&self.container)
            .ifname("net1")
            .config(config)
    }

    /// The routes of both families out of `net1` that `ip route show` selects by these words,
    /// without the link-local ones of the kernel.
    pub fn routes(&self, selector: &str) -> Vec<String> {
        // A table without routes does not exist: `ip` fails.
        let show = |family: u8| {
            let words = format!("ip -{family} route show {selector} dev net1");
            self.container.exec(words).stdout
        };
        let both = show(4) + &show(6);
        let ours = both.lines().filter(|line| !line.starts_with("fe80::/64"));
        ours.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect()
    }

    /// Whether packets from this address, interface or VRF are answered.
    #[must_use]
    pub fn is_answered(&self, source: &str, target: &str) -> bool {
        let words = [
            "ping", "-n", "-q", "-c", "1", "-i", "0.2", "-w", "2", "-I", source, target,
        ];
        self.container.exec(words).status.success()
    }
}

/// Pings until an answer comes: the kernel adds the local routes of IPv6 in the background, and a
/// ping before that fails at once.
fn answers_soon(from: &Namespace, address: &str) -> bool {
    (0..300).any(|_| {
        sleep(Duration::from_millis(5));
        from.ping(address)
    })
}
