//! The iptables tools, both variants, in a private namespace with a private lock.

use crate::lab;
use std::fs::File;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use ferrule_kernel::Family;
use ferrule_netfilter::iptables::{IptablesError, Restore, Rule, Tool, Variant};
use nix::mount::{MsFlags, mount};

/// Creates a namespace in which `iptables` is of one variant.
fn private(variant: Variant) {
    lab::private();
    let nowhere: Option<&str> = None;
    for folder in ["/run", "/etc/alternatives"] {
        mount(
            Some("tmpfs"),
            folder,
            Some("tmpfs"),
            MsFlags::empty(),
            nowhere,
        )
        .unwrap();
    }
    let program = match variant {
        Variant::Legacy => "/usr/sbin/xtables-legacy-multi",
        _ => "/usr/sbin/xtables-nft-multi",
    };
    for tool in ["iptables", "ip6tables"] {
        for job in ["", "-restore", "-save"] {
            symlink(
                program,
                Path::new("/etc/alternatives").join(format!("{tool}{job}")),
            )
            .unwrap();
        }
    }
}

fn saved(family: Family) -> String {
    let tool = match family {
        Family::V4 => "iptables-save",
        Family::V6 => "ip6tables-save",
    };
    let output = Command::new(tool).args(["-t", "nat"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn chain_with_rule() -> Restore {
    let mut changes = Restore::new();
    let rule = Rule::new()
        .destination("10.1.2.3/24".parse().unwrap())
        .comment(r#"name: "n" id: "c's""#)
        .jump("ACCEPT");
    let entry = Rule::new().source("10.1.2.3/32".parse().unwrap()).jump("X");
    changes
        .table("nat")
        .new_chain("X")
        .append("X", &rule)
        .append("POSTROUTING", &entry);
    changes
}

/// Runs a test with each variant in a separate namespace.
fn with_each_variant(examine: fn(Tool)) {
    for variant in [Variant::Nft, Variant::Legacy] {
        private(variant);
        let tool = Tool::find(Family::V4).unwrap();
        assert_eq!(tool.variant(), variant);
        examine(tool);
    }
}

#[test]
fn rules_are_written_listed_and_deleted() {
    with_each_variant(|tool| {
        assert!(!tool.has_chain("nat", "X").unwrap());
        assert!(!tool.may_hold_rules("nat").unwrap());
        assert_eq!(tool.rules("nat", "X").unwrap(), None);
        tool.restore(&chain_with_rule()).unwrap();
        let text = saved(Family::V4);
        let line =
            r#"-A X -d 10.1.2.0/24 -m comment --comment "name: \"n\" id: \"c\'s\"" -j ACCEPT"#;
        assert!(text.contains(line), "{text}");

        assert!(tool.has_chain("nat", "X").unwrap());
        assert!(tool.may_hold_rules("nat").unwrap());
        let rules = tool.rules("nat", "X").unwrap().unwrap();
        assert_eq!(rules.len(), 1);
        assert_eq!(rules[0].comment(), Some(r#"name: "n" id: "c's""#));
        assert_eq!(rules[0].target(), Some("ACCEPT"));
        assert!(tool.has_rule("nat", "X", &rules[0].rule).unwrap());
        assert!(
            !tool
                .has_rule("nat", "X", &Rule::new().jump("ACCEPT"))
                .unwrap()
        );
        assert!(
            !tool
                .has_rule("nat", "X", &Rule::new().jump("MISSING"))
                .unwrap()
        );

        let entries = tool.rules("nat", "POSTROUTING").unwrap().unwrap();
        let mut changes = Restore::new();
        let nat = changes.table("nat");
        nat.delete_listed(&entries[0]).flush("X").delete_chain("X");
        tool.restore(&changes).unwrap();
        assert!(!tool.has_chain("nat", "X").unwrap());
        assert_eq!(tool.rules("nat", "POSTROUTING").unwrap(), Some(Vec::new()));
    });
}

#[test]
fn rules_are_found_by_target_and_by_port() {
    with_each_variant(|tool| {
        assert_eq!(tool.entries("nat", "PREROUTING").unwrap(), []);
        let rule = |ports: &[&str], target: &str| {
            Rule::from_words(["-p", "tcp"])
                .comment("c d")
                .words(["-m", "multiport"])
                .words(ports.iter().copied())
                .jump(target)
        };
        let mut changes = Restore::new();
        changes
            .table("nat")
            .new_chain("X")
            .append("PREROUTING", &rule(&["--dports", "1,513,65535"], "X"))
            .append("PREROUTING", &rule(&["--dports", "1:9"], "RETURN"))
            .append("PREROUTING", &rule(&["--sports", "7"], "X"))
            .append("PREROUTING", &rule(&["!", "--dports", "7"], "X"))
            .insert_at("PREROUTING", 1, &Rule::new().jump("X"))
            .insert_at("PREROUTING", 5, &Rule::new().comment("last"));
        tool.restore(&changes).unwrap();
        let found = tool.entries("nat", "PREROUTING").unwrap();
        let comments: Vec<_> = found.iter().map(|one| one.comment.as_deref()).collect();
        let c = Some("c d");
        assert_eq!(comments, [c, None, c, c, c, Some("last")]);
        let ports: Vec<_> = found.iter().map(|one| one.ports.clone()).collect();
        let each = Some(vec![1, 513, 65535]);
        assert_eq!(ports, [each, None, None, None, None, None]);
        let x = |place: usize| found[place].target.as_deref() == Some("X");
        assert!(x(0) && x(1) && !x(2) && x(3) && x(4));
        assert_eq!(found[5].target, None);
    });
}

#[test]
fn a_chain_is_deleted_with_the_rules_that_jump_to_it() {
    with_each_variant(|tool| {
        assert!(!tool.delete_chain("nat", "X", "POSTROUTING").unwrap());
        tool.restore(&chain_with_rule()).unwrap();
        let mut changes = Restore::new();
        let other = Rule::new().comment("other").jump("RETURN");
        changes.table("nat").append("POSTROUTING", &other);
        changes
            .table("nat")
            .append("PREROUTING", &Rule::new().jump("X"));
        tool.restore(&changes).unwrap();
        assert_eq!(
            tool.comments("nat", "X").unwrap(),
            [r#"name: "n" id: "c's""#]
        );
        // Another rule still refers to it.
        tool.delete_chain("nat", "X", "POSTROUTING").unwrap_err();
        assert_eq!(tool.rules("nat", "POSTROUTING").unwrap().unwrap().len(), 2);
        let mut changes = Restore::new();
        changes.table("nat").flush("PREROUTING");
        tool.restore(&changes).unwrap();
        assert!(tool.delete_chain("nat", "X", "POSTROUTING").unwrap());
        assert!(!tool.has_chain("nat", "X").unwrap());
        let left = tool.rules("nat", "POSTROUTING").unwrap().unwrap();
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].comment(), Some("other"));
    });
}

#[test]
fn a_failed_restore_changes_nothing_and_names_its_line() {
    with_each_variant(|tool| {
        let mut changes = chain_with_rule();
        changes
            .table("nat")
            .delete("POSTROUTING", &Rule::new().comment("missing").jump("X"));
        let error = tool.restore(&changes).unwrap_err();
        assert_eq!(error.exit_code(), Some(1));
        let text = error.to_string();
        let line = r#"at "-D POSTROUTING -m comment --comment missing -j X""#;
        assert!(text.contains(line), "{text}");
        assert!(!tool.has_chain("nat", "X").unwrap());
    });
}

#[test]
fn an_existing_chain_is_flushed() {
    with_each_variant(|tool| {
        tool.restore(&chain_with_rule()).unwrap();
        let mut changes = Restore::new();
        changes
            .table("nat")
            .new_chain("X")
            .append("X", &Rule::new().jump("RETURN"));
        tool.restore(&changes).unwrap();
        let rules = tool.rules("nat", "X").unwrap().unwrap();
        assert_eq!(rules.len(), 1);
        assert_eq!(rules[0].target(), Some("RETURN"));
        // Rules of other chains stay.
        assert_eq!(tool.rules("nat", "POSTROUTING").unwrap().unwrap().len(), 1);
    });
}

#[test]
fn a_chain_in_use_is_not_deleted() {
    with_each_variant(|tool| {
        tool.restore(&chain_with_rule()).unwrap();
        let mut changes = Restore::new();
        changes.table("nat").flush("X").delete_chain("X");
        tool.restore(&changes).unwrap_err();
        assert_eq!(tool.rules("nat", "X").unwrap().unwrap().len(), 1);
    });
}

#[test]
fn each_family_has_its_tool() {
    with_each_variant(|four| {
        let six = Tool::find(Family::V6).unwrap();
        assert_eq!(six.family(), Family::V6);
        let mut changes = Restore::new();
        let rule = Rule::new()
            .destination_outside("ff00::/8".parse().unwrap())
            .jump("RETURN");
        changes.table("nat").new_chain("X").append("X", &rule);
        six.restore(&changes).unwrap();
        assert!(saved(Family::V6).contains("-A X ! -d ff00::/8 -j RETURN"));
        assert!(six.has_chain("nat", "X").unwrap());
        assert!(!four.has_chain("nat", "X").unwrap());
        four.probe().unwrap();
        six.probe().unwrap();
    });
}

#[test]
fn the_other_variant_is_found_for_cleaning_up() {
    for (variant, expected) in [
        (Variant::Nft, [Variant::Nft, Variant::Legacy]),
        (Variant::Legacy, [Variant::Legacy, Variant::Nft]),
    ] {
        private(variant);
        let tools = Tool::installed(Family::V6);
        assert_eq!(
            tools.iter().map(Tool::variant).collect::<Vec<_>>(),
            expected
        );
        tools[1].restore(&chain_with_rule_of_six()).unwrap();
        assert!(!tools[0].has_chain("nat", "X").unwrap());
        assert!(tools[1].has_chain("nat", "X").unwrap());
    }
}

fn chain_with_rule_of_six() -> Restore {
    let mut changes = Restore::new();
    changes
        .table("nat")
        .new_chain("X")
        .append("X", &Rule::new().jump("RETURN"));
    changes
}

#[test]
fn waiting_for_the_lock_ends_and_names_its_holder() {
    private(Variant::Legacy);
    let lock = File::create("/run/xtables.lock").unwrap();
    lock.lock().unwrap();
    let tool = Tool::find(Family::V4).unwrap().waiting(1);
    let error = tool.restore(&chain_with_rule()).unwrap_err();
    let IptablesError::Locked {
        seconds: 1,
        holder: Some(holder),
        ..
    } = &error
    else {
        panic!("{error}");
    };
    assert_eq!(holder.process, std::process::id());
    drop(lock);
    tool.restore(&chain_with_rule()).unwrap();
}

#[test]
fn parallel_writes_are_not_lost() {
    with_each_variant(|tool| {
        // Child threads stay in this thread's namespaces.
        std::thread::scope(|scope| {
            for number in 0..20 {
                let tool = &tool;
                scope.spawn(move || {
                    let chain = format!("X{number}");
                    let mut changes = Restore::new();
                    let rule = Rule::new().comment(&chain).jump(&chain);
                    let nat = changes.table("nat");
                    nat.new_chain(&chain)
                        .append(&chain, &Rule::new().jump("RETURN"));
                    nat.append("POSTROUTING", &rule);
                    tool.restore(&changes).unwrap();
                });
            }
        });
        assert_eq!(tool.rules("nat", "POSTROUTING").unwrap().unwrap().len(), 20);
    });
}
