//! STATUS.

use ferrule_testkit::Host;
use serde_json::{Value, json};

use crate::host_device::{idle_wire, on_wire};

/// STATUS of a network whose device is selected by these keys.
fn status(host: &Host, keys: &Value) -> ferrule_testkit::Outcome {
    let network = on_wire().with(json!({ "device": null })).with(keys.clone());
    network.call(host, "any").status()
}

ferrule_testkit::test! {
    /// STATUS succeeds for a device on the host or in a container, and fails for a missing one.
    fn a_missing_device_fails(host) {
        idle_wire(host);
        host.ip("link set wire0 address 02:00:00:00:00:ab");
        let by_name = json!({ "device": "wire0" });
        let by_address = json!({ "hwaddr": "02:00:00:00:00:ab" });
        let everywhere = |host: &Host| {
            for keys in [&by_name, &by_address] {
                status(host, keys).succeeds().stdout_is("");
            }
        };
        everywhere(host);
        let attachment = on_wire().attach(host, "c1");
        everywhere(host);
        attachment.detach();
        host.ip("link delete wire0");
        for keys in [&by_name, &by_address] {
            status(host, keys).fails_with_code(50).mentions("not found on the host");
        }
    }
}

ferrule_testkit::test! {
    /// Also for a device that the Go plugin has moved.
    fn a_device_may_be_moved_by_the_go_plugin(host) needs [PeerPlugins] {
        idle_wire(host);
        host.ip("link set wire0 address 02:00:00:00:00:ab");
        host.netns("c1");
        on_wire().version("1.0.0").peer_call(host, "c1").add().succeeds();
        assert!(!host.has_link("wire0"));
        status(host, &json!({ "device": "wire0" })).succeeds();
        status(host, &json!({ "hwaddr": "02:00:00:00:00:ab" })).succeeds();
        status(host, &json!({ "device": "wire7" })).fails_with_code(50);
    }
}

ferrule_testkit::test! {
    /// Devices selected by path or bus address are searched for there, those of the runtime are
    /// not.
    fn paths_and_bus_addresses_are_searched(host) {
        for (keys, code, text) in [
            (json!({ "pciBusID": "ffff:ff:ff.7" }), 50, "ffff:ff:ff.7"),
            (json!({ "kernelpath": "/sys/devices/none" }), 50, "/sys/devices/none"),
            (json!({ "runtimeConfig": { "deviceID": "nothing" } }), 50, "nothing"),
            (json!({ "kernelpath": "none" }), 7, "kernelpath"),
            (json!({}), 7, "specify either"),
        ] {
            status(host, &keys).fails_with_code(code).mentions(text);
        }
        status(host, &json!({ "capabilities": { "deviceID": true } })).succeeds();
        status(host, &json!({ "device": "lo", "ipam": { "type": "no-such-plugin" } }))
            .fails()
            .mentions("no-such-plugin");
        status(host, &json!({ "device": "lo", "cniVersion": "1.0.0" })).fails_with_code(1);
    }
}
