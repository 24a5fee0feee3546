//! The key that needs the packet filter.

use ferrule_testkit::assert_same;
use ferrule_tests::Network;
use serde_json::json;

ferrule_testkit::test! {
    /// It is not supported yet: refused by name before anything changes, never ignored.
    fn masquerading_is_refused(host) {
        host.netns("c1");
        let before = host.snapshot();
        let call = Network::ptp().with(json!({ "ipMasq": true })).call(host, "c1");
        call.add().fails_with_code(2).mentions("ipMasq").mentions("not supported yet");
        assert_same(&before, &host.snapshot());
        call.del().succeeds();
    }
}
