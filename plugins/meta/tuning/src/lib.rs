//! `tuning` changes settings of a container's interface that an earlier plugin of the list created,
//! and sysctls of the container's network namespace.
//!
//! ADD writes the sysctls, records the interface's current values, and changes them; DEL restores the
//! recorded values. The keys are those of [`Config`]; the page `docs/tuning.md` explains them.

mod allow_list;
mod backup;
mod config;
mod link_settings;
mod sysctl;

use std::fs;
use std::io::ErrorKind;
use std::process::ExitCode;

use cni_types::{Attachments, CniResult, Code, Error, Request, SpecVersion};
use ferrule_kernel::Link;
use ferrule_net::link::unavailable;
use ferrule_net::{AttachmentId, NetError, Sandbox};
use ferrule_plugin::{Call, ChainedFrame, ChainedPlugin, Undo, log};

use backup::Backup;
pub use config::{Config, Plan};
use link_settings::LinkSettings;

/// The plugin `tuning`.
pub struct Tuning;

/// The `main` of the executable `tuning`.
pub fn main() -> ExitCode {
    ferrule_plugin::main(&ChainedFrame(Tuning))
}

impl ChainedPlugin for Tuning {
    type Config = Config;
    type Plan = Plan;

    const NAME: &'static str = "tuning";

    fn plan(&self, call: &Call<Config>) -> Result<Option<Plan>, Error> {
        Plan::new(&call.config, &call.request)
    }

    fn add(
        &self,
        call: &Call<Config>,
        plan: Plan,
        result: &mut CniResult,
        undo: &mut Undo,
    ) -> Result<(), Error> {
        allow_list::check(&plan.sysctls)?;
        let sandbox = Sandbox::open(&call.request.netns)?;
        sysctl::set(&sandbox, &plan.sysctls, undo)?;
        if plan.link.is_empty() {
            return Ok(());
        }
        let link = sandbox.link(&call.request.ifname)?;
        let backup = Backup::new(&call.config.data_dir, &call.request);
        let earlier = backup.read().unwrap_or_else(|error| {
            log(format_args!("tuning: ADD replaces the record: {error}"));
            None
        });
        let before = plan.link.before(&link, earlier);
        let (record, settings, inside) = (backup.clone(), before.clone(), sandbox.clone());
        let what = format!("restore interface {:?}", link.name);
        let index = link.index;
        undo.push(what, move || {
            if let Some(link) = inside.link_by_index(index).map_err(NetError::from)? {
                settings.apply(&inside, &link)?;
            }
            Ok(record.remove()?)
        });
        backup.write(&before)?;
        plan.link.apply(&sandbox, &link)?;
        describe(result, &call.request, &plan.link);
        Ok(())
    }

    fn del(&self, call: &Call<Config>, _previous: Option<&CniResult>) -> Result<(), Error> {
        let backup = Backup::new(&call.config.data_dir, &call.request);
        let before = backup.read().unwrap_or_else(|error| {
            log(format_args!("tuning: DEL restores nothing: {error}"));
            None
        });
        if let Some(before) = before
            && let Some(sandbox) = Sandbox::open_if_there(&call.request.netns)?
            && let Some(link) = own_link(call, &sandbox)?
            && let Err(error) = before.apply(&sandbox, &link)
        {
            // Not an error: the interface is usually about to be removed, which a failed DEL would
            // prevent.
            log(format_args!(
                "tuning: DEL could not restore all of interface {:?}, the record {} stays: {error}",
                link.name,
                backup.path().display()
            ));
            return Ok(());
        }
        Ok(backup.remove()?)
    }

    fn check(&self, call: &Call<Config>, plan: Plan, _result: &CniResult) -> Result<(), Error> {
        let sandbox = Sandbox::open(&call.request.netns)?;
        if !plan.link.is_empty() {
            let link = sandbox.link(&call.request.ifname)?;
            plan.link.check(&link, &sandbox)?;
        }
        Ok(sysctl::check(&sandbox, &plan.sysctls)?)
    }

    fn status(&self, call: &Call<Config>) -> Result<(), Error> {
        let Some(plan) = self.plan(call)? else {
            return Ok(());
        };
        let not_available = |msg: String| Err(Error::new(Code::NotAvailable, msg));
        if !plan.sysctls.is_empty() {
            allow_list::check(&plan.sysctls).map_err(unavailable)?;
            if ferrule_kernel::sysctl::is_read_only() {
                return not_available("/proc/sys/net is mounted read-only".into());
            }
        }
        let folder = backup::folder(&call.config.data_dir);
        match fs::metadata(folder) {
            Ok(found) if !found.is_dir() => {
                not_available(format!("dataDir {} is not a folder", folder.display()))
            }
            Err(error) if error.kind() != ErrorKind::NotFound => {
                let cause = ferrule_file::io_text(&error);
                not_available(format!("dataDir {}: {cause}", folder.display()))
            }
            _ => Ok(()),
        }
    }

    fn gc(&self, call: &Call<Config>, keep: &Attachments) -> Result<(), Error> {
        let folder = backup::folder(&call.config.data_dir);
        Ok(backup::collect(folder, &call.request.network, keep)?)
    }
}

/// The attachment's interface, if it exists. One with the alias of another attachment is in a recycled
/// namespace and is ignored.
fn own_link(call: &Call<Config>, sandbox: &Sandbox) -> Result<Option<Link>, NetError> {
    let id = AttachmentId::of(&call.request);
    let found = sandbox.link_by_name(&call.request.ifname)?;
    Ok(found.filter(|link| !id.is_foreign(link.alias.as_deref())))
}

/// Writes the new values to the result, for later plugins and for CHECK of earlier ones. Results have
/// an MTU from 1.1.0 on.
fn describe(result: &mut CniResult, request: &Request, settings: &LinkSettings) {
    let inside = result.interfaces.iter_mut();
    for interface in inside.filter(|one| one.name == request.ifname && !one.sandbox.is_empty()) {
        if let Some(mac) = settings.mac {
            interface.mac = mac.to_string();
        }
        let has_mtu = interface.mtu > 0 || request.version >= SpecVersion::V1_1_0;
        if let Some(mtu) = settings.mtu.filter(|_| has_mtu) {
            interface.mtu = mtu;
        }
    }
}

#[test]
fn the_schema_is_current() {
    ferrule_schema::assert_current::<ferrule_plugin::ChainedFrame<Tuning>>(
        ferrule_schema::Role::Chained,
    );
}
