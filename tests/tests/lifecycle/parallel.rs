//! Many ADDs and DELs at the same time.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::net::{IpAddr, TcpStream};
use std::time::Duration;

use ferrule_testkit::{Host, Outcome, Running, assert_same};
use ferrule_tests::{Network, answers_at_once, with_prev_result};
use serde_json::{Value, json};

use crate::lifecycle::{leases, without_bridge};

fn all_at_once(host: &Host, network: &Network, names: &[String], verb: &str) -> Vec<Outcome> {
    let start = |name: &String| network.call(host, name).verb(verb).start();
    let running: Vec<Running> = names.iter().map(start).collect();
    running
        .into_iter()
        .map(|call| call.wait().succeeds())
        .collect()
}

ferrule_testkit::test! {
    /// An address works when ADD returns, even on a busy host: the first packet is not lost, for
    /// which TCP would wait a second.
    fn addresses_work_at_once(host, plugin in ["bridge", "ptp"]) {
        let network = Network::of(plugin);
        let names: Vec<String> = (0..40).map(|number| format!("c{number}")).collect();
        let containers: Vec<_> = names.iter().map(|name| host.netns(name)).collect();
        let attach = |name: &String| {
            let result = network.call(host, name).add().succeeds().json();
            let address = result["ips"][1]["address"].as_str().unwrap();
            let address: IpAddr = address.trim_end_matches("/64").parse().unwrap();
            host.inside(|| {
                let limit = Duration::from_millis(900);
                let refused = TcpStream::connect_timeout(&(address, 9).into(), limit).unwrap_err();
                assert_eq!(refused.kind(), ErrorKind::ConnectionRefused, "{address}: {refused}");
            });
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = names.iter().map(|name| scope.spawn(|| attach(name))).collect();
            for thread in threads {
                thread.join().unwrap();
            }
        });
        drop(containers);
    }
}

ferrule_testkit::test! {
    /// Two hundred ADDs, which also race for the bridge: each container gets its own addresses and
    /// is reachable at once, and the results describe the bridge correctly.
    fn two_hundred_containers(host, plugin in ["bridge", "ptp"]) {
        // IPv4 only: the kernel's IPv6 neighbour table, one for all namespaces, is too small.
        let ipam = json!({ "type": "host-local", "subnet": "10.1.2.0/24" });
        let network = Network::of(plugin).with(json!({ "ipam": ipam }));
        let names: Vec<String> = (0..200).map(|number| format!("c{number}")).collect();
        let containers: Vec<_> = names.iter().map(|name| host.netns(name)).collect();
        let before = without_bridge(host);
        let outcomes = all_at_once(host, &network, &names, "ADD");
        let results: Vec<Value> = outcomes.iter().map(Outcome::json).collect();
        let mut addresses = HashSet::new();
        for (name, result) in names.iter().zip(&results) {
            let address = result["ips"][0]["address"].as_str().unwrap().trim_end_matches("/24");
            assert!(addresses.insert(address.to_owned()), "{address} twice");
            assert!(answers_at_once(host, address), "{address} of {name}");
            let config = with_prev_result(&network.config, result);
            network.call(host, name).config(config).check().succeeds();
        }
        assert_eq!(addresses.len(), 200);
        // The kernel's neighbour table, one for all namespaces, is nearly full here.
        assert!(containers[0].ping(addresses.iter().next().unwrap()));
        all_at_once(host, &network, &names, "DEL");
        assert_same(&before, &without_bridge(host));
        assert_eq!(leases(), [""; 0]);
    }
}
