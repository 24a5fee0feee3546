//! Tests for every plugin whose only link is in the container.

#![expect(
    clippy::missing_panics_doc,
    reason = "these are tests: a panic is how a test fails"
)]

use std::net::IpAddr;
use std::time::Duration;

use ferrule_testkit::{Host, Snapshot, VERSIONS, assert_same};
use serde_json::{Value, json};

use crate::{Attachment, Network, assert_alike, side_by_side};

/// The addresses that `host-local` has reserved for the network, sorted.
pub fn leases() -> Vec<String> {
    let files = std::fs::read_dir("/var/lib/cni/networks/net");
    let names = files.into_iter().flatten().flatten();
    let names = names.map(|file| file.file_name().to_string_lossy().into_owned());
    let mut leases: Vec<String> = names
        .filter(|name| name.parse::<IpAddr>().is_ok())
        .collect();
    leases.sort();
    leases
}

/// The host without the files of the address plugin, for which there is [`leases`].
fn state(host: &Host) -> Snapshot {
    host.snapshot().ignoring(&["/var/lib/cni"])
}

#[track_caller]
fn assert_nothing_left(host: &Host, before: &Snapshot) {
    assert_eq!(leases(), Vec::<String>::new());
    // The kernel removes a namespace and its links in the background.
    let is_same = || before.difference(&state(host)).is_empty();
    if !(0..40).any(|_| is_same() || pause()) {
        assert_same(before, &state(host));
    }
}

/// Waits a little; always `false`.
fn pause() -> bool {
    std::thread::sleep(Duration::from_millis(50));
    false
}

/// DEL removes link and addresses and can be repeated, also if the container has renamed the link or
/// is gone. It does not change what belongs to others.
pub fn del_leaves_nothing(host: &Host, network: &Network) {
    let before = state(host);

    let plain = network.attach(host, "c1");
    assert!(plain.container.has_link("eth0") && !leases().is_empty());
    plain.detach();
    assert!(!plain.container.has_link("eth0"));
    plain.detach();
    plain.call.del().succeeds();
    plain.container.remove();
    assert_nothing_left(host, &before);

    let renamed = network.attach(host, "c2");
    renamed.container.ip("link set eth0 down");
    renamed.container.ip("link set eth0 name other");
    renamed.call.del().succeeds();
    assert!(!renamed.container.has_link("other"));
    renamed.container.remove();
    assert_nothing_left(host, &before);

    let gone = network.attach(host, "c3");
    gone.container.remove();
    gone.call.del().succeeds();
    assert_nothing_left(host, &before);
    let unnamed = network.attach(host, "c4");
    unnamed.call.clone().netns("").del().succeeds();
    unnamed.container.remove();
    assert_nothing_left(host, &before);
    // The path of a process whose id belongs to a process on the host by now.
    let recycled = network.attach(host, "c6");
    recycled.container.remove();
    host.ip("link add eth0 type veth peer name eth1");
    recycled.call.clone().netns(host.path()).del().succeeds();
    assert!(host.has_link("eth0"));
    host.ip("link delete eth0");
    assert_nothing_left(host, &before);
    let file = network.attach(host, "c5");
    file.container.remove();
    std::fs::write("/run/netns/c5", "").unwrap();
    file.call.del().succeeds();
    std::fs::remove_file("/run/netns/c5").unwrap();
    assert_nothing_left(host, &before);
}

/// DEL for a container whose namespace belongs to another container by now does not remove the link
/// of the other one, nor a link of another kind.
pub fn del_spares_others(host: &Host, network: &Network) {
    let first = network.attach(host, "shared");
    first.container.ip("link delete eth0");
    let second = network.call(host, "shared").container("second");
    second.add().succeeds();
    let held = leases();
    first.call.del().succeeds();
    assert!(first.container.has_link("eth0"));
    assert!(leases().len() < held.len() && !leases().is_empty());
    second.del().succeeds();
    assert!(!first.container.has_link("eth0"));

    first.container.ip("link add eth0 type veth peer name eth1");
    first.call.add().fails().mentions("eth0");
    first.call.del().succeeds();
    assert!(first.container.has_link("eth0"));
    assert_eq!(leases(), Vec::<String>::new());
    first.container.remove();
}

/// A failed ADD leaves neither link nor address, whichever step fails.
pub fn failed_add_leaves_nothing(host: &Host, network: &Network) {
    let subnet = json!({ "subnet": "10.1.2.0/24" });
    let full = json!({ "subnet": "10.1.2.0/24", "rangeStart": "10.1.2.9", "rangeEnd": "10.1.2.9" });
    let holder = network
        .clone()
        .with(json!({ "ipam": { "type": "host-local", "ranges": [[full]] } }))
        .attach(host, "holder");
    let (before, held) = (state(host), leases());
    let unreachable = json!([{ "dst": "10.9.0.0/16", "gw": "192.0.2.77" }]);
    for (ipam, text) in [
        (json!({ "type": "no-such-plugin" }), "no-such-plugin"),
        (
            json!({ "type": "host-local", "ranges": [[full]] }),
            "10.1.2.9",
        ),
        (
            json!({ "type": "host-local", "ranges": [[subnet]], "routes": unreachable }),
            "10.9.0.0/16",
        ),
    ] {
        let call = network
            .clone()
            .with(json!({ "ipam": ipam }))
            .call(host, "c1");
        let container = host.netns("c1");
        let empty = container.network_snapshot();
        call.add().fails().mentions(text);
        assert_same(&empty, &container.network_snapshot());
        assert_eq!(leases(), held);
        container.remove();
        assert_same(&before, &state(host));
    }
    holder.detach();
}

/// GC releases the addresses of unlisted attachments and removes a link of theirs that was moved to
/// the host. It does not change listed attachments.
pub fn gc_collects_what_is_dead(host: &Host, network: &Network) {
    let alive = network.attach(host, "alive");
    let held = leases();
    let dead = network.attach(host, "dead");
    let path = host.path().display().to_string();
    dead.container
        .ip(["link", "set", "eth0", "netns", &path, "name", "stray"]);
    let gc = |valid: Value| {
        let keys = json!({ "cni.dev/valid-attachments": valid });
        network.clone().with(keys).call(host, "any").gc()
    };
    let both = json!([
        { "containerID": "alive", "ifname": "eth0" }, { "containerID": "dead", "ifname": "eth0" },
    ]);
    gc(both).succeeds().stdout_is("");
    assert!(host.has_link("stray"));
    // Without a list nothing is removed.
    network.call(host, "any").gc().succeeds().stdout_is("");
    assert!(host.has_link("stray") && leases().len() > held.len());
    gc(json!([{ "containerID": "alive", "ifname": "eth0" }])).succeeds();
    assert!(!host.has_link("stray"));
    assert_eq!(leases(), held);
    alive.check().succeeds();
    gc(json!([])).succeeds();
    assert_eq!(leases(), Vec::<String>::new());
    assert!(alive.container.has_link("eth0"));
}

/// CHECK fails after each of these changes, with this text. A change is an `ip` command in the
/// container, or on the host after `host:`; several are joined by `;`. `MAC` is replaced by the link's
/// MAC address, `ADDRESS` by its first address and `NETNS` by the container's name.
pub fn check_detects(host: &Host, network: &Network, changes: &[(&str, &str)]) {
    for (number, (change, text)) in changes.iter().enumerate() {
        let attachment = network.attach(host, &format!("c{number}"));
        attachment.check().succeeds().stdout_is("");
        apply(host, &attachment, change, &format!("c{number}"));
        attachment.check().fails().mentions(text);
        attachment.call.del().succeeds();
        attachment.container.remove();
    }
}

fn apply(host: &Host, attachment: &Attachment, change: &str, name: &str) {
    let mac = attachment.container.link("eth0")["address"].clone();
    let address = attachment.address(0);
    for line in change.split(';') {
        let line = line
            .replace("MAC", mac.as_str().unwrap())
            .replace("ADDRESS", address)
            .replace("NETNS", name);
        match line.trim().strip_prefix("host:") {
            Some(line) => host.ip(line),
            None => attachment.container.ip(line.trim()),
        };
    }
}

/// Ferrule and the Go plugin check and remove the attachments of each other.
pub fn suites_share_attachments(host: &Host, network: &Network) {
    let network = network.clone().version("1.0.0");
    let before = state(host);
    let ours = network.attach(host, "c1");
    let peer = network.peer_call(host, "c1");
    let recorded = crate::with_prev_result(&network.config, &ours.result);
    peer.clone().config(&recorded).check().succeeds();
    peer.config(&recorded).del().succeeds();
    assert!(!ours.container.has_link("eth0"));
    ours.container.remove();
    assert_nothing_left(host, &before);

    let container = host.netns("c2");
    let peer = network.peer_call(host, "c2");
    let result = peer.add().succeeds().json();
    let ours = network.call(host, "c2");
    let recorded = crate::with_prev_result(&network.config, &result);
    ours.clone().config(recorded).check().succeeds();
    ours.del().succeeds();
    assert!(!container.has_link("eth0"));
    container.remove();
    assert_nothing_left(host, &before);
}

/// In every version the result is that of the Go plugin, except the MTU in results of 1.1.0. Faster
/// than [`results_and_links_are_the_peers`], as the network state is not compared.
pub fn results_are_the_peers(host: &Host, network: &Network) {
    for version in VERSIONS {
        let container = host.netns("c1");
        let network = network.clone().version(version);
        let call = network.call(host, "c1");
        let ours = without_random(call.add().json());
        call.del().succeeds();
        // The newest that Debian's plugins support.
        let asked = if *version == "1.1.0" {
            "1.0.0"
        } else {
            version
        };
        let call = network.version(asked).peer_call(host, "c1");
        let mut theirs = without_random(call.add().json());
        call.del().succeeds();
        theirs["cniVersion"] = json!(version);
        assert_eq!(ours, theirs, "in {version}");
        container.remove();
    }
}

/// The result with MAC addresses replaced, and without values that only one implementation has.
fn without_random(mut result: Value) -> Value {
    for entry in result["interfaces"].as_array_mut().into_iter().flatten() {
        entry["mac"] = json!("MAC");
        entry.as_object_mut().unwrap().remove("mtu");
    }
    let is_new = result["cniVersion"]
        .as_str()
        .is_some_and(|version| version.starts_with("1."));
    let object = result.as_object_mut().unwrap();
    if is_new && object.get("dns") == Some(&json!({})) {
        object.remove("dns");
    }
    result
}

/// Result and network state are those of the Go plugin, except the MTU in results of 1.1.0.
pub fn results_and_links_are_the_peers(host: &Host, network: &Network, version: &str) {
    let (mut ours, theirs) = side_by_side(host, &network.clone().version(version));
    if version == "1.1.0" && ours.output.contains("\"mtu\": ") {
        let lines = ours.output.lines();
        let others: Vec<&str> = lines.filter(|line| !line.contains("\"mtu\": ")).collect();
        ours.output = others.join("\n");
    }
    assert_alike(network, &ours, &theirs);
}
