//! Routing rules in a real kernel.

use crate::lab::{ip, private};
use ferrule_kernel::{Family, NewRule, Rule};

fn rule(source: &str, table: u32) -> NewRule {
    NewRule {
        source: source.parse().unwrap(),
        table,
        priority: None,
    }
}

#[test]
fn a_rule_is_put_before_the_others_and_deleted_alone() {
    let route = private();
    for new in [
        rule("10.0.0.5/32", 100),
        rule("10.0.0.5/32", 70_000),
        rule("fd00::5/128", 100),
    ] {
        route.execute(new.add()).unwrap();
    }
    let shown = ip("rule show");
    assert!(
        shown.contains("32765:\tfrom 10.0.0.5 lookup 100\n"),
        "{shown}"
    );
    assert!(ip("-6 rule show").contains("from fd00::5 lookup 100"));

    ip("rule add from 10.0.0.5 blackhole priority 9");
    let source = Some("10.0.0.5/32".parse().unwrap());
    let found = route.rules(Family::V4).unwrap();
    let ours: Vec<&Rule> = found.iter().filter(|rule| rule.source == source).collect();
    let told = ours.iter().map(|rule| (rule.table, rule.priority));
    assert_eq!(
        told.collect::<Vec<_>>(),
        [(None, 9), (Some(70_000), 32_764), (Some(100), 32_765)]
    );
    let tables = found.iter().filter_map(|rule| rule.table);
    assert!(
        [255, 254, 253]
            .iter()
            .all(|known| tables.clone().any(|table| table == *known))
    );
    assert_eq!(route.rules(Family::V6).unwrap().len(), 3);

    let again = NewRule {
        priority: Some(32_765),
        ..rule("10.0.0.5/32", 100)
    };
    assert!(route.execute(again.add()).unwrap_err().is_exists());
    let one = NewRule {
        priority: Some(32_764),
        ..rule("10.0.0.5/32", 70_000)
    };
    assert!(
        !route
            .delete_rule(&NewRule {
                priority: Some(5),
                ..one
            })
            .unwrap()
    );
    assert!(route.delete_rule(&one).unwrap());
    assert!(!route.delete_rule(&one).unwrap());
    assert!(route.delete_rule(&rule("fd00::5/128", 100)).unwrap());
    assert_eq!(route.rules(Family::V6).unwrap().len(), 2);
    assert!(ip("rule show").contains("from 10.0.0.5 lookup 100"));
}
