//! The cost of a verb does not depend on other objects of the node.

use ferrule_testkit::Host;
use ferrule_tests::Network;

/// How many bytes the plugin receives from the kernel during ADD, CHECK and DEL.
fn received(host: &Host, plugin: &str, container: &str) -> Vec<u64> {
    let network = Network::of(plugin);
    host.netns(container);
    let log = host.work_folder().join("strace");
    let executable = ferrule_testkit::binaries_folder().join(plugin);
    let words = [
        "-o",
        log.to_str().unwrap(),
        "-e",
        "trace=recvfrom,recvmsg,read",
        executable.to_str().unwrap(),
    ];
    let traced = host.executable("/usr/bin/strace", words);
    let traced = traced.cni_path(ferrule_testkit::binaries_folder());
    let traced = traced
        .container(container)
        .ifname("eth0")
        .netns(format!("/run/netns/{container}"));
    let mut config = network.config.clone();
    let verbs = ["ADD", "CHECK", "DEL"].into_iter().map(|verb| {
        let outcome = traced.clone().config(&config).verb(verb).run().succeeds();
        if verb == "ADD" {
            config["prevResult"] = outcome.json();
        }
        let text = std::fs::read_to_string(&log).unwrap();
        let answers = text.lines().filter(|line| line.starts_with("recv"));
        // With MSG_PEEK the length is returned without a copy.
        let answers = answers.filter(|line| !line.contains("MSG_PEEK"));
        let length = |line: &str| {
            line.rsplit("= ")
                .next()
                .and_then(|word| word.parse::<u64>().ok())
        };
        answers.filter_map(length).sum()
    });
    verbs.collect()
}

ferrule_testkit::test! {
    /// Two hundred links with routes are not read, which would be a quarter of a megabyte. The
    /// number of polls while waiting for the kernel varies by one or two.
    fn other_links_cost_nothing(host, plugin in ["bridge", "ptp"]) needs [Tool("strace")] {
        Network::of(plugin).attach(host, "earlier");
        let alone = received(host, plugin, "c1");
        assert!(alone.iter().all(|bytes| *bytes > 1000), "{alone:?}");
        for number in 0..100 {
            host.ip(format!("link add x{number} type veth peer name y{number}"));
            host.ip(format!("address add 10.200.{number}.1/24 dev x{number}"));
            host.ip(format!("link set x{number} up"));
            host.ip(format!("link set y{number} up"));
        }
        let crowded = received(host, plugin, "c2");
        for (verb, (before, after)) in alone.iter().zip(&crowded).enumerate() {
            assert!(*after < before + 4000, "verb {verb}: {alone:?} became {crowded:?}");
        }
    }
}
