//! `cnitool gc`: what it removes, what it keeps, and what it says of it.

use std::fs;

use ferrule_testkit::Host;
use serde_json::json;

use super::{cnitool, remembered, requests, script_network};

/// The id that cnitool has made for a namespace.
fn id_of(netns: &str) -> String {
    let files = remembered().into_iter().filter(|name| {
        let text = fs::read_to_string(format!("/var/lib/cni/results/{name}")).unwrap();
        text.contains(netns)
    });
    let name = files.collect::<Vec<_>>()[0].clone();
    name.split('-')
        .skip(1)
        .take(2)
        .collect::<Vec<_>>()
        .join("-")
}

/// Attaches c1, c2 and c3, the first two twice.
fn attach_five(host: &Host) {
    script_network(host, &["good"]);
    for words in ["c1", "c1 -i net1", "c2", "c2 -i net1", "c3"] {
        cnitool(host, &format!("add mynet /run/netns/{words}"))
            .run()
            .succeeds();
    }
    requests(host);
}

ferrule_testkit::test! {
    /// Keeping nothing has to be said; then everything goes, and plugins hear that nothing is valid.
    fn keeping_nothing_is_said_in_so_many_words(host) {
        script_network(host, &["good"]);
        cnitool(host, "add mynet /run/netns/c1").run().succeeds();
        requests(host);
        for line in ["gc mynet", "gc mynet /run/netns/c1", "gc mynet --keep c1 --keep-nothing"] {
            let refused = cnitool(host, line).run().fails().stdout_is("");
            assert_eq!(refused.status.code(), Some(2), "{refused}");
            assert!(refused.stderr.contains("--keep-nothing"), "{refused}");
        }
        assert!(requests(host).is_empty());
        let id = id_of("/run/netns/c1");
        let text = format!(
            "1 attachment of network mynet was removed:\n\n\
             CONTAINER                     INTERFACE  ADDRESSES    NAMESPACE\n\
             {id}  eth0       10.7.0.2/24  /run/netns/c1\n"
        );
        cnitool(host, "gc mynet ignored --keep-nothing").run().succeeds().stdout_is(&text);
        let requests = requests(host);
        assert!(requests[0].starts_with("DEL good eth0 "), "{requests:?}");
        assert!(requests[1].starts_with("GC good  "), "{requests:?}");
        assert!(requests[1].contains(r#""cni.dev/valid-attachments":[]"#), "{requests:?}");
        assert!(remembered().is_empty());
        let nothing = "no attachment of network mynet was removed\n";
        cnitool(host, "gc mynet --keep-nothing").run().succeeds().stdout_is(nothing);
    }
}

ferrule_testkit::test! {
    /// What gc is told to keep stays, in each way of naming it.
    fn what_is_named_stays(host) {
        attach_five(host);
        let (c2, c3) = (id_of("/run/netns/c2"), id_of("/run/netns/c3"));
        // The beginning of an id will do.
        let short = &c3[..c3.len() - 4];
        let line = format!("gc mynet --keep /run/netns/c1 --keep {c2}/net1 --keep {short} --json");
        let removed = cnitool(host, &line).run().succeeds().json();
        assert_eq!(removed, json!({ "network": "mynet", "removed": [{
            "containerID": c2, "ifname": "eth0", "netns": "/run/netns/c2", "addresses": ["10.7.0.2/24"],
        }]}));
        let requests = requests(host);
        assert_eq!(requests.len(), 2, "{requests:?}");
        assert!(requests[0].starts_with("DEL good eth0 "), "{requests:?}");
        assert!(requests[1].contains(&format!(r#"{{"containerID":"{c2}","ifname":"net1"}}"#)));
        assert_eq!(remembered().len(), 4);
        assert!(!remembered().contains(&format!("mynet-{c2}-eth0")));
    }
}

ferrule_testkit::test! {
    /// A name that is not known is refused, whatever else is kept: it may be misspelt.
    fn an_unknown_name_is_refused(host) {
        attach_five(host);
        let c1 = id_of("/run/netns/c1");
        let misspelt = c1.replacen("cnitool", "cnitol", 1);
        for (name, hint) in [
            (misspelt.as_str(), format!("did you mean {c1}?")),
            ("/run/netns/c4", "did you mean /run/netns/c".to_owned()),
            (&format!("{c1}/eth1"), format!("did you mean {c1}/eth0?")),
            ("cnitool", "is ambiguous".to_owned()),
            ("c%1", "the containers there are: cnitool-".to_owned()),
        ] {
            for options in ["", " --dry-run"] {
                let line = format!("gc mynet --keep {name} --keep /run/netns/c1{options}");
                let refused = cnitool(host, &line).run().fails().stdout_is("");
                assert!(refused.stderr.starts_with(&format!("cnitool gc: --keep {name}: ")), "{refused}");
                assert!(refused.stderr.contains(&hint), "{refused}");
            }
        }
        // That of another network is not known in this one.
        let plugins = json!([{ "type": "good" }]);
        host.write_network("20-b.conflist", &json!({ "cniVersion": "1.1.0", "name": "b", "plugins": plugins }));
        cnitool(host, "add b /run/netns/only-b").run().succeeds();
        requests(host);
        cnitool(host, "gc mynet --keep /run/netns/only-b").run().fails();
        assert!(requests(host).is_empty());
        assert_eq!(remembered().len(), 6);
    }
}

ferrule_testkit::test! {
    /// A dry run says what would go, and changes nothing.
    fn a_dry_run_changes_nothing(host) {
        attach_five(host);
        let all = cnitool(host, "gc mynet --dry-run").run().succeeds();
        assert!(all.stdout.starts_with("5 attachments of network mynet would be removed:\n"), "{all}");
        let some = cnitool(host, "gc mynet --dry-run --keep /run/netns/c1 --json").run().succeeds();
        assert_eq!(some.json()["wouldRemove"].as_array().unwrap().len(), 3);
        assert!(requests(host).is_empty());
        assert_eq!(remembered().len(), 5);
    }
}

ferrule_testkit::test! {
    /// What could not be removed is an error, and only what is gone is said to be removed.
    fn what_is_left_is_not_said_to_be_removed(host) {
        attach_five(host);
        super::script(host, "good", "[ $CNI_COMMAND != DEL -o $CNI_IFNAME != net1 ]");
        let failed = cnitool(host, "gc mynet --keep-nothing --json").run().fails();
        assert_eq!(failed.json()["removed"].as_array().unwrap().len(), 3);
        assert_eq!(failed.stderr.matches("interface net1 of container ").count(), 2, "{failed}");
        assert_eq!(remembered().len(), 2);
    }
}

ferrule_testkit::test! {
    /// A network that disables GC says so.
    fn a_network_without_gc_says_so(host) {
        script_network(host, &["good"]);
        let list = json!({ "cniVersion": "1.1.0", "name": "mynet", "disableGC": true, "plugins": [{ "type": "good" }] });
        host.write_network("10-mynet.conflist", &list);
        cnitool(host, "add mynet /run/netns/c1").run().succeeds();
        let done = cnitool(host, "gc mynet --keep-nothing").run().succeeds();
        done.stdout_is("network mynet has disableGC: nothing is removed\n");
        assert_eq!(remembered().len(), 1);
    }
}

ferrule_testkit::test! {
    /// An attachment whose cache was lost is known by its link, and can be kept.
    fn a_lost_cache_hides_no_attachment(host) {
        attach_five(host);
        host.ip("link add lost0 type veth peer name lost1");
        host.ip("link set lost0 alias cni:mynet/lost/eth0");
        host.ip("link set lost1 alias cni:other/foreign/eth0");
        let all = cnitool(host, "gc mynet --dry-run --json").run().succeeds().json();
        let all = all["wouldRemove"].as_array().unwrap();
        assert!(all.len() == 6 && all.iter().any(|one| one["containerID"] == "lost"), "{all:?}");
        let removed = cnitool(host, "gc mynet --keep lost --json").run().succeeds().json();
        assert_eq!(removed["removed"].as_array().unwrap().len(), 5);
        let requests = requests(host);
        let kept = r#""cni.dev/valid-attachments":[{"containerID":"lost","ifname":"eth0"}]"#;
        assert!(requests.iter().any(|request| request.contains(kept)), "{requests:?}");
        // The script does not remove links.
        let nothing = "no attachment of network mynet was removed\n";
        cnitool(host, "gc mynet --keep-nothing").run().succeeds().stdout_is(nothing);
        cnitool(host, "gc mynet --keep foreign").run().fails();
    }
}
