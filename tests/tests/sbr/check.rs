//! CHECK.

use serde_json::json;

use crate::sbr::node::Node;

ferrule_testkit::test! {
    /// CHECK succeeds without damage, and names each kind of damage.
    fn check_detects_every_damage(host, case in [
        "rule delete from 10.0.1.5 => 10.0.1.5",
        "-6 rule delete from fd00:1::5 => fd00:1::5",
        "route delete default table 100 => 0.0.0.0/0 on \"net1\" is missing in table 100",
        "-6 route delete default table 101 => ::/0 on \"net1\" is missing in table 101",
        "route delete 10.0.1.0/24 table 100 => 10.0.1.0/24",
        "-6 route delete fd00:1::/64 table 101 => fd00:1::/64",
        "route delete 198.51.100.0/24 table 100 => 198.51.100.0/24",
        "route replace default via 10.0.0.1 dev eth0 table 100 => 0.0.0.0/0",
        "rule add from 10.0.1.5 lookup 900 priority 5 => table 900",
        "link set net1 down => is down, expected up",
        "link delete net1 => not found",
    ]) needs [Ipv6] {
        let (damage, expected) = case.split_once(" => ").unwrap();
        let node = Node::new(host);
        node.container.ip("route add 198.51.100.0/24 via 10.0.1.7 metric 3");
        let mut result = node.result();
        result["routes"] = json!([
            { "dst": "198.51.100.0/24", "gw": "10.0.1.7" },
            { "dst": "198.51.101.0/24", "gw": "10.0.0.7" },
        ]);
        let call = node.call(&json!({ "prevResult": result }));
        call.check().fails().mentions("10.0.1.5");
        call.add().succeeds();
        call.check().succeeds().stdout_is("");
        node.container.ip(damage);
        call.check().fails_with_code(999).mentions(expected);
    }
}

ferrule_testkit::test! {
    /// The CHECK of the plugin that created the interface finds its routes in other tables.
    fn the_plugin_before_passes_check(host, plugin in ["bridge", "ptp"]) needs [Ipv6] {
        let attachment = ferrule_tests::Network::of(plugin).attach(host, "c1");
        let config = json!({ "cniVersion": "1.1.0", "name": "net", "type": "sbr" });
        let config = ferrule_tests::with_prev_result(&config, &attachment.result);
        let call = host.plugin("sbr").container("c1").netns(&attachment.container);
        let call = call.ifname("eth0").config(&config);
        let answer = call.add().succeeds().json();
        assert_eq!(answer, attachment.result);
        call.check().succeeds();
        attachment.check().succeeds();
        for (position, gateway) in ["10.1.2.1", "fd00:1:2::1"].into_iter().enumerate() {
            let source = attachment.address(position);
            let ping = ["ping", "-n", "-q", "-c", "1", "-i", "0.2", "-w", "2", "-I", source, gateway];
            attachment.container.exec(ping).succeeds();
        }
        attachment.container.ip("route flush table 100");
        attachment.check().fails();
        call.check().fails();
        call.del().succeeds();
        attachment.detach();
    }
}
