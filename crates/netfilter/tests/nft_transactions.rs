//! Transactions of `nf_tables` are atomic.

use crate::ruleset::{TABLE, commit, inet, network, nft, printed, private, with_chain};
use ferrule_kernel::NetlinkError;
use ferrule_netfilter::nft::{
    BaseChain, ChainKind, ChainLayout, DataType, Element, Family, Hook, ListedRule, Nft,
    SOURCE_NAT, SetLayout, Table, Transaction, Transport, Value,
};

#[test]
fn a_failed_transaction_changes_nothing_and_names_the_change_that_failed() {
    let kernel = private();
    with_chain(&kernel, "c");
    let chain = TABLE.chain("c");
    let before = nft(&["list", "ruleset"]);
    let mut changes = Transaction::new();
    changes.append_rule(chain, &inet().accept());
    changes.delete_rule(chain, 4711);
    changes.append_rule(TABLE.chain("missing"), &inet().drop());
    let error = kernel.commit(&changes).unwrap_err();
    assert_eq!(error.message, Some(1));
    assert!(error.is_not_found());
    assert_eq!(
        error.to_string(),
        "delete rule 4711 of chain \"c\" of table inet t: no such file or directory (os error 2)"
    );
    assert_eq!(nft(&["list", "ruleset"]), before);
}

#[test]
fn add_accepts_existing_objects_and_create_does_not() {
    let kernel = private();
    let nat = BaseChain::new(ChainKind::Nat, Hook::Postrouting, SOURCE_NAT);
    let chain = TABLE.chain("c");
    let set = TABLE.set("s");
    let layout = SetLayout::set(&[DataType::Mark]);
    let element = [Element::new(&[Value::Mark(1)])];
    for _ in 0..2 {
        commit(&kernel, |changes| {
            changes.add_table(TABLE, Some("comment"));
            changes.add_chain(chain, &ChainLayout::base(nat));
            changes.add_set(set, &layout);
            changes.add_elements(set, &element);
        });
    }
    let mut changes = Transaction::new();
    changes.create_elements(set, &element);
    let error = kernel.commit(&changes).unwrap_err();
    assert!(error.is_exists(), "{error}");
    let elsewhere = BaseChain::new(ChainKind::Nat, Hook::Prerouting, SOURCE_NAT);
    let mut changes = Transaction::new();
    changes.add_chain(chain, &ChainLayout::base(elsewhere));
    kernel.commit(&changes).unwrap_err();
}

#[test]
fn an_update_is_retried_when_its_rule_is_deleted_meanwhile() {
    let kernel = private();
    with_chain(&kernel, "c");
    let chain = TABLE.chain("c");
    let mut changes = Transaction::new();
    changes.append_rule(chain, &inet().drop());
    kernel.commit(&changes).unwrap();
    let mut attempts = 0;
    kernel
        .update(|changes| {
            attempts += 1;
            for rule in kernel.rules(chain)? {
                changes.delete_rule(chain, rule.handle);
                // Another process is faster.
                let mut others = Transaction::new();
                others.delete_rule(chain, rule.handle);
                kernel.commit(&others)?;
            }
            changes.append_rule(chain, &inet().accept());
            Ok::<_, NetlinkError>(())
        })
        .unwrap();
    assert_eq!((attempts, printed(chain)), (2, vec!["accept".to_owned()]));
}

#[test]
fn checked_transactions_change_nothing() {
    let kernel = private();
    let check = |with_rule: bool| {
        kernel.check(|changes| {
            changes.add_table(TABLE, None);
            if with_rule {
                changes.append_rule(TABLE.chain("missing"), &inet().accept());
            }
            Ok::<_, NetlinkError>(())
        })
    };
    check(false).unwrap();
    assert!(!kernel.has_table(TABLE).unwrap());
    assert!(check(true).unwrap_err().is_not_found());
}

#[test]
fn missing_objects_are_no_errors() {
    let kernel = private();
    assert!(!kernel.has_table(TABLE).unwrap());
    assert!(!kernel.has_set(TABLE.set("s")).unwrap());
    assert_eq!(kernel.chain(TABLE.chain("c")).unwrap(), None);
    assert_eq!(kernel.chains(TABLE).unwrap(), []);
    assert_eq!(kernel.rules(TABLE.chain("c")).unwrap(), []);
    assert_eq!(kernel.elements(TABLE.set("s")).unwrap(), []);
    kernel.commit(&Transaction::new()).unwrap();
}

#[test]
fn chains_are_listed_by_table() {
    let kernel = private();
    with_chain(&kernel, "a");
    let other = Table::new(Family::Inet, "other");
    commit(&kernel, |changes| {
        changes
            .add_table(other, None)
            .add_chain(other.chain("b"), &ChainLayout::regular());
    });
    let names: Vec<_> = kernel
        .chains(TABLE)
        .unwrap()
        .into_iter()
        .map(|one| one.name)
        .collect();
    assert_eq!(names, ["a"]);
    commit(&kernel, |changes| {
        changes.append_rule(TABLE.chain("a"), &inet().accept());
        changes.delete_chain(TABLE.chain("a"));
    });
    nft(&["delete", "table", "inet", other.name]);
    assert_eq!(kernel.chains(TABLE).unwrap(), []);
    assert!(!kernel.has_table(other).unwrap());
}

#[test]
fn long_transactions_succeed_and_their_errors_are_found() {
    let kernel = private();
    with_chain(&kernel, "c");
    let chain = TABLE.chain("c");
    let mut changes = Transaction::new();
    for port in 1..=3000 {
        let rule = inet().destination_port(Transport::Tcp, port).accept();
        changes.append_rule(chain, &rule.with_comment(format!("port {port}")));
    }
    kernel.commit(&changes).unwrap();
    assert_eq!(kernel.rules(chain).unwrap().len(), 3000);

    // So many errors that the kernel cannot deliver all of them.
    let mut changes = Transaction::new();
    for handle in 0..5000 {
        changes.delete_rule(chain, 1_000_000 + handle);
    }
    let error = kernel.commit(&changes).unwrap_err();
    assert_eq!(
        (error.message, error.is_not_found()),
        (Some(0), true),
        "{error}"
    );
    // The socket still works.
    assert_eq!(kernel.rules(chain).unwrap().len(), 3000);
}

#[test]
fn dumps_are_complete_while_others_change_the_ruleset() {
    let kernel = private();
    with_chain(&kernel, "c");
    let chain = TABLE.chain("c");
    commit(&kernel, |changes| {
        for number in 0..500 {
            let rule = inet()
                .source(network("10.0.0.1/32"))
                .destination(network("10.0.0.2/32"));
            changes.append_rule(chain, &rule.accept().with_comment(format!("mine {number}")));
        }
    });
    // A child thread stays in this thread's namespaces.
    std::thread::scope(|scope| {
        let noise = scope.spawn(|| {
            let kernel = Nft::open().unwrap();
            for _ in 0..300 {
                commit(&kernel, |changes| {
                    changes.insert_rule(chain, &inet().counter().with_comment("noise"));
                });
                let rules = kernel.rules(chain).unwrap();
                let noise = rules
                    .iter()
                    .find(|rule| rule.comment.as_deref() == Some("noise"));
                let handle = noise.unwrap().handle;
                commit(&kernel, |changes| {
                    changes.delete_rule(chain, handle);
                });
            }
        });
        while !noise.is_finished() {
            let rules = kernel.rules(chain).unwrap();
            let mine = |rule: &&ListedRule| {
                rule.comment
                    .as_deref()
                    .is_some_and(|comment| comment.starts_with("mine"))
            };
            assert_eq!(rules.iter().filter(mine).count(), 500);
        }
        noise.join().unwrap();
    });
}
