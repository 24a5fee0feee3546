//! containerd over CRI, as the kubelet uses it, with Ferrule's executables alone.

mod conf;
mod crash;
mod pods;
mod swap;

use ferrule_testkit::{Containerd, Host, Pod, Snapshot};
use ferrule_tests::is_served;
use serde_json::{Value, json};

/// Which address each range gave last, and what others than plugins leave: sockets of containerd's
/// shims, locks of mount(8).
const SHARED: [&str; 4] = [
    "/run/containerd/s",
    "/run/mount",
    "/var/lib/cni/networks/pods/last_reserved_ip.0",
    "/var/lib/cni/networks/pods/last_reserved_ip.1",
];

/// The annotations of a pod with limits.
const LIMITS: [(&str, &str); 2] = [
    ("kubernetes.io/ingress-bandwidth", "20M"),
    ("kubernetes.io/egress-bandwidth", "40M"),
];

/// What the kubelet's networks are made of, dual stack.
fn chain(backend: &str) -> Value {
    json!({
        "cniVersion": "1.0.0",
        "name": "pods",
        "plugins": [
            { "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true,
              "ipMasqBackend": backend, "hairpinMode": true,
              "ipam": { "type": "host-local",
                        "ranges": [[{ "subnet": "10.9.0.0/24" }], [{ "subnet": "fd00:9::/64" }]],
                        "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }] } },
            { "type": "portmap", "backend": backend, "capabilities": { "portMappings": true } },
            { "type": "bandwidth", "capabilities": { "bandwidth": true } },
            { "type": "firewall", "backend": backend },
            { "type": "tuning", "sysctl": { "net.core.somaxconn": "500" } },
        ],
    })
}

/// containerd with this network. What the first pod makes for all others is made: bridge, pool, base
/// chains.
fn start<'h>(host: &'h Host, network: &Value) -> Containerd<'h> {
    host.write_network("10-pods.conflist", network);
    let containerd = Containerd::start(host);
    let first = run(&containerd, "first", &[(8079, 80)]);
    finish(&containerd, &first);
    containerd
}

/// Starts a pod with limits.
#[track_caller]
fn run(containerd: &Containerd, name: &str, ports: &[(u16, u16)]) -> Pod {
    let started = containerd.run(name, ports, &LIMITS);
    started.unwrap_or_else(|error| panic!("start {name}: {error}\n{}", containerd.log()))
}

/// Stops and removes a pod.
#[track_caller]
fn finish(containerd: &Containerd, pod: &Pod) {
    for done in [containerd.stop(&pod.id), containerd.remove(&pod.id)] {
        done.unwrap_or_else(|error| panic!("{error}\n{}", containerd.log()));
    }
}

fn snapshot(host: &Host) -> Snapshot {
    host.snapshot().ignoring(&SHARED)
}

/// A pod is reached by both addresses and, where it publishes one, by the host's port.
#[track_caller]
fn assert_reached(host: &Host, pod: &Pod, host_port: Option<u16>) {
    assert_eq!(pod.addresses.len(), 2, "{pod:?}");
    for address in &pod.addresses {
        assert!(is_served(host, address, 80), "by {address}");
    }
    for gateway in host_port
        .iter()
        .flat_map(|_| ["10.9.0.1", "fd00:9::1", "127.0.0.1"])
    {
        let port = host_port.unwrap_or_default();
        assert!(
            is_served(host, gateway, port),
            "by port {port} of {gateway}"
        );
    }
}
