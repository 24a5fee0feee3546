//! The subnet file: missing, incomplete, or hostile.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use ferrule_testkit::assert_same;
use serde_json::json;

use crate::flannel::{DUAL, attach, call, config, write_subnet_env};

ferrule_testkit::test! {
    /// The error names the file, what is wrong with it, and what to do.
    fn an_unusable_file_is_an_error(host) {
        let path = Path::new("/run/flannel/subnet.env");
        fs::create_dir_all("/run/flannel").unwrap();
        host.exec(["mkfifo", "/run/flannel/pipe"]).succeeds();
        let file = |text: &[u8]| fs::write(path, text).unwrap();
        let link = |target: &str| symlink(target, path).unwrap();
        for (case, code, text) in [
            ("nothing", 11, "open /run/flannel/subnet.env: no such file or directory"),
            ("dangling", 11, "no such file or directory"),
            ("loop", 5, "too many"),
            ("folder", 5, "is a directory"),
            ("pipe", 6, "is missing FLANNEL_NETWORK, FLANNEL_IPV6_NETWORK, FLANNEL_SUBNET, \
                         FLANNEL_IPV6_SUBNET, FLANNEL_MTU, FLANNEL_IPMASQ"),
            ("zero", 5, "longer than"),
            ("large", 6, "bytes long"),
            ("bytes", 5, "UTF-8"),
            ("no value", 6, "FLANNEL_MTU has no value"),
            ("no number", 6, "FLANNEL_MTU: invalid number"),
            ("no network", 6, "FLANNEL_NETWORK: invalid CIDR address: 10.1.0.0/33"),
        ] {
            match case {
                "nothing" => {}
                "dangling" => link("/run/flannel/none"),
                "loop" => link("subnet.env"),
                "folder" => fs::create_dir(path).unwrap(),
                "pipe" => link("/run/flannel/pipe"),
                "zero" => link("/dev/zero"),
                "large" => file(&DUAL.repeat(1000).into_bytes()),
                "bytes" => file(b"FLANNEL_MTU=\xff\n"),
                "no value" => file(format!("{DUAL}FLANNEL_MTU\n").as_bytes()),
                "no number" => file(format!("{DUAL}FLANNEL_MTU=-1\n").as_bytes()),
                _ => file(DUAL.replace("10.1.0.0/16", "10.1.0.0/33").as_bytes()),
            }
            let before = host.snapshot();
            let outcome = call(host, "c1").add().fails_with_code(code);
            let outcome = outcome.mentions("failed to load flannel 'subnet.env' file: ").mentions(text);
            outcome.mentions("check the flannel pod log").mentions(path.to_str().unwrap());
            assert_same(&before, &host.snapshot());
            let _ = fs::remove_file(path);
            let _ = fs::remove_dir(path);
        }
    }
}

ferrule_testkit::test! {
    /// In another folder, behind a symbolic link, with CRLF line ends.
    fn the_file_may_be_elsewhere(host) needs [Ipv6] {
        fs::write("/run/real", DUAL.replace('\n', "\r\n")).unwrap();
        symlink("/run/real", "/run/subnet").unwrap();
        let container = host.netns("c1");
        let mut config = config();
        config["SubnetFile"] = json!("/run/subnet");
        config["dataDir"] = json!("/run/records/of/flannel");
        let call = call(host, "c1").config(config);
        call.add().succeeds();
        assert!(container.ping("10.1.17.1"));
        assert_eq!(crate::flannel::names("/run/records/of/flannel"), ["c1", "c1:eth0"]);
        call.del().succeeds();
        assert_eq!(crate::flannel::names("/run/records/of/flannel"), [""; 0]);
    }
}

ferrule_testkit::test! {
    /// A node with IPv6 only.
    fn ipv6_only(host) needs [Ipv6] {
        write_subnet_env("FLANNEL_IPV6_NETWORK=fd01::/48\nFLANNEL_IPV6_SUBNET=fd01:0:0:17::1/64\n\
                          FLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n");
        let attachment = attach(host, "c1");
        assert_eq!(attachment.container.addresses("eth0"), ["fd01:0:0:17::2/64"]);
        attachment.check().succeeds();
        attachment.detach();
    }
}
