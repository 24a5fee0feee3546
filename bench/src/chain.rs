//! Chains of five plugins, run as a container runtime runs them.

use std::time::{Duration, Instant};

use ferrule_testkit::Host;
use libcni::cache::Cache;
use libcni::config::NetworkList;
use libcni::{Parameters, Runtime};
use serde_json::{Value, json};

use crate::implementation::Implementation;
use crate::measure::median;
use crate::scenario::{Measured, Used, settle};

const PLUGINS: [&str; 6] = [
    "bridge",
    "host-local",
    "portmap",
    "bandwidth",
    "firewall",
    "tuning",
];

/// A packet filter, with the budgets of ADD and DEL.
pub(crate) struct Chain {
    pub(crate) name: &'static str,
    backend: &'static str,
    budget: [Option<f64>; 2],
}

/// One chain for each packet filter.
pub(crate) const CHAINS: [Chain; 2] = [
    Chain {
        name: "chain of five by iptables",
        backend: "iptables",
        budget: [Some(0.20), Some(0.40)],
    },
    Chain {
        name: "chain of five by nftables",
        backend: "nftables",
        budget: [Some(0.10), Some(0.40)],
    },
];

/// What the kubelet's annotations and a port become: capabilities of the runtime.
fn capabilities() -> serde_json::Map<String, Value> {
    let capabilities = json!({
        "portMappings": [{ "hostPort": 8080, "containerPort": 80, "protocol": "tcp" }],
        "bandwidth": { "ingressRate": 100_000_000, "ingressBurst": 10_000_000,
                       "egressRate": 100_000_000, "egressBurst": 10_000_000 },
    });
    match capabilities {
        Value::Object(map) => map,
        _ => serde_json::Map::new(),
    }
}

impl Chain {
    /// Bridge, a published port, bandwidth limits, firewall and a sysctl.
    fn network(&self, implementation: &Implementation) -> Value {
        let Self { backend, .. } = self;
        json!({
            "cniVersion": "1.0.0",
            "name": format!("chain-{backend}-{}", implementation.name),
            "plugins": [
                { "type": "bridge", "bridge": format!("br-{}", implementation.name), "isGateway": true,
                  "ipMasq": true, "ipMasqBackend": backend,
                  "ipam": { "type": "host-local", "ranges": [[{ "subnet": "10.97.0.0/16" }]],
                            "routes": [{ "dst": "0.0.0.0/0" }] } },
                { "type": "portmap", "backend": backend, "capabilities": { "portMappings": true } },
                { "type": "bandwidth", "capabilities": { "bandwidth": true } },
                { "type": "firewall", "backend": backend },
                { "type": "tuning", "sysctl": { "net.core.somaxconn": "500" } },
            ],
        })
    }

    /// Alternates between the implementations, each time with a fresh container.
    pub(crate) fn measure(
        &self,
        host: &Host,
        implementations: &[Implementation; 2],
        rounds: usize,
    ) -> Result<Measured, String> {
        for implementation in implementations {
            if let Some(missing) = PLUGINS.iter().find(|plugin| !implementation.has(plugin)) {
                return Err(format!("{} has no {missing}", implementation.name));
            }
        }
        if self.backend == "nftables" && !implementations.iter().all(Implementation::knows_nftables)
        {
            return Err("one implementation knows no nftables".to_owned());
        }
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let mut networks = Vec::new();
        for implementation in implementations {
            let network = self.network(implementation).to_string();
            networks.push(NetworkList::from_bytes(network.as_bytes()).map_err(|e| text(&e))?);
        }
        let mut times: [[Vec<Duration>; 2]; 2] = Default::default();
        let mut used = Used::default();
        // The first round fills caches and makes what is shared, and does not count.
        for round in 0..=rounds {
            for turn in 0..2 {
                let which = (round + turn) % 2;
                let container = format!("chain-{}-{round}", implementations[which].name);
                let netns = host.netns(&container);
                used.0.push(netns.clone());
                let cache = Cache::new(host.work_folder().join("results"));
                let runtime = Runtime::new(&implementations[which].folder).with_cache(cache);
                let parameters = Parameters {
                    container_id: container,
                    netns: netns.path().display().to_string(),
                    ifname: "eth0".to_owned(),
                    capability_args: capabilities(),
                    ..Parameters::default()
                };
                let network = &networks[which];
                let start = Instant::now();
                runtime.add(network, &parameters).map_err(|e| text(&e))?;
                let add = start.elapsed();
                settle(round);
                let start = Instant::now();
                let removed = runtime.del(network, &parameters);
                let del = start.elapsed();
                if implementations[which].name != "go" {
                    removed.map_err(|e| text(&e))?;
                }
                if round > 0 {
                    times[0][which].push(add);
                    times[1][which].push(del);
                }
            }
        }
        let medians = times.map(|verb| verb.map(|mut t| median(&mut t).unwrap_or_default()));
        Ok(Measured {
            name: self.name,
            medians,
            floor: None,
            budget: self.budget,
        })
    }
}
