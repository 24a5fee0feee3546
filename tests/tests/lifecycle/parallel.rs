//! Many ADDs and DELs at once.

use std::collections::HashSet;

use ferrule_testkit::{Host, Outcome, Running, assert_same};
use ferrule_tests::{Network, answers_at_once, with_prev_result};
use serde_json::Value;

use crate::{leases, without_bridge};

fn all_at_once(host: &Host, network: &Network, names: &[String], verb: &str) -> Vec<Outcome> {
    let start = |name: &String| network.call(host, name).verb(verb).start();
    let running: Vec<Running> = names.iter().map(start).collect();
    running
        .into_iter()
        .map(|call| call.wait().succeeds())
        .collect()
}

ferrule_testkit::test! {
    /// Fifty ADDs race for the bridge, too: each container gets addresses of its own and is reached
    /// at once, and what ADD answered about the bridge holds.
    fn fifty_containers(host, plugin in ["bridge", "ptp"]) {
        let network = Network::of(plugin);
        let names: Vec<String> = (0..50).map(|number| format!("c{number}")).collect();
        let containers: Vec<_> = names.iter().map(|name| host.netns(name)).collect();
        let before = without_bridge(host);
        let outcomes = all_at_once(host, &network, &names, "ADD");
        let results: Vec<Value> = outcomes.iter().map(Outcome::json).collect();
        let mut addresses = HashSet::new();
        for (name, result) in names.iter().zip(&results) {
            for ip in result["ips"].as_array().unwrap() {
                let address = ip["address"].as_str().unwrap().split('/').next().unwrap();
                assert!(addresses.insert(address.to_owned()), "{address} twice");
                assert!(answers_at_once(host, address), "{address} of {name}");
            }
            let config = with_prev_result(&network.config, result);
            network.call(host, name).config(config).check().succeeds();
        }
        assert_eq!(addresses.len(), 100);
        assert!(answers_at_once(&containers[0], addresses.iter().next().unwrap()));
        all_at_once(host, &network, &names, "DEL");
        assert_same(&before, &without_bridge(host));
        assert_eq!(leases(), [""; 0]);
    }
}
