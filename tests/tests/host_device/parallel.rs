//! Several plugins at the same time for one attachment.

use ferrule_testkit::{Host, Outcome, Running, assert_same};
use ferrule_tests::Attachment;

use crate::host_device::{idle_wire, on_wire, reaches_far_end, state};

/// Starts the verbs for the container `c1` at the same moment and waits for all.
fn at_once(host: &Host, verbs: &[&str]) -> Vec<Outcome> {
    let start = |verb: &&str| on_wire().call(host, "c1").verb(verb).start();
    let running: Vec<Running> = verbs.iter().map(start).collect();
    running.into_iter().map(Running::wait).collect()
}

ferrule_testkit::test! {
    /// One of many ADDs succeeds and the others report that the attachment exists. The device is in
    /// the container, and DEL returns it.
    fn one_of_many_adds_succeeds(host) {
        idle_wire(host);
        let before = state(host);
        for round in 0..10 {
            let container = host.netns("c1");
            let outcomes = at_once(host, &["ADD"; 5]);
            let (won, lost): (Vec<_>, Vec<_>) =
                outcomes.into_iter().partition(|outcome| outcome.status.success());
            assert_eq!(won.len(), 1, "round {round}: {lost:#?}");
            for outcome in lost {
                outcome.fails().mentions("already exists");
            }
            let call = on_wire().call(host, "c1");
            let config = on_wire().config;
            let attachment = Attachment { container, call, config, result: won[0].json() };
            assert!(reaches_far_end(&attachment.container));
            attachment.check().succeeds();
            attachment.detach();
            attachment.container.remove();
            assert_same(&before, &state(host));
        }
    }
}

ferrule_testkit::test! {
    /// A DEL waits for an ADD that is running: in every order, one more DEL leaves nothing.
    fn an_add_and_dels(host) {
        idle_wire(host);
        let before = state(host);
        for _ in 0..10 {
            let container = host.netns("c1");
            for outcome in at_once(host, &["ADD", "DEL", "DEL"]).split_off(1) {
                outcome.succeeds();
            }
            on_wire().call(host, "c1").del().succeeds();
            assert!(!container.has_link("eth0"));
            container.remove();
            assert_same(&before, &state(host));
            assert_eq!(std::fs::read_dir("/run/cni/locks").unwrap().count(), 0);
        }
    }
}
