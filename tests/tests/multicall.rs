//! `ferrule`, all plugins in one executable, by links and by its own name.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use ferrule_testkit::{Host, assert_same, binaries_folder};
use ferrule_tests::Network;

use crate::lifecycle::leases;

/// The names of the plugins, one per folder of the source.
fn plugins(host: &Host) -> Vec<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/names");
    let names = host
        .exec(format!("{} plugins", script.display()))
        .succeeds();
    names.stdout.lines().map(str::to_owned).collect()
}

/// A plugin folder of nothing but links to `ferrule`.
fn links(host: &Host) -> PathBuf {
    let folder = host.work_folder().join("links");
    fs::create_dir(&folder).unwrap();
    for name in plugins(host) {
        symlink(binaries_folder().join("ferrule"), folder.join(name)).unwrap();
    }
    folder
}

ferrule_testkit::test! {
    /// It holds every plugin, and each answers by its name as the executable of that name does.
    fn every_plugin_is_in_it(host) {
        let ferrule = binaries_folder().join("ferrule");
        let ask = |path: PathBuf, words: &[&str]| {
            host.executable(path, words).verb("VERSION").run().succeeds().json()
        };
        let listed = host.executable(&ferrule, "--list").run().succeeds().stdout;
        assert_eq!(listed.lines().collect::<Vec<_>>(), plugins(host));
        let links = links(host);
        for name in plugins(host) {
            let alone = ask(binaries_folder().join(&name), &[]);
            assert_eq!(ask(links.join(&name), &[]), alone, "{name}");
            assert_eq!(ask(ferrule.clone(), &[&name]), alone, "{name}");
        }
    }
}

ferrule_testkit::test! {
    /// An attachment by links, the address plugin in the same process, as both are of one build.
    fn attaches_in_one_process(host, plugin in ["bridge", "ptp"]) needs [NamedBuild, Tool("strace")] {
        let container = host.netns("c1");
        let links = links(host);
        let trace = host.work_folder().join("trace");
        let network = Network::of(plugin);
        let run = |verb: &str| {
            let words = format!(
                "-f -e trace=execve -o {} {}", trace.display(), links.join(plugin).display()
            );
            let call = host.executable("/usr/bin/strace", words).cni_path(&links).verb(verb);
            let call = call.container("c1").netns(&container).ifname("eth0");
            let outcome = call.config(&network.config).run().succeeds();
            let trace = fs::read_to_string(&trace).unwrap();
            assert_eq!(trace.matches("execve(").count(), 1, "{trace}");
            outcome
        };
        let result = run("ADD").json();
        assert_eq!(leases().len(), 2, "{result}");
        for ip in result["ips"].as_array().unwrap() {
            let (address, _) = ip["address"].as_str().unwrap().split_once('/').unwrap();
            assert!(host.ping(address), "{address}");
        }
        run("DEL").stdout_is("");
        assert_eq!(leases(), [""; 0]);
        assert!(!container.has_link("eth0"));
    }
}

ferrule_testkit::test! {
    /// `ferrule NAME` is the plugin, arguments included.
    fn by_its_own_name(host) {
        let ferrule = binaries_folder().join("ferrule");
        let before = host.snapshot();
        let alone = host.executable(binaries_folder().join("bridge"), "--version").run().succeeds();
        let within = host.executable(&ferrule, "bridge --version").run().succeeds();
        assert_eq!((within.stdout, within.stderr), (alone.stdout, alone.stderr));
        let own = host.executable(&ferrule, "--version").run().succeeds();
        assert!(own.stdout.starts_with("Ferrule "), "{own}");
        assert_same(&before, &host.snapshot());
    }
}

ferrule_testkit::test! {
    /// Under a name that no plugin has, or without one, it says which there are; a runtime sees a
    /// failure.
    fn other_names_fail(host, verb in ["", "ADD"]) {
        let stranger = host.work_folder().join("stranger");
        symlink(binaries_folder().join("ferrule"), &stranger).unwrap();
        for (path, words) in [(stranger, ""), (binaries_folder().join("ferrule"), "bridges")] {
            let outcome = host.executable(path, words).verb(verb).run().fails();
            assert_eq!(outcome.status.code(), Some(2), "{outcome}");
            assert!(outcome.stderr.contains("bridge dhcp"), "{outcome}");
            assert_eq!(outcome.stdout, "");
        }
    }
}
