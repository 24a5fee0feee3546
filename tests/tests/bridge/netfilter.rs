//! Keys that need the packet filter.

use ferrule_testkit::assert_same;
use ferrule_tests::Network;
use serde_json::json;

ferrule_testkit::test! {
    /// They are not supported yet: refused by name before anything changes, never ignored.
    fn filtering_keys_are_refused(host, key in ["ipMasq", "macspoofchk"]) {
        host.netns("c1");
        let before = host.snapshot();
        let call = Network::bridge().with(json!({ key: true })).call(host, "c1");
        call.add().fails_with_code(2).mentions(key).mentions("not supported yet");
        call.status().fails_with_code(2).mentions(key);
        assert_same(&before, &host.snapshot());
        call.del().succeeds();
    }
}
