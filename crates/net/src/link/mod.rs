//! Links that are made in the container whole: macvlan, ipvlan, vlan, dummy.
//!
//! Such a link is born in the container's namespace, so that at no moment anything of it is on the
//! host, and dies with it. Its alias names the attachment: DEL finds it when the container has
//! renamed it, and leaves alone what another container has under the same name in a recycled
//! namespace.

mod check;
mod create;
mod plugin;
mod remove;
mod status;

use check::Expected;
pub use create::{create, ensure_name_is_free, remover, set_up};
pub use plugin::{Addresses, LinkFrame, LinkPlugin, LinkSpec, Master, MasterName, Target};
pub use remove::{collect_garbage, remove_for};
pub use status::unavailable;
