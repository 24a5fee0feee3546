//! The network that servers and containers share.

use std::time::{Duration, Instant};

use ferrule_testkit::{Container, Host};

/// The bridge `lan0` on the host, whose ports are servers and containers.
#[derive(Debug)]
pub struct Segment<'h> {
    /// The host it is on.
    pub host: &'h Host,
}

impl<'h> Segment<'h> {
    /// Makes the bridge.
    pub fn new(host: &'h Host) -> Self {
        host.ip("link add lan0 type bridge");
        host.ip("link set lan0 up");
        Self { host }
    }

    /// Gives a namespace the interface `eth0` on the segment, up if so wanted.
    pub fn connect(&self, namespace: &Container, port: &str, up: bool) {
        let path = namespace.path().display();
        self.host.ip(format!(
            "link add {port} type veth peer name eth0 netns {path}"
        ));
        self.host.ip(format!("link set {port} master lan0 up"));
        // IPv6 addresses are usable at once.
        let _ = namespace.exec("sysctl -q net.ipv6.conf.eth0.accept_dad=0");
        if up {
            namespace.ip("link set eth0 up");
        }
    }

    /// A container with `eth0` on the segment, which is down as a plugin leaves it.
    pub fn container(&self, name: &str) -> Container {
        let container = self.host.netns(name);
        self.connect(&container, &format!("p-{name}"), false);
        container
    }

    /// A namespace for a server with this address on `eth0`.
    pub fn machine(&self, name: &str, addresses: &[&str]) -> Container {
        let machine = self.host.netns(name);
        machine.ip("link set lo up");
        self.connect(&machine, &format!("p-{name}"), true);
        for address in addresses {
            machine.ip(format!("address add {address} dev eth0"));
        }
        machine
    }

    /// Cuts a namespace off, or joins it again.
    pub fn join(&self, name: &str, joined: bool) {
        let state = if joined { "up" } else { "down" };
        self.host.ip(format!("link set p-{name} {state}"));
    }
}

/// Waits until something holds.
///
/// # Panics
/// When it does not within the time.
#[track_caller]
pub fn wait_until(what: &str, seconds: u64, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    while !holds() {
        assert!(Instant::now() < deadline, "not {what} within {seconds} s");
        std::thread::sleep(Duration::from_millis(20));
    }
}
