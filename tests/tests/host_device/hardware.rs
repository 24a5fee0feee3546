//! Hardware: the kernel returns it to the initial namespace, in which these tests run, on the lab
//! kernel.

use ferrule_testkit::{Call, Container, Host, PEER_FOLDER, binaries_folder};
use serde_json::{Value, json};

/// The namespace that the kernel returns hardware to.
const FIRST: &str = "--net=/proc/1/ns/net";

/// A call of the plugin in `folder`, in the initial namespace, for `eth0` of the machine.
fn call(host: &Host, folder: &std::path::Path, version: &str) -> Call {
    let plugin = folder.join("host-device");
    let call = host.executable("/usr/bin/nsenter", [FIRST.as_ref(), plugin.as_os_str()]);
    let config = json!({
        "cniVersion": version, "name": "net", "type": "host-device", "device": "eth0",
        "cni.dev/valid-attachments": [],
    });
    call.cni_path(folder)
        .container("c1")
        .netns("/run/netns/c1")
        .ifname("net1")
        .config(config)
}

fn ours(host: &Host) -> Call {
    call(host, &binaries_folder(), "1.1.0")
}

/// The links of the machine: name and MAC address of each except `lo`.
fn links(host: &Host) -> Vec<(String, String)> {
    let text = host.tool("nsenter", [FIRST, "ip", "-j", "link", "show"]);
    let links: Value = serde_json::from_str(&text).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut all: Vec<_> = links
        .as_array()
        .unwrap()
        .iter()
        .map(|link| (text(&link["ifname"]), text(&link["address"])))
        .collect();
    all.retain(|(name, _)| name != "lo");
    all
}

/// Moves `eth0` into a new container, which then runs these commands.
fn attach(host: &Host, commands: &[&str]) -> Container {
    let container = host.netns("c1");
    ours(host).add().succeeds();
    for line in commands {
        container.ip(*line);
    }
    container
}

const WORST: &[&str] = &[
    "link set net1 down",
    "link set net1 name other",
    "link set other alias evil",
    "link set other address 02:00:00:00:00:99",
];

ferrule_testkit::test! {
    /// It returns under its name with its address: from the container, when the namespace has
    /// ended, when only its path is gone, and by GC.
    fn hardware_is_always_returned(host) needs [SpareHardware, Tool("nsenter")] {
        let before = links(host);
        assert_eq!(before.len(), 1, "{before:?}");
        assert_eq!(before[0].0, "eth0");
        let no_record = || !std::path::Path::new("/run/cni/host-device").exists();

        let container = attach(host, &[]);
        assert_eq!(container.link("net1")["ifalias"], "eth0");
        assert_eq!(links(host), []);
        container.ip("link set net1 down");
        container.ip("link set net1 address 02:00:00:00:00:99");
        ours(host).del().succeeds();
        assert!(links(host) == before && no_record());
        container.remove();

        // DEL does not wait for the kernel, which removes namespaces in the background.
        attach(host, WORST).remove();
        ours(host).del().succeeds();
        ours(host).del().succeeds();
        assert!(links(host) == before && no_record(), "{:?}", links(host));

        let container = attach(host, WORST);
        let mut process = container.start("sleep 600");
        container.remove();
        ours(host).del().succeeds();
        assert!(links(host) == before && no_record(), "{:?}", links(host));
        process.kill();
        process.wait();

        attach(host, WORST).remove();
        let is_back = || links(host).len() == 1;
        assert!((0..200).any(|_| is_back() || pause()));
        ours(host).gc().succeeds();
        assert!(links(host) == before && no_record(), "{:?}", links(host));
    }
}

fn pause() -> bool {
    std::thread::sleep(std::time::Duration::from_millis(20));
    false
}

ferrule_testkit::test! {
    /// DEL waits for a device in a namespace that cannot be reached, then fails; GC continues
    /// without it. It is renamed once it is reachable.
    fn an_unreachable_namespace_is_waited_for(host) needs [SpareHardware, Tool("nsenter")] {
        let before = links(host);
        let container = attach(host, &[]);
        let mut nested = container.start("unshare --net sleep 600");
        let own = container.path().metadata().map(|data| ino(&data)).unwrap();
        let path = format!("/proc/{}/ns/net", nested.pid());
        let is_nested = || std::fs::metadata(&path).is_ok_and(|data| ino(&data) != own);
        assert!((0..200).any(|_| is_nested() || pause()));
        container.ip(["link", "set", "net1", "netns", &nested.pid().to_string()]);
        ours(host).del().fails_with_code(11).mentions("\"eth0\" is not back on the host");
        let noted = ours(host).gc().succeeds();
        assert!(noted.stderr.contains("not back on the host"), "{noted}");
        nested.kill();
        nested.wait();
        ours(host).del().succeeds();
        assert_eq!(links(host), before);
        container.remove();
    }
}

fn ino(data: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(data)
}

ferrule_testkit::test! {
    /// A device that the Go plugin has moved is renamed, too.
    fn a_device_of_the_go_plugin_is_renamed(host) needs [SpareHardware, PeerPlugins, Tool("nsenter")] {
        let before = links(host);
        let container = host.netns("c1");
        call(host, PEER_FOLDER.as_ref(), "1.0.0").add().succeeds();
        container.remove();
        assert!((0..200).any(|_| links(host).len() == 1 || pause()));
        assert_eq!(links(host)[0].0, "net1");
        ours(host).del().succeeds();
        assert_eq!(links(host), before);
    }
}
