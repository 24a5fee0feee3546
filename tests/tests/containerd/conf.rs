//! The ready-made networks of `conf/`, each as the only network of a containerd.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ferrule_testkit::{Containerd, Host, Need, Pod, assert_same};

use crate::containerd::{LIMITS, finish, snapshot};

const FILES: &[&str] = &[
    "10-bridge.conflist",
    "20-ptp.conflist",
    "30-published.conflist",
    "40-macvlan.conflist",
    "50-flannel.conflist",
    "60-tuned.conflist",
    "70-limited.conflist",
    "80-second.conflist",
    "90-vrf.conflist",
];

fn needs(file: &str) -> &'static [Need] {
    match file {
        "40-macvlan.conflist" => &[Need::Macvlan],
        "70-limited.conflist" => &[Need::Ifb, Need::TokenBucketFilter, Need::IngressRedirect],
        "90-vrf.conflist" => &[Need::Vrf],
        _ => &[],
    }
}

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../conf"))
}

/// What a node has besides: a way out, and what flannel's daemon writes.
fn prepare(host: &Host) {
    host.ip("link add wan0 type veth peer name wire0");
    host.ip("link set wire0 up");
    host.ip("link set wan0 up");
    host.ip("address add 192.0.2.1/24 dev wan0");
    host.ip("route add default via 192.0.2.254");
    fs::create_dir("/run/flannel").unwrap();
    let subnet = "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\nFLANNEL_MTU=1450\n\
                  FLANNEL_IPMASQ=true\n";
    fs::write("/run/flannel/subnet.env", subnet).unwrap();
}

/// Whether one pod gets a file that another serves, which may need a moment to start.
fn is_served(host: &Host, from: &Pod, to: &Pod) -> bool {
    let start = Instant::now();
    to.addresses.iter().all(|address| {
        let shown = if address.contains(':') {
            format!("[{address}]")
        } else {
            address.clone()
        };
        let netns = from.netns.display();
        let url = format!("http://{shown}/bin/busybox");
        let get = "curl --silent --fail --globoff --max-time 2 --output /dev/null";
        let words = format!("nsenter --net={netns} {get} {url}");
        while !host.exec(&words).status.success() {
            if start.elapsed() > Duration::from_secs(10) {
                return false;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        true
    })
}

ferrule_testkit::test! {
    /// Two pods reach each other by the network of the file, and leave nothing.
    fn a_network_serves_pods(host, file in FILES => needs) needs [
        Tool("containerd"), Tool("crun"), Tool("curl"), Tool("busybox"), Tool("nsenter"),
        Iptables, Ip6tables, Ipv6
    ] {
        prepare(host);
        fs::create_dir_all(host.network_folder()).unwrap();
        fs::copy(folder().join(file), host.network_folder().join(file)).unwrap();
        let containerd = Containerd::start(host);
        let run = |name: &str| {
            let pod = containerd.run(name, &[(8080, 80)], &LIMITS);
            pod.unwrap_or_else(|error| panic!("{error}\n{}", containerd.log()))
        };
        finish(&containerd, &run("first"));
        let before = snapshot(host).ignoring(&["/var/lib/cni/networks"]);
        let one = run("one");
        let two = containerd.run("two", &[], &LIMITS).unwrap();
        for pod in [&one, &two] {
            assert!(!pod.addresses[0].is_empty(), "{pod:?}");
        }
        // In a VRF of its own, the server is not reached by sockets of the namespace at large.
        if file != "90-vrf.conflist" {
            assert!(is_served(host, &one, &two) && is_served(host, &two, &one));
        }
        finish(&containerd, &one);
        finish(&containerd, &two);
        assert_same(&before, &snapshot(host).ignoring(&["/var/lib/cni/networks"]));
    }
}

ferrule_testkit::test! {
    /// A new file needs a case above. containerd has its own loopback network. The DHCP network needs
    /// a daemon and a server, and is tested with cnitool.
    fn every_network_has_a_case(_host) {
        let names = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
        let is_network = |path: &PathBuf| {
            path.extension().is_some_and(|extension| extension == "conflist" || extension == "conf")
        };
        let mut names: Vec<_> = names.filter(is_network).collect();
        names.sort();
        let names: Vec<_> = names.iter().map(|path| Path::file_name(path).unwrap()).collect();
        let mut known = [FILES, &["45-leased.conflist", "99-loopback.conf"]].concat();
        known.sort_unstable();
        assert_eq!(names, known);
    }
}
