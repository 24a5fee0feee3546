//! Links in the container: macvlan, ipvlan, vlan, dummy, tap.
//!
//! Such a link is created in the container's namespace, never appears on the host, and is removed
//! with the namespace. Its alias names the attachment: DEL finds it after the container has renamed
//! it, and does not touch a link of the same name that another container has in a recycled
//! namespace.

mod check;
mod create;
mod mode;
mod plugin;
mod remove;
mod status;

use check::Expected;
pub(crate) use create::FROM_ANOTHER_ADD;
pub use create::{configure, create, ensure_name_is_free, interface, set_up};
pub use mode::Modes;
pub use plugin::{
    Addresses, LinkConfig, LinkFrame, LinkPlugin, LinkSpec, Master, MasterName, Settings, Target,
};
pub use remove::{collect_garbage, undo_create};
pub use status::{ensure_driver, unavailable};
