//! A container with two uplinks.

use std::thread::sleep;
use std::time::Duration;

use ferrule_testkit::{Container, Host, Namespace};

/// Addresses that both routers answer for: whether an answer comes back tells which way packets went.
pub const TARGETS: [&str; 2] = ["192.0.2.1", "2001:db8::1"];

/// A container with the interfaces `eth0`, which has the default routes, and `net1`. Each leads to a
/// router of its own, which knows the way back to this interface's addresses alone.
///
/// The container has `10.0.N.5/24` and `fd00:N::5/64`, the routers have 1 in place of 5.
#[derive(Debug)]
pub struct Uplinks {
    /// The container, `c1`.
    pub container: Container,
    /// The routers, which go with this.
    pub routers: [Container; 2],
}

impl Uplinks {
    /// Makes container and routers.
    ///
    /// # Panics
    /// When the neighbours do not reach each other.
    #[must_use]
    pub fn new(host: &Host) -> Self {
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
                assert!(comes_to_answer(&router, target));
            }
            assert!(comes_to_answer(&router, &format!("fd00:{number}::5")));
            assert!(comes_to_answer(&container, &format!("fd00:{number}::1")));
            router
        });
        container.ip("route add default via 10.0.0.1");
        container.ip("-6 route add default via fd00:0::1");
        Self { container, routers }
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

/// The kernel makes the local routes of IPv6 in the background: until then a ping ends at once.
fn comes_to_answer(from: &Namespace, address: &str) -> bool {
    (0..300).any(|_| {
        sleep(Duration::from_millis(5));
        from.ping(address)
    })
}
