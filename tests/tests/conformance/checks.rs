//! What is checked.

use std::time::Duration;

use ferrule_testkit::Outcome;
use ferrule_tests::NetworkList;
use serde_json::{Value, json};

use crate::conformance::Node;

fn must(holds: bool, otherwise: &str) -> Result<(), String> {
    if holds {
        Ok(())
    } else {
        Err(otherwise.to_owned())
    }
}

/// ADD with a result of the version asked for, CHECK where there is one, DEL; nothing is left.
pub(super) fn life_of_a_container(node: &Node<'_>) -> Result<(), String> {
    let (container, result) = node.attach("c1")?;
    let version = result["cniVersion"].as_str().unwrap_or_default();
    let has_list = !["0.1.0", "0.2.0"].contains(&version);
    if has_list && node.case != "loopback" {
        must(
            result["ips"].is_array(),
            "the result has no list of addresses",
        )?;
    }
    if node.list.makes_interface() {
        must(node.list.is_attached(&container), "the interface is not up")?;
        if has_list {
            must(
                result["interfaces"].is_array(),
                "the result has no list of interfaces",
            )?;
        }
    }
    if version >= "0.4.0" {
        node.list
            .check("c1", &result)
            .map_err(|error| format!("CHECK: {error}"))?;
    }
    node.list
        .del("c1", &result)
        .map_err(|error| format!("DEL: {error}"))?;
    if node.list.makes_interface() {
        must(
            !node.list.is_attached(&container),
            "the interface is still there",
        )?;
    }
    container.remove();
    node.is_as_before()
}

pub(super) fn del_is_repeated(node: &Node<'_>) -> Result<(), String> {
    let (container, result) = node.attach("c1")?;
    node.list.del("c1", &result)?;
    node.list.del("c1", &result)?;
    container.remove();
    node.list.del("c1", &result)?;
    node.is_as_before()
}

pub(super) fn del_without_add(node: &Node<'_>) -> Result<(), String> {
    let container = node.list.container("c1");
    node.list.del("c1", &Value::Null)?;
    container.remove();
    node.is_as_before()
}

/// The namespace is gone, and the runtime knows no path any more.
pub(super) fn del_without_namespace(node: &Node<'_>) -> Result<(), String> {
    for netns in ["", "/run/netns/c1"] {
        let (container, result) = node.attach("c1")?;
        container.remove();
        node.list.del_of("c1", &result, netns)?;
        if node.case == "host-device" {
            // The kernel takes a pair apart together with the namespace of one end, in its own time.
            while node.host.has_link("wire1") {
                std::thread::sleep(Duration::from_millis(50));
            }
            NetworkList::make_device(node.host);
        } else {
            node.is_as_before()?;
        }
    }
    Ok(())
}

/// The runtime has lost its cache.
pub(super) fn del_without_result(node: &Node<'_>) -> Result<(), String> {
    let (container, _) = node.attach("c1")?;
    node.list.del("c1", &Value::Null)?;
    container.remove();
    node.is_as_before()
}

/// CHECK fails for what is not there (any more).
pub(super) fn check_sees_loss(node: &Node<'_>) -> Result<(), String> {
    let (container, result) = node.attach("c1")?;
    node.list.check("c1", &result)?;
    match node.case {
        "static" => return Ok(()),
        "loopback" => drop(container.ip("link set lo down")),
        "host-local" => node.list.del("c1", &result)?,
        "tuning" => drop(container.ip("link set eth0 mtu 1300")),
        "portmap iptables" => drop(node.host.tool("iptables", "-t nat -F")),
        "portmap nftables" => drop(node.host.tool("nft", "flush ruleset")),
        "firewall iptables" => drop(node.host.tool("iptables", "-F")),
        "sbr" => drop(container.ip("rule flush")),
        "vrf" => drop(container.ip("link delete red")),
        "bandwidth" => {
            let links = node.host.ip_json("link show type ifb");
            let name = links[0]["ifname"].as_str().unwrap_or_default().to_owned();
            node.host.ip(format!("link delete {name}"));
        }
        _ => drop(container.ip("address flush dev eth0")),
    }
    must(node.list.check("c1", &result).is_err(), "CHECK is content")
}

/// An ADD that cannot work fails and leaves nothing.
pub(super) fn failed_add(node: &Node<'_>) -> Result<(), String> {
    if !node.list.is_ipam() {
        must(
            node.list.add("none").is_err(),
            "ADD without a namespace succeeds",
        )?;
        node.is_as_before()?;
    }
    if node.list.is_chained() || ["loopback", "static", "flannel"].contains(&node.case) {
        return Ok(());
    }
    let full = json!({ "ipam": { "type": "host-local", "ranges": [[
        { "subnet": "10.1.2.0/24", "rangeStart": "10.1.2.9", "rangeEnd": "10.1.2.9" }]] } });
    let full = node.list.clone().with(&full);
    let holder = full.container("holder");
    // `host-device` has but one device: the address is taken by the pool's own plugin.
    full.clone().of_host_local().add("holder")?;
    let container = full.container("c1");
    must(full.add("c1").is_err(), "ADD without an address succeeds")?;
    if node.list.makes_interface() {
        must(
            !full.is_attached(&container),
            "the interface is there without an address",
        )?;
    }
    full.clone().of_host_local().del("holder", &Value::Null)?;
    holder.remove();
    container.remove();
    node.is_as_before()
}

/// A container's namespace that is the host's own is refused before anything is touched.
pub(super) fn the_host_is_guarded(node: &Node<'_>) -> Result<(), String> {
    if node.list.is_ipam() {
        return Ok(());
    }
    let own = node.host.path().to_owned();
    let outcome = node.list.last("c1").netns(own).add();
    must(
        !outcome.status.success(),
        "ADD to the host's own namespace succeeds",
    )?;
    node.is_as_before()
}

/// The specification's codes for requests that nobody can carry out.
pub(super) fn error_codes(node: &Node<'_>) -> Result<(), String> {
    let call = || node.list.last("c1").verb("ADD");
    let is = |outcome: &Outcome, code: u64, what: &str| {
        let object: Value = serde_json::from_str(&outcome.stdout).unwrap_or_default();
        let found = &object["code"];
        must(
            !outcome.status.success() && *found == json!(code),
            &format!("{what}: code {found} in place of {code}"),
        )
    };
    let unknown = json!({ "cniVersion": "9.9.9", "name": "net", "type": "any" });
    is(&call().config(unknown).run(), 1, "unknown version")?;
    is(
        &call().without_env("CNI_CONTAINERID").run(),
        4,
        "no container",
    )?;
    is(&call().verb("NONE").run(), 4, "unknown verb")?;
    is(&call().stdin("{").run(), 6, "broken JSON")
}

/// Keys of others, as runtimes and administrators add them.
pub(super) fn unknown_keys(node: &Node<'_>) -> Result<(), String> {
    let keys = json!({ "x-unknown": { "deep": [1, null] }, "args": { "cni": {} } });
    let list = node.list.clone().with(&keys);
    let container = list.container("c1");
    let result = list.add("c1")?;
    list.del("c1", &result)?;
    container.remove();
    node.is_as_before()
}

/// Ten containers come and go side by side.
pub(super) fn ten_at_once(node: &Node<'_>) -> Result<(), String> {
    // One device, one address, one host's port.
    let is_single = [
        "host-device",
        "static",
        "portmap iptables",
        "portmap nftables",
        "vlan",
    ];
    if is_single.contains(&node.case) {
        return Ok(());
    }
    let names: Vec<String> = (0..10).map(|number| format!("c{number}")).collect();
    let containers: Vec<_> = names.iter().map(|name| node.list.container(name)).collect();
    let outcomes: Vec<Result<(), String>> = std::thread::scope(|scope| {
        let life = |name: &str| {
            let result = node.list.add(name)?;
            node.list.del(name, &result)
        };
        let workers: Vec<_> = names
            .iter()
            .map(|name| scope.spawn(move || life(name)))
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().expect("a worker"))
            .collect()
    });
    outcomes.into_iter().collect::<Result<(), String>>()?;
    for container in &containers {
        container.remove();
    }
    node.is_as_before()
}

pub(super) fn status(node: &Node<'_>) -> Result<(), String> {
    node.list.status()
}

/// GC removes what a container has left that nobody took down, and nothing else.
pub(super) fn garbage(node: &Node<'_>) -> Result<(), String> {
    if node.case == "host-device" {
        return node.list.gc(&[]);
    }
    if ["static", "portmap iptables", "portmap nftables", "vlan"].contains(&node.case) {
        // There cannot be two: one address, one host's port, one VLAN.
        let (container, _) = node.attach("dead")?;
        container.remove();
        node.list.gc(&[])?;
        return node.is_as_before();
    }
    let (alive, result) = node.attach("alive")?;
    let (dead, _) = node.attach("dead")?;
    dead.remove();
    node.list.gc(&["alive"])?;
    node.list
        .check("alive", &result)
        .map_err(|error| format!("CHECK after GC: {error}"))?;
    node.list.del("alive", &result)?;
    alive.remove();
    node.is_as_before()
}
