//! GC removes what is not listed, and nothing else.

use ferrule_testkit::Host;
use ferrule_tests::{Network, answers_at_once};
use serde_json::{Value, json};

use crate::lifecycle::leases;

const LIST: &str = "cni.dev/valid-attachments";

fn listed(network: &Network, list: Value) -> Value {
    let mut config = network.config.clone();
    config[LIST] = list;
    config
}

ferrule_testkit::test! {
    /// Listed attachments and those of other networks stay; links and reservations of all others
    /// are removed.
    fn unlisted_attachments_are_removed(host, plugin in ["bridge", "ptp"]) {
        let network = Network::of(plugin);
        let kept = network.attach(host, "kept");
        let second = kept.call.clone().ifname("net1");
        second.add().succeeds();
        let lost: Vec<_> = (0..3).map(|number| network.attach(host, &format!("lost{number}"))).collect();
        // Its network name begins with that of the other.
        let ipam = json!({ "type": "host-local", "subnet": "10.5.0.0/24" });
        let other = json!({ "name": "net-other", "bridge": "cni1", "ipam": ipam });
        let other = network.clone().with(other).attach(host, "other");
        lost[0].container.remove();
        let list = json!([{ "containerID": "kept", "ifname": "eth0" },
                          { "containerID": "lost2", "ifname": "net7" }]);
        kept.call.clone().config(listed(&network, list)).gc().succeeds().stdout_is("");
        assert_eq!(leases(), ["10.1.2.2", "fd00:1:2::2"]);
        for attachment in &lost {
            assert!(!host.has_link(attachment.host_end()));
        }
        assert!(!kept.container.has_link("net1") && !lost[1].container.has_link("eth0"));
        kept.check().succeeds();
        other.check().succeeds();
        assert!(answers_at_once(host, kept.address(0)) && answers_at_once(host, other.address(0)));
        for attachment in &lost {
            attachment.detach();
        }
    }
}

/// How many requests to remove links the plugin sends during GC.
fn removals_sent(host: &Host, plugin: &str, config: &Value) -> usize {
    let log = host.work_folder().join("strace");
    let folder = ferrule_testkit::binaries_folder();
    let (file, executable) = (log.to_str().unwrap(), folder.join(plugin));
    let words = [
        "-f",
        "-o",
        file,
        "-e",
        "trace=sendto,sendmsg,write",
        executable.to_str().unwrap(),
    ];
    let traced = host
        .executable("/usr/bin/strace", words)
        .cni_path(&folder)
        .config(config);
    traced.verb("GC").run().succeeds();
    std::fs::read_to_string(&log)
        .unwrap()
        .matches("RTM_DELLINK")
        .count()
}

ferrule_testkit::test! {
    /// All links are removed by one request, as the kernel waits for all processors each time.
    /// Links in device groups of others stay.
    fn links_are_removed_in_one_request(host, plugin in ["bridge", "ptp"]) needs [Tool("strace")] {
        let network = Network::of(plugin);
        let lost: Vec<_> = (0..9).map(|number| network.attach(host, &format!("lost{number}"))).collect();
        host.ip("link add veth00000000 group 77 type veth peer name veth00000001 group 2147483647");
        let gc = listed(&network, json!([]));
        let removals = removals_sent(host, plugin, &gc);
        assert_eq!(removals, 1, "removals of {} links", lost.len());
        for attachment in &lost {
            assert!(!host.has_link(attachment.host_end()) && !attachment.container.has_link("eth0"));
        }
        assert!(host.has_link("veth00000000") && host.has_link("veth00000001"));
    }
}

ferrule_testkit::test! {
    /// Without the list nothing changes, which is logged; an empty list or null means that no
    /// attachment is valid. Go's `cnitool gc` sends no list, after DELs for its cached
    /// attachments.
    fn without_a_list_nothing_is_collected(host, plugin in ["bridge", "ptp"]) {
        let network = Network::of(plugin);
        let attachment = network.attach(host, "c1");
        // The kernel adds a local route in the background.
        assert!(answers_at_once(host, "fd00:1:2::2"));
        let before = host.snapshot();
        let outcome = attachment.call.gc().succeeds().stdout_is("");
        assert!(outcome.stderr.contains(LIST), "{outcome}");
        assert_eq!(outcome.stderr.lines().count(), 1, "{outcome}");
        for (list, code) in [(json!("all"), 6), (json!([{ "containerID": 5 }]), 6), (json!([null]), 6)] {
            attachment.call.clone().config(listed(&network, list)).gc().fails_with_code(code);
        }
        ferrule_testkit::assert_same(&before, &host.snapshot());
        for (number, list) in [json!([]), json!(null)].into_iter().enumerate() {
            let attachment = network.attach(host, &format!("lost{number}"));
            attachment.call.clone().config(listed(&network, list)).gc().succeeds();
            assert!(!attachment.container.has_link("eth0"));
            assert_eq!(leases(), [""; 0]);
        }
    }
}

ferrule_testkit::test! {
    /// Names of any length are distinguished.
    fn long_names_are_distinguished(host, plugin in ["bridge", "ptp"]) {
        let (long, longer) = ("n".repeat(250), "n".repeat(251));
        let network = |name: &str, number: u8| {
            let ipam = json!({ "type": "static", "addresses": [
                { "address": format!("10.1.{number}.9/24"), "gateway": format!("10.1.{number}.1") }] });
            let keys = json!({ "name": name, "bridge": format!("cni{number}"), "ipam": ipam });
            Network::of(plugin).with(keys)
        };
        let call = |network: &Network, id: &str| {
            let container = host.netns(&id[id.len() - 1..]);
            network.call(host, id).netns(&container)
        };
        let (mine, other) = (network(&long, 1), network(&longer, 2));
        let ids = [format!("{}a", "c".repeat(300)), format!("{}b", "c".repeat(300))];
        let kept = call(&mine, &ids[0]);
        kept.add().succeeds();
        assert!(answers_at_once(host, "10.1.1.9"));
        let others = call(&other, &ids[1]);
        others.add().succeeds();
        let list = json!([{ "containerID": ids[0], "ifname": "eth0" }]);
        kept.clone().config(listed(&mine, list)).gc().succeeds();
        assert!(answers_at_once(host, "10.1.1.9") && answers_at_once(host, "10.1.2.9"));
        kept.clone().config(listed(&mine, json!([]))).gc().succeeds();
        assert!(!answers_at_once(host, "10.1.1.9") && answers_at_once(host, "10.1.2.9"));
        others.del().succeeds();
        assert!(!answers_at_once(host, "10.1.2.9"));
    }
}

ferrule_testkit::test! {
    /// A failing address plugin is reported, and the links are removed nevertheless.
    fn a_failing_address_plugin_does_not_stop_gc(host, plugin in ["bridge", "ptp"]) {
        let network = Network::of(plugin);
        let attachment = network.attach(host, "c1");
        let call = attachment.call.clone().config(listed(&network, json!([])));
        call.clone().cni_path("/run/ferrule").gc().fails().mentions("failed to find plugin");
        assert!(!attachment.container.has_link("eth0"));
        call.gc().succeeds();
        assert_eq!(leases(), [""; 0]);
    }
}
