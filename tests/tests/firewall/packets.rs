//! What passes and what does not.

use ferrule_testkit::Namespace;
use serde_json::json;

use crate::firewall::node::{CASES, Node, Pod, needs};

const OUTSIDE: [&str; 2] = ["192.0.2.9", "2001:db8::9"];

/// A question that a test asks the network: does anything get through?
struct Probe<'n> {
    what: String,
    from: &'n Namespace,
    to: &'n Namespace,
    address: String,
    expected: bool,
}

/// Asks all questions at once, by TCP and by UDP each, and complains about every wrong answer.
#[track_caller]
fn assert_answers(probes: &[Probe<'_>]) {
    let ask = |probe: &Probe<'_>| {
        let address = if probe.address.contains(':') {
            format!("[{}]", probe.address)
        } else {
            probe.address.clone()
        };
        let any = format!("{address}:0");
        let (tcp, udp) = std::thread::scope(|scope| {
            let tcp = scope.spawn(|| {
                let server = probe.to.listen_tcp(&any);
                server.reached_from(probe.from, server.address()).is_ok()
            });
            let udp = scope.spawn(|| {
                let server = probe.to.listen_udp(&any);
                server.reached_from(probe.from, server.address()).is_ok()
            });
            (tcp.join().unwrap(), udp.join().unwrap())
        });
        let wrong = |found: bool, by: &str| {
            let verb = if found { "passes" } else { "does not pass" };
            (found != probe.expected).then(|| format!("{} to {address} {verb} by {by}", probe.what))
        };
        [wrong(tcp, "TCP"), wrong(udp, "UDP")]
    };
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let asked: Vec<_> = probes
            .iter()
            .map(|probe| scope.spawn(move || ask(probe)))
            .collect();
        asked
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .flatten()
            .collect()
    });
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn probes<'n>(
    what: &str,
    from: &'n Namespace,
    to: &'n Namespace,
    addresses: [&str; 2],
    expected: bool,
) -> impl Iterator<Item = Probe<'n>> {
    let probe = |address: &str| Probe {
        what: what.to_owned(),
        from,
        to,
        address: address.to_owned(),
        expected,
    };
    addresses.map(probe).into_iter()
}

fn between<'n>(what: &str, from: &'n Pod, to: &'n Pod, expected: bool) -> Vec<Probe<'n>> {
    probes(what, from.inside(), to.inside(), to.addresses(), expected).collect()
}

ferrule_testkit::test! {
    /// What a container sends passes, and the answers; what somebody else begins does not, nor what
    /// another container sends that the plugin was not asked about. After DEL nothing passes.
    fn a_container_may_begin_and_others_may_not(host, case in CASES => needs)
    needs [Iptables, Ip6tables, Nftables] {
        let node = Node::new(host, case);
        let outside = node.outside();
        let pod = node.pod(1, "pod", &json!({}));
        let neighbour = node.pod(2, "neighbour", &json!({}));
        let stranger = node.bridge(3, "stranger");
        let stranger_ips = [stranger.address(0), stranger.address(1)];
        let mut all = Vec::new();
        all.extend(probes("pod, outside", pod.inside(), &outside, OUTSIDE, true));
        all.extend(probes("outside, pod", &outside, pod.inside(), pod.addresses(), false));
        all.extend(between("pod, neighbour", &pod, &neighbour, true));
        all.extend(between("neighbour, pod", &neighbour, &pod, true));
        all.extend(probes("stranger, outside", &stranger.container, &outside, OUTSIDE, false));
        all.extend(probes("outside, stranger", &outside, &stranger.container, stranger_ips, false));
        all.extend(probes("host, pod", host, pod.inside(), pod.addresses(), true));
        assert_answers(&all);
        pod.firewall.check().succeeds();

        pod.del();
        let mut all = Vec::new();
        all.extend(probes("pod after DEL, outside", pod.inside(), &outside, OUTSIDE, false));
        all.extend(probes("neighbour, outside", neighbour.inside(), &outside, OUTSIDE, true));
        assert_answers(&all);
        neighbour.firewall.check().succeeds();
    }
}

ferrule_testkit::test! {
    /// With `same-bridge` containers of other such bridges stay out, and the way outside is open.
    fn same_bridge_keeps_other_bridges_out(host, case in CASES => needs)
    needs [Iptables, Ip6tables, Nftables] {
        let node = Node::new(host, case);
        let outside = node.outside();
        let policy = json!({ "ingressPolicy": "same-bridge" });
        let pod = node.pod(1, "pod", &policy);
        let sibling = node.pod(1, "sibling", &policy);
        let neighbour = node.pod(2, "neighbour", &policy);
        let mut all = Vec::new();
        all.extend(probes("pod, outside", pod.inside(), &outside, OUTSIDE, true));
        all.extend(probes("outside, pod", &outside, pod.inside(), pod.addresses(), false));
        all.extend(between("pod, sibling", &pod, &sibling, true));
        all.extend(between("pod, neighbour", &pod, &neighbour, false));
        all.extend(between("neighbour, pod", &neighbour, &pod, false));
        assert_answers(&all);
        for pod in [&pod, &sibling, &neighbour] {
            pod.firewall.check().succeeds();
        }
    }
}

ferrule_testkit::test! {
    /// With `isolated` containers of the same bridge stay out as well.
    fn isolated_keeps_everybody_out(host, case in CASES => needs)
    needs [Iptables, Ip6tables, Nftables, BridgeNetfilter] {
        let node = Node::new(host, case);
        let outside = node.outside();
        let policy = json!({ "ingressPolicy": "isolated" });
        let pod = node.pod(1, "pod", &policy);
        let sibling = node.pod(1, "sibling", &policy);
        let neighbour = node.pod(2, "neighbour", &policy);
        let mut all = Vec::new();
        all.extend(probes("pod, outside", pod.inside(), &outside, OUTSIDE, true));
        all.extend(probes("outside, pod", &outside, pod.inside(), pod.addresses(), false));
        all.extend(between("pod, sibling", &pod, &sibling, false));
        all.extend(between("pod, neighbour", &pod, &neighbour, false));
        all.extend(between("neighbour, pod", &neighbour, &pod, false));
        all.extend(probes("host, pod", host, pod.inside(), pod.addresses(), true));
        assert_answers(&all);
        pod.firewall.check().succeeds();
    }
}
