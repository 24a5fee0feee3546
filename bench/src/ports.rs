//! Port mappings of a container that other plugins have attached: a previous result suffices.

use std::time::Duration;

use ferrule_testkit::Host;
use serde_json::{Value, json};

use crate::implementation::Implementation;
use crate::measure::{Run, median};
use crate::scenario::{MASTER, Measured, VERBS, network, with};

/// Number of mappings of the measured container.
const MANY: u16 = 500;
/// Number of containers with as many mappings each, 10 000 in all.
const HOLDERS: u16 = 20;

/// One mapped port, by iptables.
pub(crate) fn one_by_iptables(implementation: &Implementation, what: &str) -> Value {
    one(
        implementation,
        &format!("{what}i"),
        json!({ "backend": "iptables" }),
    )
}

/// One mapped port, by nftables if the implementation supports it.
pub(crate) fn one_by_nftables(implementation: &Implementation, what: &str) -> Value {
    one(
        implementation,
        &format!("{what}n"),
        json!({ "backend": "nftables" }),
    )
}

fn one(implementation: &Implementation, what: &str, keys: Value) -> Value {
    let mapping = json!([{ "hostPort": 8080, "containerPort": 80, "protocol": "tcp" }]);
    with(mapped(implementation, what, "10.96.7.7", &mapping), keys)
}

/// The configuration of a container with this address, as a runtime passes it.
fn mapped(implementation: &Implementation, what: &str, address: &str, mappings: &Value) -> Value {
    with(
        network(implementation, "portmap", what),
        json!({
            "capabilities": { "portMappings": true },
            "runtimeConfig": { "portMappings": mappings },
            "prevResult": {
                "cniVersion": "1.0.0",
                "interfaces": [{ "name": MASTER }, { "name": "eth0", "sandbox": "/run/netns/pod" }],
                "ips": [{ "address": format!("{address}/16"), "gateway": "10.96.0.1", "interface": 1 }],
            },
        }),
    )
}

/// Many ports of one container in map mode. The first column is for a node with 10 000 mappings, the
/// second for an empty one.
pub(crate) fn many_in_maps(
    host: &Host,
    ours: &Implementation,
    rounds: usize,
) -> Result<Measured, String> {
    let config = |number: u16| {
        let ports = (0..MANY).map(|port| 2000 + number * MANY + port);
        let mapping = |port| json!({ "hostPort": port, "containerPort": port, "protocol": "tcp" });
        let mappings: Value = ports.map(mapping).collect();
        let maps = json!({ "backend": "nftables", "nftablesMaps": true });
        with(
            mapped(ours, "maps", &format!("10.96.8.{}", number + 1), &mappings),
            maps,
        )
    };
    let netns = host.netns("ports");
    let time = |verb, container: &str, config: &Value| {
        let run = Run {
            plugin: "portmap",
            verb,
            container,
            netns: netns.path(),
            config,
        };
        run.time(ours)
    };
    let measured = || {
        let mut times: [Vec<Duration>; 2] = Default::default();
        let config = config(HOLDERS);
        for _ in 0..rounds {
            times[0].push(time("ADD", "measured", &config)?);
            times[1].push(time("DEL", "measured", &config)?);
        }
        Ok::<_, String>(times.map(|mut times| median(&mut times).unwrap_or_default()))
    };
    let empty = measured()?;
    for number in 0..HOLDERS {
        time("ADD", &format!("holder{number}"), &config(number))?;
    }
    let full = measured()?;
    netns.remove();
    Ok(Measured {
        name: "portmap, 500 ports in maps, 10 000 held (2nd column: none held)",
        verbs: VERBS,
        medians: [[full[0], empty[0]], [full[1], empty[1]]],
        floor: None,
        budget: [Some(2.0), Some(2.0)],
    })
}
