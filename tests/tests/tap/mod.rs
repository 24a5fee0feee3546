//! The plugin `tap`: black-box tests. Debian has no Go plugin of that name.

mod lifecycle;
mod settings;
mod traffic;

use ferrule_tests::Network;
use serde_json::json;

/// Containers with a tap each.
fn tap() -> Network {
    Network::on_wire("tap").with(json!({ "master": null }))
}
