//! Lists of five plugins, run by `libcni` as by a container runtime.

use std::time::Instant;

use ferrule_testkit::{Container, Host};
use libcni::cache::Cache;
use libcni::config::NetworkList;
use libcni::{Parameters, Runtime};
use serde_json::{Value, json};

use crate::implementation::Implementation;
use crate::scenario::{Measured, VERBS, alternate, ensure_plugins};

const PLUGINS: [&str; 6] = [
    "bridge",
    "host-local",
    "portmap",
    "bandwidth",
    "firewall",
    "tuning",
];

/// A chain with its packet filter and the budgets of ADD and DEL.
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

/// Capability arguments for a published port and bandwidth limits, as runtimes of the kubelet pass them.
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
    /// The configuration list: bridge, a published port, bandwidth limits, firewall and a sysctl.
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

    /// The medians of ADD and DEL; an error says why it cannot be measured.
    pub(crate) fn measure(
        &self,
        host: &Host,
        implementations: &[Implementation; 2],
        rounds: usize,
    ) -> Result<Measured, String> {
        ensure_plugins(implementations, &PLUGINS)?;
        if self.backend == "nftables" && !implementations.iter().all(Implementation::knows_nftables)
        {
            return Err("one implementation does not support nftables".to_owned());
        }
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let mut networks = Vec::new();
        for implementation in implementations {
            let network = self.network(implementation).to_string();
            networks.push(NetworkList::from_bytes(network.as_bytes()).map_err(|e| text(&e))?);
        }
        let time = |verb: &str, which: usize, container: &str, netns: &Container| {
            let implementation = &implementations[which];
            let cache = Cache::new(host.work_folder().join("results"));
            let runtime = Runtime::new(&implementation.folder).with_cache(cache);
            let parameters = Parameters {
                container_id: container.to_owned(),
                netns: netns.path().display().to_string(),
                ifname: "eth0".to_owned(),
                capability_args: capabilities(),
                ..Parameters::default()
            };
            let start = Instant::now();
            if verb == "ADD" {
                let added = runtime.add(&networks[which], &parameters);
                let elapsed = start.elapsed();
                return added.map(|_| elapsed).map_err(|error| text(&error));
            }
            let removed = runtime.del(&networks[which], &parameters);
            let elapsed = start.elapsed();
            // See `Run::time_anyway`.
            if implementation.name == "go" {
                return Ok(elapsed);
            }
            removed.map(|()| elapsed).map_err(|error| text(&error))
        };
        let medians = alternate(host, implementations, rounds, time, |_, _| Ok(()))?;
        Ok(Measured {
            name: self.name,
            verbs: VERBS,
            medians,
            floor: None,
            budget: self.budget,
        })
    }
}
