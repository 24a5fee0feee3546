//! The keys that select a device.

use std::path::Path;

use ferrule_testkit::{Host, assert_same};
use ferrule_tests::Network;
use serde_json::{Value, json};

use crate::host_device::{idle_wire, on_wire, reaches_far_end, state};

const ADDRESS: &str = "0000:00:1f.6";

/// Mounts a tree over `/sys/bus` with a PCI device that has this driver and an auxiliary device.
/// The interface is in the folder `below` of the PCI device.
fn mount_buses(host: &Host, driver: &str, below: &str) {
    let root = host.work_folder().join("bus");
    let pci = root.join("pci/devices").join(ADDRESS);
    let folder = |path: &Path| std::fs::create_dir_all(path).unwrap();
    if below != "nothing" {
        folder(&pci.join(below).join("net/wire0"));
        folder(&pci.join(below).join("net/wire9"));
    }
    folder(&pci);
    std::os::unix::fs::symlink(format!("../../drivers/{driver}"), pci.join("driver")).unwrap();
    folder(&root.join("auxiliary/devices/mlx5_core.sf.4/net/wire0"));
    let root = root.display().to_string();
    host.exec(["mount", "--bind", &root, "/sys/bus"]).succeeds();
}

/// A network whose device is selected by these keys.
fn named_by(keys: &Value) -> Network {
    on_wire().with(json!({ "device": null })).with(keys.clone())
}

/// Moves the device and returns it; returns the PCI address in the result.
fn round_trip(host: &Host, network: &Network) -> Value {
    let before = state(host);
    let attachment = network.attach(host, "c1");
    assert!(!host.has_link("wire0") && reaches_far_end(&attachment.container));
    attachment.check().succeeds();
    attachment.detach();
    attachment.container.remove();
    assert_same(&before, &state(host));
    attachment.result["interfaces"][0]["pciID"].clone()
}

ferrule_testkit::test! {
    /// By its MAC address, in any notation.
    fn by_mac_address(host) {
        idle_wire(host);
        host.ip("link set wire0 address 02:00:00:00:00:ab");
        for text in ["02:00:00:00:00:ab", "02-00-00-00-00-AB", "0200.0000.00ab"] {
            assert_eq!(round_trip(host, &named_by(&json!({ "hwaddr": text }))), Value::Null);
        }
    }
}

ferrule_testkit::test! {
    /// By its path below `/sys/devices`: the first interface there.
    fn by_kernel_path(host) {
        let wire = idle_wire(host);
        // All virtual links are below this path, `lo` among them.
        let network = named_by(&json!({ "kernelpath": "/sys/devices/virtual" }));
        host.ip("link set wire0 name aa0");
        let attachment = network.attach(host, "c1");
        assert!(!host.has_link("aa0") && reaches_far_end(&attachment.container));
        attachment.detach();
        assert!(host.has_link("aa0"));
        drop(wire);
    }
}

ferrule_testkit::test! {
    /// By its PCI address, which is in the result from 1.1.0 on. The interface of a paravirtual
    /// device is one level below.
    fn by_pci_address(host, below in ["", "virtio3"]) {
        idle_wire(host);
        mount_buses(host, "e1000", below);
        let network = named_by(&json!({ "pciBusID": ADDRESS }));
        assert_eq!(round_trip(host, &network), ADDRESS);
        assert_eq!(round_trip(host, &network.version("1.0.0")), Value::Null);
    }
}

ferrule_testkit::test! {
    /// By the runtime, whose id precedes `pciBusID` but not `device`.
    fn by_the_runtime(host) {
        idle_wire(host);
        mount_buses(host, "e1000", "");
        let runtime = |id: &str| json!({ "RuntimeConfig": { "deviceID": id } });
        assert_eq!(round_trip(host, &named_by(&runtime(ADDRESS))), ADDRESS);
        let both = named_by(&runtime(ADDRESS)).with(json!({ "pciBusID": "0000:ff:00.0" }));
        assert_eq!(round_trip(host, &both), ADDRESS);
        assert_eq!(round_trip(host, &named_by(&runtime("mlx5_core.sf.4"))), Value::Null);
        let auxiliary = named_by(&runtime("mlx5_core.sf.4"));
        let auxiliary = auxiliary.with(json!({ "pciBusID": "0000:ff:00.0" }));
        assert_eq!(round_trip(host, &auxiliary), Value::Null);
        host.ip("link add other type veth peer name else");
        let named = on_wire().with(runtime(ADDRESS)).with(json!({ "device": "other" }));
        let attachment = named.attach(host, "c2");
        assert!(host.has_link("wire0") && !host.has_link("other"));
        attachment.detach();
        assert!(host.has_link("other"));
    }
}

ferrule_testkit::test! {
    /// A device that a process drives has no interface: ADD returns addresses and does not touch
    /// it.
    fn devices_of_processes_are_not_moved(host, driver in ["vfio-pci", "uio_pci_generic", "igb_uio"]) {
        idle_wire(host);
        mount_buses(host, driver, "nothing");
        let before = state(host);
        let network = named_by(&json!({ "pciBusID": ADDRESS }));
        let attachment = network.attach(host, "c1");
        let inside = attachment.container.network_snapshot();
        let path = attachment.container.path().display().to_string();
        assert_eq!(attachment.result["interfaces"], json!([
            { "name": "eth0", "sandbox": path, "pciID": ADDRESS },
        ]));
        assert_eq!(attachment.result["ips"][0]["address"], "10.1.2.2/24");
        assert_eq!(attachment.result["ips"][0]["interface"], 0);
        assert!(!attachment.container.has_link("eth0"));
        attachment.check().succeeds();
        network.call(host, "c1").status().succeeds();
        // DEL needs neither the device nor its driver.
        host.exec("umount /sys/bus").succeeds();
        attachment.detach();
        attachment.detach();
        assert_same(&inside, &attachment.container.network_snapshot());
        attachment.container.remove();
        assert_same(&before, &state(host));
        assert_eq!(ferrule_tests::single_link::leases(), Vec::<String>::new());
    }
}

ferrule_testkit::test! {
    /// Also with `DPDKMode`, and in older versions without the PCI address.
    fn a_process_may_drive_any_device(host) {
        idle_wire(host);
        let network = on_wire().with(json!({ "dpdkmode": true })).version("1.0.0");
        let attachment = network.attach(host, "c1");
        assert!(host.has_link("wire0") && !attachment.container.has_link("eth0"));
        let path = attachment.container.path().display().to_string();
        let entry = json!({ "name": "eth0", "sandbox": path });
        assert_eq!(attachment.result["interfaces"], json!([entry]));
        let before = attachment.container.network_snapshot();
        attachment.container.ip("link add eth0 type veth peer name eth1");
        attachment.detach();
        assert!(attachment.container.has_link("eth0"));
        attachment.container.ip("link delete eth0");
        assert_same(&before, &attachment.container.network_snapshot());
        let flat = network.without_ipam();
        host.netns("c2");
        let result = flat.call(host, "c2").add().succeeds().json();
        assert_eq!((&result["interfaces"][0]["name"], result.get("ips")), (&json!("eth0"), None));
    }
}
