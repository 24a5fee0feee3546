//! Settings of the link, and refused values.

use std::os::unix::fs::PermissionsExt as _;

use ferrule_testkit::assert_same;
use ferrule_tests::single_link::check_detects;
use serde_json::{Value, json};

use crate::tap::tap;

ferrule_testkit::test! {
    /// The kernel has the configured owner, group, queues, MTU and MAC address; the last two also
    /// with owner and group, where the Go plugin ignores them.
    fn settings_reach_the_kernel(host) needs [Tun] {
        let keys = json!({ "OWNER": 54321, "group": 54322, "multiQueue": true, "mtu": 1400,
                           "mac": "02-00-00-00-00-AB", "args": { "cni": { "mac": "x" } } });
        let attachment = tap().with(keys).attach(host, "c1");
        let link = attachment.container.link("eth0");
        assert_eq!(link["mtu"], 1400);
        assert_eq!(link["address"], "02:00:00:00:00:ab");
        let info = &link["linkinfo"];
        assert_eq!(info["info_kind"], "tun");
        for (key, value) in [
            ("type", json!("tap")), ("user", json!(54321)), ("group", json!(54322)),
            ("multi_queue", json!(true)), ("persist", json!(true)), ("pi", json!(false)),
            ("vnet_hdr", json!(true)),
        ] {
            assert_eq!(info["info_data"][key], value, "{key} of {info}");
        }
        let path = attachment.container.path().display().to_string();
        assert_eq!(attachment.result["interfaces"], json!([
            { "name": "eth0", "mac": "02:00:00:00:00:ab", "mtu": 1400, "sandbox": path },
        ]));
        attachment.check().succeeds();

        let plain = tap().with(json!({ "owner": null, "group": null, "mtu": 0 }));
        let plain = plain.attach(host, "c2");
        let link = plain.container.link("eth0");
        assert_eq!(link["mtu"], 1500);
        let data = &link["linkinfo"]["info_data"];
        assert_eq!(data["multi_queue"], false);
        assert_eq!((data.get("user"), data.get("group")), (None, None));
        let root = tap().with(json!({ "owner": 0, "group": 0 })).attach(host, "c3");
        let data = root.container.link("eth0")["linkinfo"]["info_data"].clone();
        assert_eq!((&data["user"], &data["group"]), (&json!("root"), &json!("root")));
    }
}

ferrule_testkit::test! {
    /// The result has the form of each version, with and without addresses.
    fn results_have_the_form_of_their_version(host, version in VERSIONS) needs [Tun] {
        let attachment = tap().version(version).attach(host, "c1");
        let path = attachment.container.path().display().to_string();
        let mac = attachment.container.link("eth0")["address"].clone();
        let mut entry = json!({ "name": "eth0", "mac": mac, "sandbox": path });
        if version == "1.1.0" {
            entry["mtu"] = json!(1500);
        }
        let is_old = ["0.1.0", "0.2.0"].contains(&version);
        if is_old {
            assert_eq!(attachment.result["ip4"]["ip"], "10.1.2.2/24");
            assert_eq!(attachment.result.get("interfaces"), None);
        } else {
            assert_eq!(attachment.result["interfaces"], json!([entry]));
            assert_eq!(attachment.result["ips"][1]["interface"], 0);
        }
        if version >= "0.4.0" {
            attachment.check().succeeds();
        } else {
            attachment.check().fails_with_code(1);
        }
        attachment.detach();

        let dns = json!({ "nameservers": ["192.0.2.7"], "search": ["a.example"] });
        let flat = tap().version(version).without_ipam().with(json!({ "dns": dns }));
        let container = host.netns("c2");
        let before = container.network_snapshot();
        let outcome = flat.call(host, "c2").add();
        if is_old {
            outcome.fails().mentions("cannot convert: no valid IP addresses");
            assert_same(&before, &container.network_snapshot());
        } else {
            let result = outcome.succeeds().json();
            assert_eq!(result["dns"], dns);
            assert_eq!(result["interfaces"][0]["name"], "eth0");
            assert!(container.link("eth0")["flags"].as_array().unwrap().contains(&json!("UP")));
        }
        flat.call(host, "c2").del().succeeds();
    }
}

ferrule_testkit::test! {
    /// CHECK detects each change.
    fn check_detects_every_change(host) needs [Tun] {
        let keys = json!({ "owner": 54321, "group": 54322, "mtu": 1400 });
        let again = "link delete eth0; tuntap add eth0 mode tap";
        let as_before = "link set eth0 address MAC mtu 1400 up";
        let other_owner = format!("{again} user 5 group 54322; {as_before}");
        let other_group = format!("{again} user 54321; {as_before}");
        let more_queues = format!("{again} user 54321 group 54322 multi_queue; {as_before}");
        check_detects(host, &tap().with(keys), &[
            ("link set eth0 address 02:00:00:00:00:99", "MAC"),
            ("link set eth0 mtu 1300", "MTU"),
            ("link set eth0 down", "down"),
            ("address delete ADDRESS/24 dev eth0", "lacks the address"),
            ("route delete default", "0.0.0.0/0"),
            ("link delete eth0", "not found"),
            ("link delete eth0; link add eth0 address MAC type veth peer name x", "kind"),
            (&other_owner, "owner 5"),
            (&other_group, "group none"),
            (&more_queues, "several queues"),
        ]);
    }
}

ferrule_testkit::test! {
    /// The MAC address has three sources; `runtimeConfig` precedes the others.
    fn the_mac_address_has_three_sources(host) needs [Tun] {
        let mac = |number: u8| format!("02:00:00:00:00:{number:02x}");
        let plain = tap().without_ipam().with(json!({ "mac": mac(1) }));
        let runtime = plain.clone().with(json!({ "RuntimeConfig": { "mac": mac(3) } }));
        let args = format!("IgnoreUnknown=1;K8S_POD_NAME=x;MAC={}", mac(2));
        for (network, args, expected) in [
            (&plain, "", mac(1)), (&plain, args.as_str(), mac(2)), (&runtime, args.as_str(), mac(3)),
        ] {
            let container = host.netns("c1");
            let call = network.call(host, "c1").args(args);
            let result = call.add().succeeds().json();
            assert_eq!(result["interfaces"][0]["mac"], expected);
            assert_eq!(container.link("eth0")["address"], expected);
            call.del().succeeds();
            container.remove();
        }
    }
}

ferrule_testkit::test! {
    /// Invalid values are refused with the name of the key, change nothing, and do not make DEL
    /// fail.
    fn invalid_values_are_refused(host) needs [Tun] {
        let container = host.netns("c1");
        container.ip("link add other type veth peer name else");
        let before = container.network_snapshot();
        let state = host.snapshot();
        for (keys, args, code, text) in [
            (json!({ "owner": -1 }), "", 6, "owner"),
            (json!({ "group": "wheel" }), "", 6, "group"),
            (json!({ "multiQueue": 1 }), "", 6, "multiQueue"),
            (json!({ "mtu": -5 }), "", 6, "mtu"),
            (json!({ "mac": "02:00" }), "", 7, "key mac"),
            (json!({ "mac": "01:00:5e:00:00:01" }), "", 7, "key mac"),
            (json!({}), "MAC=zz", 7, "CNI_ARGS MAC"),
            (json!({}), "POD=x", 4, "POD"),
            (json!({ "owner": u32::MAX }), "", 999, "TUNSETOWNER"),
            (json!({ "mtu": 20 }), "", 999, "mtu 20"),
            (json!({ "bridge": "br9" }), "", 999, "key bridge"),
            (json!({ "bridge": "other" }), "", 999, "key bridge"),
            (json!({ "selinuxContext": 5 }), "", 6, "selinuxContext"),
        ] {
            let call = tap().with(keys.clone()).call(host, "c1").args(args);
            call.add().fails_with_code(code).mentions(text);
            assert_same(&before, &container.network_snapshot());
            assert_same(&state, &host.snapshot().ignoring(&["/var/lib/cni"]));
            call.del().succeeds();
        }
        let absent = tap().call(host, "c1").netns("/run/netns/none");
        absent.add().fails().mentions("no such file or directory");
    }
}

ferrule_testkit::test! {
    /// STATUS reports a missing driver and a failing address plugin.
    fn status_reports_what_is_missing(host) needs [Tun] {
        let status = |network: &ferrule_tests::Network| network.call(host, "c1").status();
        status(&tap()).succeeds().stdout_is("");
        status(&tap().without_ipam()).succeeds();
        let broken = json!({ "type": "no-such-plugin" });
        status(&tap().with(json!({ "ipam": broken }))).fails().mentions("no-such-plugin");
        status(&tap().with(json!({ "mac": "x" }))).fails_with_code(7);
        status(&tap().version("1.0.0")).fails_with_code(1);
        host.exec("mount -t tmpfs none /dev/net").succeeds();
        status(&tap()).fails_with_code(50).mentions("/dev/net/tun").mentions("module tun");
        let container = host.netns("c1");
        let before = container.network_snapshot();
        tap().call(host, "c1").add().fails().mentions("/dev/net/tun");
        assert_same(&before, &container.network_snapshot());
    }
}

ferrule_testkit::test! {
    /// A context that the kernel refuses is an error, and nothing is left.
    fn a_wrong_context_is_refused(host) needs [Tun] {
        let container = host.netns("c1");
        let before = container.network_snapshot();
        // Too long also for a kernel without a policy.
        let context = "x".repeat(5000);
        let call = tap().with(json!({ "selinuxContext": context })).call(host, "c1");
        call.add().fails_with_code(7).mentions("selinuxContext").mentions("attr/exec");
        assert_same(&before, &container.network_snapshot());
        assert_eq!(ferrule_tests::single_link::leases(), Vec::<String>::new());
    }
}

ferrule_testkit::test! {
    /// With SELinux a process in the context creates the link; nothing else runs in it.
    fn the_context_is_that_of_the_creating_process(host) needs [Tun, Selinux] {
        let folder = host.work_folder();
        let script = format!(
            "#!/bin/sh\nread label </proc/self/attr/current\necho $label >{}/label\n\
             exec /sbin/ip \"$@\"\n", folder.display(),
        );
        std::fs::write(folder.join("ip"), script).unwrap();
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder.join("ip"), executable).unwrap();
        let container = host.netns("c1");
        let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", folder.display());
        // Without a policy the kernel knows the labels it was built with.
        let keys = json!({ "selinuxContext": "unlabeled", "owner": 54321, "multiQueue": true });
        let call = tap().with(keys).call(host, "c1").env("PATH", path);
        call.add().succeeds();
        let label = std::fs::read_to_string(folder.join("label")).unwrap();
        assert_eq!(label.trim_end_matches(['\0', '\n']), "unlabeled");
        let data = container.link("eth0")["linkinfo"]["info_data"].clone();
        assert_eq!(data["user"], 54321);
        assert_eq!((&data["multi_queue"], &data["vnet_hdr"]), (&json!(true), &Value::Bool(true)));
        call.del().succeeds();
        assert!(!container.has_link("eth0"));
        call.clone().env("PATH", "/nowhere").add().fails().mentions("`ip tuntap add`");
    }
}
