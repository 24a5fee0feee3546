//! Start and stop of a pod by a container runtime. The plugins are a part of that time.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use ferrule_testkit::{Container, Containerd, Host, Need, Podman};
use serde_json::json;

use crate::implementation::Implementation;
use crate::scenario::{Measured, alternate, ensure_plugins};

/// A pod takes a second per round: it gets this part of the rounds of a single plugin.
const PART_OF_ROUNDS: usize = 6;

type Measure = fn(&Host, &[Implementation; 2], usize) -> Result<Measured, String>;

/// The runtimes, and how their pods are measured.
pub(crate) const RUNTIMES: [(&str, Measure); 2] =
    [("containerd", of_containerd), ("podman", of_podman)];

/// Measures on a new host, as a runtime leaves state of its own.
///
/// # Errors
/// What is missing, or what the runtime printed.
pub(crate) fn on_own_host(
    measure: Measure,
    implementations: &[Implementation; 2],
    rounds: usize,
) -> Result<Measured, String> {
    let rounds = (rounds / PART_OF_ROUNDS).max(1);
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| measure(&Host::new(), implementations, rounds));
        worker
            .join()
            .unwrap_or_else(|_| Err("the runtime failed, see standard error".to_owned()))
    })
}

/// Pods of containerd on a chain of five plugins.
fn of_containerd(
    host: &Host,
    implementations: &[Implementation; 2],
    rounds: usize,
) -> Result<Measured, String> {
    require(&["containerd", "crun", "curl", "busybox"])?;
    let plugins = [
        "loopback",
        "bridge",
        "host-local",
        "portmap",
        "bandwidth",
        "firewall",
        "tuning",
    ];
    ensure_plugins(implementations, &plugins)?;
    let network = json!({
        "cniVersion": "1.0.0",
        "name": "pods",
        "plugins": [
            { "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true,
              "ipam": { "type": "host-local", "subnet": "10.98.0.0/16",
                        "routes": [{ "dst": "0.0.0.0/0" }] } },
            { "type": "portmap", "capabilities": { "portMappings": true } },
            { "type": "bandwidth", "capabilities": { "bandwidth": true } },
            { "type": "firewall", "backend": "iptables" },
            { "type": "tuning", "sysctl": { "net.core.somaxconn": "500" } },
        ],
    });
    host.write_network("10-pods.conflist", &network);
    let limits = [
        ("kubernetes.io/ingress-bandwidth", "100M"),
        ("kubernetes.io/egress-bandwidth", "100M"),
    ];
    let containerd = Containerd::start(host);
    let id = RefCell::new(String::new());
    let time = |verb: &str, which: usize, name: &str, _: &Container| {
        containerd.use_plugins_of(&implementations[which].folder);
        let start = Instant::now();
        if verb == "ADD" {
            *id.borrow_mut() = containerd.start_pod(name, &[(8080, 80)], &limits)?;
        } else {
            containerd.stop(&id.borrow())?;
            containerd.remove(&id.borrow())?;
        }
        Ok(start.elapsed())
    };
    let medians = alternate(host, implementations, rounds, time, |_, _| Ok(()))?;
    Ok(measured("containerd, pod on a chain of five:", medians))
}

/// Containers of podman on its default network.
fn of_podman(
    host: &Host,
    implementations: &[Implementation; 2],
    rounds: usize,
) -> Result<Measured, String> {
    require(&["podman", "crun", "conmon", "busybox"])?;
    ensure_plugins(
        implementations,
        &["bridge", "host-local", "portmap", "firewall", "tuning"],
    )?;
    let podman = Podman::new(host);
    let time = |verb: &str, which: usize, name: &str, _: &Container| {
        podman.use_plugins_of(&implementations[which].folder);
        let start = Instant::now();
        if verb == "ADD" {
            podman.start(name, "--publish 8080:80");
        } else {
            podman.remove(name);
        }
        Ok(start.elapsed())
    };
    let medians = alternate(host, implementations, rounds, time, |_, _| Ok(()))?;
    Ok(measured(
        "podman, container on its default network:",
        medians,
    ))
}

fn require(tools: &[&'static str]) -> Result<(), String> {
    let missing = tools.iter().find(|tool| !Need::Tool(tool).is_met());
    missing.map_or(Ok(()), |tool| Err(format!("{tool} is not installed")))
}

fn measured(name: &'static str, medians: [[Duration; 2]; 2]) -> Measured {
    Measured {
        name,
        verbs: ["start", "stop"],
        medians,
        floor: None,
        budget: [None, None],
    }
}
