//! `host-device` hands a network device of the host to a container.
//!
//! ADD moves the device's interface into the container under the name the runtime wants, and gives
//! it addresses if there is an address plugin. DEL moves it back under its own name, whatever the
//! container has done to it. A device that a process has to itself (DPDK) is left where it is, and
//! only gets addresses. The keys are those of [`Config`]; the page `docs/host-device.md` explains
//! them.

mod check;
mod config;
mod lend;
mod lock;
mod record;
mod restore;
mod search;
mod sysfs;
mod transit;

use cni_types::{Attachments, CniResult, Code, Error, Family, ResultError};
use ferrule_file::lock::WAIT;
use ferrule_net::link::unavailable;
use ferrule_net::{AttachmentId, Host, Sandbox};
use ferrule_plugin::{Call, Ipam, Plugin, Undo, collect, detach};

pub use config::Config;
use lock::AttachmentLock;
use restore::{Loan, Reason};

/// The plugin.
pub struct HostDevicePlugin;

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
            lend::lend_to_process(request, &device, ipam, undo)?
        } else {
            lend::lend(request, &device, &sandbox, ipam, undo)?
        };
        result.override_dns(&call.request.dns);
        Ok(result)
    }

    fn del(&self, call: &Call<Config>) -> Result<(), Error> {
        let request = &call.request;
        let id = AttachmentId::from(request);
        let _lock = AttachmentLock::take(&id, WAIT)?;
        detach(Ipam::of(request), || {
            let loan = Loan {
                host: &Host::open()?,
                id,
                netns: &request.netns,
                selector: call.config.selector_if_any(),
            };
            loan.give_back(Reason::Detach)
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
