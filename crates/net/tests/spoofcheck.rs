//! The check of Ethernet addresses, judged by frames on a bridge.

use std::process::Command;

use cni_types::{Attachment, Attachments};
use ferrule_kernel::Mac;
use ferrule_net::AttachmentId;
use ferrule_net::spoofcheck::{SpoofCheck, gc};
use ferrule_netfilter::nft::{Family, Nft, Table, Transaction};
use ferrule_testkit::{Container, Host};

const TABLE: Table<'_> = Table::new(Family::Bridge, "nat");
const GENUINE: &str = "02:00:00:00:00:01";
const FORGED: &str = "02:00:00:00:00:02";

fn mac(text: &str) -> Mac {
    text.parse().unwrap()
}

fn id(network: &str, container_id: &str, ifname: &str) -> AttachmentId {
    AttachmentId {
        network: network.to_owned(),
        container_id: container_id.to_owned(),
        ifname: ifname.to_owned(),
    }
}

fn listed() -> String {
    let output = Command::new("nft")
        .args(["-s", "list", "ruleset", "bridge"])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Puts a container on the bridge.
fn plug(host: &Host, name: &str, address: &str) -> Container {
    let container = host.netns(name);
    host.ip(format!("link add port{name} type veth peer name eth0 netns {name}").as_str());
    host.ip(format!("link set port{name} master br0 up").as_str());
    container.ip(format!("address add {address}/24 dev eth0").as_str());
    container.ip("link set eth0 up");
    container
}

ferrule_testkit::test! {
    /// Frames from another address go nowhere, those from the right one do.
    fn only_frames_from_the_own_address_pass(host) needs [Nftables] {
        host.ip("link add br0 type bridge");
        host.ip("link set br0 up");
        host.ip("address add 10.1.2.1/24 dev br0");
        let (suspect, peer) = (plug(host, "a", "10.1.2.2"), plug(host, "b", "10.1.2.3"));
        suspect.ip(format!("link set eth0 address {GENUINE}").as_str());
        let id = id("net", "c-1", "eth0");
        let check = SpoofCheck::of(&id);
        check.add("porta", mac(GENUINE)).unwrap();
        check.check("porta", mac(GENUINE)).unwrap();
        let reaches = || {
            // What is known of its other address must not decide.
            suspect.ip("neigh flush all");
            peer.ip("neigh flush all");
            suspect.ping("10.1.2.3")
        };
        assert!(reaches());
        suspect.ip(format!("link set eth0 address {FORGED}").as_str());
        assert!(!reaches());
        // Others are not concerned.
        assert!(peer.ping("10.1.2.1"));
        check.remove().unwrap();
        assert!(reaches());
        check.remove().unwrap();
    }
}

ferrule_testkit::test! {
    /// The rules are those of the Go plugins, once, however often they are added.
    fn rules_are_there_once(_host) needs [Nftables] {
        let id = id("net", "c-1", "eth0");
        let check = SpoofCheck::of(&id);
        check.remove().unwrap();
        assert_eq!(listed(), "");
        check.add("veth1", mac(FORGED)).unwrap();
        check.add("veth2", mac(FORGED)).unwrap();
        check.add("veth2", mac(GENUINE)).unwrap();
        let text = listed();
        for line in [
            "type filter hook prerouting priority dstnat; policy accept;",
            r#"iifname "veth2" jump cni-br-iface-c-1-eth0 comment "macspoofchk-c-1-eth0""#,
            r#"jump cni-br-iface-c-1-eth0-mac comment "macspoofchk-c-1-eth0""#,
            r#"ether saddr 02:00:00:00:00:01 return comment "macspoofchk-c-1-eth0""#,
            r#"drop comment "macspoofchk-c-1-eth0""#,
        ] {
            assert_eq!(text.lines().filter(|one| one.trim() == line).count(), 1, "{line}\n{text}");
        }
        assert!(!text.contains("veth1") && !text.contains(FORGED), "{text}");
        check.remove().unwrap();
        assert_eq!(Nft::open().unwrap().chains(TABLE).unwrap().len(), 1);
        assert_eq!(Nft::open().unwrap().rules(TABLE.chain("PREROUTING")).unwrap(), []);
    }
}

ferrule_testkit::test! {
    /// CHECK sees every rule go and says which.
    fn check_names_the_rule_that_is_missing(_host) needs [Nftables] {
        let id = id("net", "c", "eth0");
        let check = SpoofCheck::of(&id);
        let nft = Nft::open().unwrap();
        for (chain, place, sentence) in [
            ("PREROUTING", 0, r#"iifname "veth1" jump cni-br-iface-c-eth0"#),
            ("cni-br-iface-c-eth0", 0, "jump cni-br-iface-c-eth0-mac"),
            ("cni-br-iface-c-eth0-mac", 0, "ether saddr 02:00:00:00:00:01 return"),
            ("cni-br-iface-c-eth0-mac", 1, "drop"),
        ] {
            check.add("veth1", mac(GENUINE)).unwrap();
            check.check("veth1", mac(GENUINE)).unwrap();
            let chain = TABLE.chain(chain);
            let handle = nft.rules(chain).unwrap().get(place).unwrap().handle;
            let mut changes = Transaction::new();
            changes.delete_rule(chain, handle);
            nft.commit(&changes).unwrap();
            let error = check.check("veth1", mac(GENUINE)).unwrap_err().to_string();
            assert_eq!(error, format!("rule missing in {chain}: {sentence}"));
        }
        check.add("veth1", mac(GENUINE)).unwrap();
        check.check("veth2", mac(GENUINE)).unwrap_err();
        check.check("veth1", mac(FORGED)).unwrap_err();
    }
}

ferrule_testkit::test! {
    /// GC takes what is not listed, of its network only, and none of others' making.
    fn gc_takes_what_is_not_listed(_host) needs [Nftables] {
        let keep: Attachments = [Attachment {
            container_id: "live".to_owned(),
            ifname: "eth0".to_owned(),
        }]
        .into_iter()
        .collect();
        let add = |id: &AttachmentId| SpoofCheck::of(id).add("veth1", mac(GENUINE)).unwrap();
        let (live, other) = (id("net", "live", "eth0"), id("network", "dead", "eth1"));
        add(&live);
        add(&other);
        let chain = "add chain bridge nat cni-br-iface-theirs-eth0";
        assert!(Command::new("nft").args(chain.split(' ')).status().unwrap().success());
        let wanted = listed();
        add(&id("net", "dead-mac", "eth0-mac"));
        add(&id("net", "live", "net1"));
        gc("net", &keep).unwrap();
        assert_eq!(listed(), wanted);
        SpoofCheck::of(&live).check("veth1", mac(GENUINE)).unwrap();
    }
}

ferrule_testkit::test! {
    /// An address that is no Ethernet address is refused before anything is done.
    fn other_addresses_are_refused(_host) needs [Nftables] {
        let check = SpoofCheck::of(&id("net", "c", "eth0"));
        let long = Mac::from_bytes(&[1; 8]).unwrap();
        let error = check.add("veth1", long).unwrap_err().to_string();
        assert!(error.ends_with("is not an Ethernet address"), "{error}");
        assert_eq!(listed(), "");
    }
}
