//! What cannot be done is refused, said clearly, and changes nothing.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use ferrule_testkit::assert_same;
use serde_json::{Value, json};

use crate::portmap::node::{Node, Pod, mapping, mapping_at};
use crate::portmap::{FORMS, node};

/// Keys that ADD must refuse, the code and words of the error.
fn wrong_keys() -> Vec<(Value, u64, &'static str)> {
    let ports = |entry: Value| json!({ "runtimeConfig": { "portMappings": [entry] } });
    vec![
        (
            ports(mapping("tcp", 0, 80)),
            7,
            "Invalid host port number: 0",
        ),
        (
            ports(mapping("tcp", 80, 0)),
            7,
            "Invalid container port number: 0",
        ),
        (
            ports(json!({ "hostPort": 65536, "containerPort": 80, "protocol": "tcp" })),
            7,
            "Invalid host port number: 65536",
        ),
        (
            ports(json!({ "hostPort": -1, "containerPort": 80, "protocol": "tcp" })),
            7,
            "Invalid host port number: -1",
        ),
        (
            ports(mapping("icmp", 80, 80)),
            7,
            "unknown protocol \"icmp\"",
        ),
        (ports(mapping("", 80, 80)), 7, "unknown protocol \"\""),
        (
            ports(mapping_at("node1", "tcp", 80, 80)),
            7,
            "invalid host IP \"node1\"",
        ),
        (
            ports(json!({ "hostPort": "80", "containerPort": 80 })),
            6,
            "hostPort",
        ),
        (
            ports(json!({ "hostPort": 80.5, "containerPort": 80 })),
            6,
            "hostPort",
        ),
        (
            json!({ "runtimeConfig": { "portMappings": [mapping("tcp", 80, 80), mapping("tcp", 80, 81)] } }),
            7,
            "contradict each other",
        ),
        (
            json!({ "backend": "ipvs", "nftablesMaps": null }),
            7,
            "unrecognized backend \"ipvs\"",
        ),
        (
            json!({ "backend": "", "nftablesMaps": null }),
            7,
            "unrecognized backend \"\"",
        ),
        (json!({ "markMasqBit": 32 }), 7, "between 0 and 31"),
        (
            json!({ "markMasqBit": 1, "externalSetMarkChain": "X" }),
            7,
            "Cannot specify externalSetMarkChain and markMasqBit",
        ),
        (
            json!({ "backend": "nftables", "nftablesMaps": null, "externalSetMarkChain": "X" }),
            7,
            "iptables-specific options [externalSetMarkChain]",
        ),
        (
            json!({ "backend": "iptables", "nftablesMaps": null, "conditionsV6": ["ip6", "saddr", "::1"] }),
            7,
            "nftables-specific options [conditionsV6]",
        ),
        (
            json!({ "backend": "iptables", "nftablesMaps": true }),
            7,
            "nftables-specific options [nftablesMaps]",
        ),
        (
            json!({ "backend": "nftables", "nftablesMaps": true, "conditionsV4": ["ip saddr 10.0.0.1"] }),
            7,
            "cannot be combined",
        ),
        (
            json!({ "backend": "nftables", "nftablesMaps": null, "conditionsV4": ["meta", "skuid", "0"] }),
            2,
            "unknown word \"skuid\"",
        ),
        (
            json!({ "prevResult": null }),
            7,
            "must be called as chained plugin",
        ),
    ]
}

ferrule_testkit::test! {
    /// Wrong keys of every kind.
    fn wrong_keys_change_nothing(host, form in FORMS)
        needs [Iptables, Ip6tables, Nftables, Ipv6, Tool("iptables-legacy")] {
        let node = Node::new(host, form);
        let pod = node.prepare("pod", &[mapping("tcp", 8080, 80)], &json!({}));
        let before = host.snapshot();
        for (keys, code, words) in wrong_keys() {
            let call = pod.call_with(&keys);
            call.add().fails_with_code(code).mentions(words);
            // DEL does what it can.
            call.del().succeeds();
        }
        assert_same(&before, &host.snapshot());
    }
}

ferrule_testkit::test! {
    /// A mapping of a family that the container has no address of leads nowhere.
    fn the_containers_families_are_respected(host, form in FORMS)
        needs [Iptables, Ip6tables, Nftables, Ipv6, Tool("iptables-legacy")] {
        let mut node = Node::new(host, form);
        node.network = node.network.clone().with(json!({ "ipam": {
            "type": "host-local", "subnet": "10.1.2.0/24", "routes": [{ "dst": "0.0.0.0/0" }],
        } }));
        let pod = node.prepare("pod", &[], &json!({}));
        let before = host.snapshot();
        let call = |entries: &[Value]| {
            pod.call_with(&json!({ "runtimeConfig": { "portMappings": entries } }))
        };
        for host_ip in ["2001:db8::1", "::1", "::"] {
            let refused = call(&[mapping_at(host_ip, "tcp", 8080, 80)]).add().fails_with_code(7);
            refused.mentions("no address of the family of its host IP").mentions("8080");
        }
        assert_same(&before, &host.snapshot());
        // The pair that runtimes send for either family.
        let pair = [mapping_at("0.0.0.0", "tcp", 8080, 80), mapping_at("::", "tcp", 8080, 80)];
        call(&pair).add().succeeds();
        let to = node::at("127.0.0.1", 8080);
        assert!(node::seen("tcp", pod.namespace(), 80, host, to).is_some());
        call(&pair).check().succeeds();
        call(&pair).del().succeeds();
    }
}

ferrule_testkit::test! {
    /// Without mappings, or without an address, the result is passed on and nothing is touched.
    fn nothing_to_map_is_nothing_to_do(host, form in FORMS)
        needs [Iptables, Ip6tables, Nftables, Ipv6, Tool("iptables-legacy")] {
        let node = Node::new(host, form);
        let pod = node.prepare("pod", &[mapping("tcp", 8080, 80)], &json!({}));
        let before = host.snapshot();
        for keys in [
            json!({ "runtimeConfig": null }),
            json!({ "runtimeConfig": {} }),
            json!({ "runtimeConfig": { "portMappings": null } }),
            json!({ "runtimeConfig": { "portMappings": [] } }),
        ] {
            let answer = pod.call_with(&keys).add().succeeds().json();
            assert_eq!(answer, pod.attachment.result);
            pod.call_with(&keys).check().succeeds();
            pod.call_with(&keys).del().succeeds();
        }
        let mut unaddressed = pod.attachment.result.clone();
        unaddressed["ips"] = json!([]);
        pod.call_with(&json!({ "prevResult": unaddressed })).add().succeeds();
        assert_same(&before, &host.snapshot());
    }
}

ferrule_testkit::test! {
    /// An ADD that fails for one family takes back what it did for the other.
    fn a_failed_add_takes_everything_back(host, form in ["iptables", "iptables-legacy"])
        needs [Iptables, Ip6tables, Ipv6, Tool("iptables-legacy")] {
        let node = Node::new(host, form);
        let keys = json!({ "externalSetMarkChain": "MARK-IT" });
        let pod = node.prepare("pod", &[mapping("tcp", 8080, 80)], &keys);
        let suffix = form.strip_prefix("iptables").unwrap();
        // For IPv4 alone.
        host.tool(&format!("iptables{suffix}"), "-t nat -N MARK-IT");
        let error = pod.portmap.add().fails().error();
        assert!(error.msg.contains("ip6tables") && error.msg.contains("MARK-IT"), "{error:?}");
        assert!(!pod.is_mentioned_in(&node.rules()), "{}", node.rules());
    }
}

ferrule_testkit::test! {
    /// The same when the last step, letting localhost through, fails.
    fn a_failed_kernel_setting_takes_everything_back(host, form in FORMS)
        needs [Iptables, Ip6tables, Nftables, Ipv6, Tool("iptables-legacy")] {
        let node = Node::new(host, form);
        let pod = node.prepare("pod", &[mapping("tcp", 8080, 80)], &json!({}));
        // A read-only file system over the settings, as in some containers.
        host.exec("mount -t tmpfs -o ro none /proc/sys/net/ipv4/conf").succeeds();
        pod.portmap.add().fails().mentions("route_localnet");
        assert!(!pod.is_mentioned_in(&node.rules()), "{}", node.rules());
    }
}

ferrule_testkit::test! {
    /// STATUS: 50 if the back end does not work.
    fn status_tells_whether_the_back_end_works(host, form in FORMS)
        needs [Iptables, Ip6tables, Nftables, Ipv6, Tool("iptables-legacy")] {
        let node = Node::new(host, form);
        let pod: Pod = node.prepare("pod", &[], &json!({}));
        pod.portmap.status().succeeds().stdout_is("");
        if !node.is_iptables() {
            // No tool is needed.
            pod.portmap.clone().env("PATH", "/nowhere").status().succeeds();
            return;
        }
        let folder = host.work_folder().join("broken");
        std::fs::create_dir(&folder).unwrap();
        for tool in ["iptables", "iptables-restore"] {
            let script = folder.join(tool);
            std::fs::write(&script, "#!/bin/sh\necho no such table >&2; exit 3").unwrap();
            std::fs::set_permissions(&script, Permissions::from_mode(0o755)).unwrap();
        }
        let broken = pod.portmap.clone().env("PATH", &folder);
        broken.status().fails_with_code(50).mentions("no such table");
    }
}

ferrule_testkit::test! {
    /// Without `backend` the node decides: iptables, unless that does not work.
    fn the_default_is_the_nodes_choice(host) needs [Iptables, Ip6tables, Nftables, Ipv6] {
        let node = Node::new(host, "iptables");
        let pod = node.prepare("pod", &[mapping("tcp", 8080, 80)], &json!({}));
        let call = pod.call_with(&json!({ "backend": null }));
        call.add().succeeds();
        assert!(node.rules().contains("CNI-DN-") && !node.rules().contains("cni_hostport"));
        call.check().succeeds();
        call.del().succeeds();
        let folder = host.work_folder().join("broken");
        std::fs::create_dir(&folder).unwrap();
        for tool in ["iptables", "iptables-restore"] {
            std::fs::write(folder.join(tool), "#!/bin/sh\nexit 3\n").unwrap();
            std::fs::set_permissions(folder.join(tool), Permissions::from_mode(0o755)).unwrap();
        }
        let broken = call.env("PATH", &folder);
        broken.add().succeeds();
        assert!(!node.rules().contains("CNI-DN-"));
        assert!(node.rules().contains(&format!("{}:80", pod.address(0))));
        broken.status().succeeds();
        broken.check().succeeds();
        // The tools work again: DEL looks everywhere.
        pod.portmap.del().succeeds();
        assert!(!pod.is_mentioned_in(&node.rules()));
    }
}
