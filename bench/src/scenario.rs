//! The scenarios: configurations of single plugins, and how they are measured.

use std::fmt::Write;
use std::thread::sleep;
use std::time::{Duration, Instant};

use ferrule_kernel::{Netns, RtnlSocket};
use ferrule_testkit::{Container, Host};
use serde_json::{Value, json};

use crate::implementation::Implementation;
use crate::measure::{Run, median};
use crate::ports;

/// ADD and DEL of one configuration by both implementations.
pub(crate) struct Scenario {
    /// Its name in the report.
    pub(crate) name: &'static str,
    /// The plugins it needs; an implementation without them is not measured.
    plugins: &'static [&'static str],
    /// The configuration for an implementation.
    config: fn(&Implementation, &str) -> Value,
    /// Number of addresses that are reserved before.
    leases: u32,
    /// Whether ADD creates a link, whose removal by the kernel is most of a DEL.
    link: bool,
    /// The highest allowed ratio to the other implementation for ADD and for DEL.
    budget: [Option<f64>; 2],
}

/// The medians of one scenario: for ADD and DEL, of both implementations.
pub(crate) struct Measured {
    pub(crate) name: &'static str,
    /// What the report calls the two: [`VERBS`], or what a runtime does.
    pub(crate) verbs: [&'static str; 2],
    pub(crate) medians: [[Duration; 2]; 2],
    /// Time of the kernel to start the executable and to remove the link.
    pub(crate) floor: Option<Duration>,
    pub(crate) budget: [Option<f64>; 2],
}

/// What is measured of a plugin.
pub(crate) const VERBS: [&str; 2] = ["ADD", "DEL"];

/// Pause before a removal is timed. The kernel still works on what was created or removed before
/// (grace periods, deferred work), and a removal waits for that: without the pause the faster
/// implementation would pay for the work of the slower one.
const SETTLING: Duration = Duration::from_millis(50);

/// Two ticks of a kernel with 250 per second, in microseconds.
const TWO_TICKS: u64 = 8000;

/// Pauses before a removal. Grace periods and sleeps end at ticks, so pauses of equal length would
/// favour an implementation that starts right after one.
fn settle(round: usize) {
    let part = u64::try_from(round).unwrap_or_default() * 617 % TWO_TICKS;
    sleep(SETTLING + Duration::from_micros(part));
}

/// One end of a pair on the host, the master of macvlan links.
pub(crate) const MASTER: &str = "master0";

/// Everything that is measured, in the order of the report.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "loopback",
        plugins: &["loopback"],
        config: loopback,
        leases: 0,
        link: false,
        budget: [Some(0.35), None],
    },
    Scenario {
        name: "bridge",
        plugins: &["bridge", "host-local"],
        config: bridge,
        leases: 0,
        link: true,
        budget: [Some(0.25), None],
    },
    Scenario {
        name: "ptp",
        plugins: &["ptp", "host-local"],
        config: ptp,
        leases: 0,
        link: true,
        budget: [Some(0.25), None],
    },
    Scenario {
        name: "bridge, masquerade by iptables",
        plugins: &["bridge", "host-local"],
        config: bridge_iptables,
        leases: 0,
        link: true,
        budget: [Some(0.35), None],
    },
    Scenario {
        name: "bridge, masquerade by nftables",
        plugins: &["bridge", "host-local"],
        config: bridge_nftables,
        leases: 0,
        link: true,
        budget: [Some(0.10), None],
    },
    Scenario {
        name: "portmap, 1 port by iptables",
        plugins: &["portmap"],
        config: ports::one_by_iptables,
        leases: 0,
        link: false,
        budget: [Some(0.35), None],
    },
    Scenario {
        name: "portmap, 1 port by nftables",
        plugins: &["portmap"],
        config: ports::one_by_nftables,
        leases: 0,
        link: false,
        budget: [Some(0.15), None],
    },
    Scenario {
        name: "macvlan",
        plugins: &["macvlan", "host-local"],
        config: macvlan,
        leases: 0,
        link: true,
        budget: [Some(0.25), None],
    },
    Scenario {
        name: "host-local",
        plugins: &["host-local"],
        config: host_local,
        leases: 0,
        link: false,
        budget: [None, None],
    },
    Scenario {
        name: "host-local, 10 000 leases held",
        plugins: &["host-local"],
        config: host_local,
        leases: 10_000,
        link: false,
        budget: [Some(0.05), Some(0.05)],
    },
];

pub(crate) fn network(implementation: &Implementation, plugin: &str, what: &str) -> Value {
    json!({ "cniVersion": "1.0.0", "name": format!("{what}-{}", implementation.name), "type": plugin })
}

pub(crate) fn with(mut network: Value, more: Value) -> Value {
    if let (Value::Object(network), Value::Object(more)) = (&mut network, more) {
        network.extend(more);
    }
    network
}

fn ipam() -> Value {
    json!({
        "type": "host-local",
        "ranges": [[{ "subnet": "10.96.0.0/16" }]],
        "routes": [{ "dst": "0.0.0.0/0" }],
    })
}

fn loopback(implementation: &Implementation, what: &str) -> Value {
    network(implementation, "loopback", what)
}

/// A bridge network of its own for each implementation.
pub(crate) fn bridge(implementation: &Implementation, what: &str) -> Value {
    let bridge = format!("br-{}", implementation.name);
    with(
        network(implementation, "bridge", what),
        json!({ "bridge": bridge, "isGateway": true, "ipam": ipam() }),
    )
}

fn bridge_iptables(implementation: &Implementation, what: &str) -> Value {
    let masquerade = json!({ "ipMasq": true, "ipMasqBackend": "iptables" });
    with(bridge(implementation, &format!("{what}i")), masquerade)
}

fn bridge_nftables(implementation: &Implementation, what: &str) -> Value {
    let masquerade = json!({ "ipMasq": true, "ipMasqBackend": "nftables" });
    with(bridge(implementation, &format!("{what}n")), masquerade)
}

fn macvlan(implementation: &Implementation, what: &str) -> Value {
    with(
        network(implementation, "macvlan", what),
        json!({ "master": MASTER, "ipam": ipam() }),
    )
}

fn ptp(implementation: &Implementation, what: &str) -> Value {
    with(
        network(implementation, "ptp", what),
        json!({ "ipam": ipam() }),
    )
}

fn host_local(implementation: &Implementation, what: &str) -> Value {
    with(
        network(implementation, "host-local", what),
        json!({ "ipam": ipam() }),
    )
}

impl Scenario {
    /// The medians of ADD and DEL; an error says why it cannot be measured.
    pub(crate) fn measure(
        &self,
        host: &Host,
        implementations: &[Implementation; 2],
        rounds: usize,
    ) -> Result<Measured, String> {
        ensure_plugins(implementations, self.plugins)?;
        let what = format!("bench{}", self.leases);
        let configs = implementations
            .each_ref()
            .map(|implementation| (self.config)(implementation, &what));
        for config in &configs {
            hold_leases(config, self.leases)?;
        }
        let time = |verb: &str, which: usize, container: &str, netns: &Container| {
            let run = self.run(verb, &configs[which], container, netns);
            match verb {
                "DEL" => run.time_anyway(&implementations[which]),
                _ => run.time(&implementations[which]),
            }
        };
        let mut floor = Vec::new();
        let medians = alternate(host, implementations, rounds, time, |round, used| {
            if !self.link {
                return Ok(());
            }
            let container = format!("kernel-{round}");
            let netns = used.netns(host, &container);
            let run = |verb| self.run(verb, &configs[0], &container, &netns);
            run("ADD").time(&implementations[0])?;
            settle(round);
            // The least that any DEL needs: to start a process and to remove the link.
            floor.push(run("VERSION").time(&implementations[0])? + removal(&netns)?);
            run("DEL").time(&implementations[0]).map(drop)
        })?;
        Ok(Measured {
            name: self.name,
            verbs: VERBS,
            medians,
            floor: median(&mut floor),
            budget: self.budget,
        })
    }

    fn run<'a>(
        &self,
        verb: &'a str,
        config: &'a Value,
        container: &'a str,
        netns: &'a Container,
    ) -> Run<'a> {
        Run {
            plugin: self.plugins[0],
            verb,
            container,
            netns: netns.path(),
            config,
        }
    }
}

/// Fails unless both implementations have these plugins.
pub(crate) fn ensure_plugins(
    implementations: &[Implementation; 2],
    plugins: &[&str],
) -> Result<(), String> {
    for implementation in implementations {
        if let Some(missing) = plugins.iter().find(|plugin| !implementation.has(plugin)) {
            return Err(format!("{} has no {missing}", implementation.name));
        }
    }
    Ok(())
}

/// Runs ADD and DEL of the implementations in turn, each time with a new container, and returns the
/// medians: first ADD, then DEL, of each implementation.
///
/// `time` runs a verb of the implementation at an index for a container. `after_round` runs once per
/// round.
pub(crate) fn alternate(
    host: &Host,
    implementations: &[Implementation; 2],
    rounds: usize,
    time: impl Fn(&str, usize, &str, &Container) -> Result<Duration, String>,
    mut after_round: impl FnMut(usize, &mut Used) -> Result<(), String>,
) -> Result<[[Duration; 2]; 2], String> {
    let mut times: [[Vec<Duration>; 2]; 2] = Default::default();
    let mut used = Used::default();
    // The first round fills caches and creates shared objects, and does not count.
    for round in 0..=rounds {
        for turn in 0..2 {
            let which = (round + turn) % 2;
            let container = format!("c{}-{round}", implementations[which].name);
            let netns = used.netns(host, &container);
            let add = time("ADD", which, &container, &netns)?;
            settle(round);
            let del = time("DEL", which, &container, &netns)?;
            if round > 0 {
                times[0][which].push(add);
                times[1][which].push(del);
            }
        }
        after_round(round, &mut used)?;
    }
    Ok(times.map(|verb| verb.map(|mut times| median(&mut times).unwrap_or_default())))
}

/// Namespaces that are removed together at the end of their scenario, as the kernel defers the work
/// of a removal.
#[derive(Default)]
pub(crate) struct Used(Vec<Container>);

impl Used {
    /// Creates a namespace.
    fn netns(&mut self, host: &Host, name: &str) -> Container {
        let netns = host.netns(name);
        self.0.push(netns.clone());
        netns
    }
}

impl Drop for Used {
    fn drop(&mut self) {
        self.0.iter().for_each(Container::remove);
        sleep(10 * SETTLING);
    }
}

/// Time of the kernel to remove the container's interface.
fn removal(netns: &Container) -> Result<Duration, String> {
    let inside = Netns::open(netns.path()).map_err(|error| error.to_string())?;
    let socket = inside
        .run(RtnlSocket::open)
        .map_err(|error| error.to_string())?;
    let socket = socket.map_err(|error| error.to_string())?;
    let start = Instant::now();
    socket
        .delete_link_by_name("eth0")
        .map_err(|error| error.to_string())?;
    Ok(start.elapsed())
}

/// Writes reservations of a network as its plugins do, from the upper end of the range downwards, so
/// that the next addresses are free.
fn hold_leases(config: &Value, count: u32) -> Result<(), String> {
    if count == 0 {
        return Ok(());
    }
    let network = config["name"].as_str().unwrap_or_default();
    let folder = std::path::Path::new("/var/lib/cni/networks").join(network);
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    for number in 0..count {
        let [high, low] = [number / 250, number % 250];
        let mut address = String::new();
        let _ = write!(address, "10.96.{}.{}", 255 - high, low + 1);
        let content = format!("held-{number}\r\neth0");
        std::fs::write(folder.join(address), content).map_err(|error| error.to_string())?;
    }
    Ok(())
}
