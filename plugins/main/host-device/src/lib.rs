//! `host-device` moves a network device of the host into a container.
//!
//! ADD moves the device's interface into the container, renames it to `CNI_IFNAME`, and configures the
//! addresses of the address plugin, if there is one. DEL moves it back and restores its name, even
//! if the container has renamed or reconfigured it. A device with a user-space driver (DPDK) has no
//! interface to move; it only gets addresses. The keys are those of [`Config`]; the page
//! `docs/host-device.md` explains them.

mod add;
mod check;
mod config;
mod lock;
mod record;
mod restore;
mod search;
mod staging_netns;
mod sysfs;

use std::process::ExitCode;

use cni_types::{Attachments, CniResult, Code, Error, Family, ResultError};
use ferrule_file::lock::WAIT;
use ferrule_net::link::unavailable;
use ferrule_net::{AttachmentId, Host, Sandbox};
use ferrule_plugin::{Call, Ipam, Plugin, Undo, collect, detach};

pub use config::Config;
use lock::AttachmentLock;
use restore::{Reason, Return};

/// `host-device` for the plugin frame.
pub struct HostDevicePlugin;

/// The `main` of the executable `host-device`.
pub fn main() -> ExitCode {
    ferrule_local_ipam::main(&HostDevicePlugin)
}

impl Plugin for HostDevicePlugin {
    type Config = Config;

    const NAME: &'static str = "host-device";

    fn add(&self, call: &Call<Config>, undo: &mut Undo) -> Result<CniResult, Error> {
        let request = &call.request;
        let device = call.config.device()?;
        let sandbox = Sandbox::open(&request.netns)?;
        let ipam = Ipam::of(request);
        if ipam.is_none() && request.version.family() == Family::Legacy {
            return Err(ResultError::NoAddress.into());
        }
        let mut result = if device.in_user_space {
            add::add_in_user_space(request, &device, ipam, undo)?
        } else {
            add::add(request, &device, &sandbox, ipam, undo)?
        };
        result.override_dns(&call.request.dns);
        Ok(result)
    }

    fn del(&self, call: &Call<Config>) -> Result<(), Error> {
        let request = &call.request;
        let id = AttachmentId::of(request);
        let _lock = AttachmentLock::take(&id, WAIT)?;
        detach(Ipam::of(request), || {
            let device = Return {
                host: &Host::open()?,
                id,
                netns: &request.netns,
                selector: call.config.selector_if_any(),
            };
            device.return_device(Reason::Del)
        })
    }

    fn check(&self, call: &Call<Config>) -> Result<(), Error> {
        let device = call.config.device()?;
        if let Some(ipam) = Ipam::of(&call.request) {
            ipam.check()?;
        }
        let recorded = call.required_prev_result()?;
        if device.in_user_space {
            return Ok(());
        }
        Ok(check::attachment(&call.request, &recorded)?)
    }

    fn status(&self, call: &Call<Config>) -> Result<(), Error> {
        if !call.config.is_chosen_by_runtime() {
            let invalid = |error: &Error| error.code == Code::InvalidConfig as u32;
            let device = call.config.device();
            let device = device.map_err(|e| if invalid(&e) { e } else { unavailable(e) })?;
            check::ensure_there(&device)?;
        }
        Ipam::of(&call.request).map_or(Ok(()), |ipam| ipam.status())
    }

    fn gc(&self, call: &Call<Config>, keep: &Attachments) -> Result<(), Error> {
        let request = &call.request;
        collect(Ipam::of(request), || {
            restore::collect_garbage(&Host::open()?, &request.network, |id| {
                keep.contains(&id.container_id, &id.ifname)
            })
        })
    }
}

#[test]
fn the_schema_is_current() {
    ferrule_schema::assert_current::<HostDevicePlugin>(ferrule_schema::Role::Interface);
}
