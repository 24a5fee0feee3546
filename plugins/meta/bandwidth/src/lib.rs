//! `bandwidth` limits the rates of a container that an earlier plugin has attached by a veth pair.
//!
//! Packets to the container are egress of the host end, limited by a token bucket filter (tbf).
//! Packets from the container are its ingress, which has no queue: they are redirected to an IFB link,
//! whose egress is limited and then returns to the ingress path. The keys are those of [`Config`]; the
//! page `docs/bandwidth.md` explains them.

mod check;
mod config;
mod egress;
mod host_end;
mod limit;
mod remove;

use std::process::ExitCode;

use cni_types::{Attachments, CniResult, Code, Error, SpecVersion};
use ferrule_kernel::{Ifb, tc};
use ferrule_net::{AttachmentId, Host, NetError, Sandbox, host_entry, link};
use ferrule_plugin::{Call, ChainedFrame, ChainedPlugin, Undo, log};

pub use config::Config;
use config::Limits;
use limit::Limit;

/// The plugin `bandwidth`.
pub struct Bandwidth;

/// The `main` of the executable `bandwidth`.
pub fn main() -> ExitCode {
    ferrule_plugin::main(&ChainedFrame(Bandwidth))
}

impl ChainedPlugin for Bandwidth {
    type Config = Config;
    type Plan = Limits;

    const NAME: &'static str = "bandwidth";
    const VERSIONS: &'static [SpecVersion] = &[
        SpecVersion::V0_3_0,
        SpecVersion::V0_3_1,
        SpecVersion::V0_4_0,
        SpecVersion::V1_0_0,
        SpecVersion::V1_1_0,
    ];

    fn plan(&self, call: &Call<Config>) -> Result<Option<Limits>, Error> {
        call.config.limits(&call.request.config)
    }

    fn add(
        &self,
        call: &Call<Config>,
        limits: Limits,
        result: &mut CniResult,
        undo: &mut Undo,
    ) -> Result<(), Error> {
        let (host, sandbox) = (Host::open()?, Sandbox::open(&call.request.netns)?);
        let host_end = host_end::find(&host, &sandbox, &call.request.ifname, result)?;
        for limit in [limits.ingress, limits.egress].into_iter().flatten() {
            warn_of_small_burst(limit, host_end.mtu);
        }
        if let Some(limit) = limits.ingress {
            host.execute(limit.tbf().create(host_end.index))
                .map_err(already_limited)?;
            let (host, index) = (host.clone(), host_end.index);
            undo.push("remove the limit from the host's end", move || {
                Ok(remove::gone(host.execute(tc::delete_root(index)))?)
            });
        }
        if let Some(limit) = limits.egress {
            let id = AttachmentId::of(&call.request);
            let ifb = egress::add(&host, &id, &host_end, limit, undo)?;
            result.interfaces.push(host_entry(&ifb));
        }
        Ok(())
    }

    fn del(&self, call: &Call<Config>, previous: Option<&CniResult>) -> Result<(), Error> {
        let host = Host::open()?;
        let ifbs = egress::find(&host, &AttachmentId::of(&call.request))?;
        let had_limits = self.plan(call).map_or(true, |limits| limits.is_some());
        if had_limits || !ifbs.is_empty() {
            remove::from_host_end(&host, &call.request, previous, &ifbs)?;
        }
        for ifb in ifbs {
            host.delete_link(ifb.index).map_err(NetError::from)?;
        }
        Ok(())
    }

    fn check(&self, call: &Call<Config>, limits: Limits, result: &CniResult) -> Result<(), Error> {
        let (host, sandbox) = (Host::open()?, Sandbox::open(&call.request.netns)?);
        let host_end = host_end::find(&host, &sandbox, &call.request.ifname, result)?;
        if let Some(limit) = limits.ingress {
            check::limit(&host, &host_end, limit)?;
        }
        if let Some(limit) = limits.egress {
            let id = AttachmentId::of(&call.request);
            check::egress(&host, &host_end, &id, limit)?;
        }
        Ok(())
    }

    fn status(&self, call: &Call<Config>) -> Result<(), Error> {
        self.plan(call)?;
        link::ensure_driver(Ifb::KIND)?;
        if Host::open()?.has_tbf().map_err(NetError::from)? {
            return Ok(());
        }
        let error = Error::new(
            Code::NotAvailable,
            "the kernel has no queueing discipline tbf",
        );
        Err(error.details("load its module: modprobe sch_tbf"))
    }

    fn gc(&self, call: &Call<Config>, keep: &Attachments) -> Result<(), Error> {
        Ok(link::collect_garbage(
            &call.request.network,
            keep,
            Ifb::KIND,
        )?)
    }
}

/// Warns of a bucket smaller than a packet, which drops such packets; the Go plugin accepts it.
fn warn_of_small_burst(limit: Limit, mtu: u32) {
    let burst = limit.burst;
    if burst < mtu {
        log(format_args!(
            "bandwidth: a burst of {burst} bytes is less than a packet (MTU {mtu}): \
             large packets are dropped"
        ));
    }
}

/// Adds a hint to the error if the objects of an earlier ADD exist.
fn already_limited(error: ferrule_kernel::NetlinkError) -> Error {
    let is_exists = error.is_exists();
    let error = Error::from(NetError::from(error));
    if is_exists {
        error.details("another ADD made it; send DEL for this container and interface first")
    } else {
        error
    }
}

#[test]
fn the_schema_is_current() {
    ferrule_schema::assert_current::<ferrule_plugin::ChainedFrame<Bandwidth>>(
        ferrule_schema::Role::Chained,
    );
}
