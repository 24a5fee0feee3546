//! CHECK and STATUS: whether the device is where ADD moved it, with the same settings.

use cni_types::{CniResult, Error, Request};
use ferrule_net::link::unavailable;
use ferrule_net::{Host, NetError, Sandbox, check};

use crate::config::Device;
use crate::search;

/// Compares the interface, its addresses and routes with the previous result.
pub(crate) fn attachment(request: &Request, recorded: &CniResult) -> Result<(), NetError> {
    let sandbox = Sandbox::open(&request.netns)?;
    let path = request.sandbox();
    let entry = check::recorded_interface(recorded, &request.ifname, &path)?;
    let link = sandbox.link(&request.ifname)?;
    check::mac(&link, entry, &path)?;
    check::up(&link, &path)?;
    check::mtu(&link, entry, None, &path)?;
    check::addresses(&sandbox, &link, recorded)?;
    check::routes(&sandbox, recorded)
}

/// Fails (code 50) if the device is neither on the host nor in a container, which may be one that is
/// attached.
pub(crate) fn ensure_there(device: &Device) -> Result<(), Error> {
    if device.in_user_space {
        return Ok(());
    }
    match search::on_host(&Host::open()?, &device.selector) {
        Err(_) if search::is_in_use(&device.selector)? => Ok(()),
        Err(error) => Err(unavailable(error)),
        Ok(_) => Ok(()),
    }
}
