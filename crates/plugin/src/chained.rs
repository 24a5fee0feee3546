//! The frame of a chained plugin, one that runs after others in a list.

use cni_types::{Attachments, Cidr, CniResult, Code, Error, IpConfig, SpecVersion};
use serde::de::DeserializeOwned;

use crate::{Call, Plugin, Undo, log};

/// A chained plugin: it changes an attachment that plugins before it in the list have made.
///
/// [`ChainedFrame`] makes a [`Plugin`] of it. ADD returns the previous result with the plugin's changes;
/// DEL goes on without a previous result that is missing or unreadable.
pub trait ChainedPlugin {
    /// The plugin's keys.
    type Config: DeserializeOwned;

    /// The checked configuration.
    type Plan;

    /// The executable's name.
    const NAME: &'static str;

    /// The versions it speaks, oldest first.
    const VERSIONS: &'static [SpecVersion] = &SpecVersion::ALL;

    /// Checks the configuration, without the kernel. `None` if it asks for nothing: ADD and CHECK then
    /// do nothing.
    fn plan(&self, call: &Call<Self::Config>) -> Result<Option<Self::Plan>, Error>;

    /// ADD: changes the attachment that `result` describes, and `result` likewise. Every effect is
    /// preceded by its entry in `undo`.
    fn add(
        &self,
        call: &Call<Self::Config>,
        plan: Self::Plan,
        result: &mut CniResult,
        undo: &mut Undo,
    ) -> Result<(), Error>;

    /// DEL: reverts ADD, whatever the configuration says now. Succeeds if nothing is left, whoever
    /// removed it.
    fn del(&self, call: &Call<Self::Config>, previous: Option<&CniResult>) -> Result<(), Error>;

    /// CHECK: fails if the attachment differs from what ADD made, and names the difference.
    fn check(
        &self,
        call: &Call<Self::Config>,
        plan: Self::Plan,
        result: &CniResult,
    ) -> Result<(), Error>;

    /// STATUS: fails (code 50 or 51) if an ADD could not work now.
    fn status(&self, call: &Call<Self::Config>) -> Result<(), Error>;

    /// GC: removes what belongs to this network and to none of the attachments in `keep`.
    /// By default nothing: all of it ends with the containers' namespaces.
    fn gc(&self, _: &Call<Self::Config>, _: &Attachments) -> Result<(), Error> {
        Ok(())
    }
}

/// A [`Plugin`] made of a [`ChainedPlugin`].
pub struct ChainedFrame<P>(pub P);

impl<P: ChainedPlugin> Plugin for ChainedFrame<P> {
    type Config = P::Config;

    const NAME: &'static str = P::NAME;
    const VERSIONS: &'static [SpecVersion] = P::VERSIONS;

    fn add(&self, call: &Call<P::Config>, undo: &mut Undo) -> Result<CniResult, Error> {
        let plan = self.0.plan(call)?;
        let mut result = call.chained_result()?;
        if let Some(plan) = plan {
            self.0.add(call, plan, &mut result, undo)?;
        }
        Ok(result)
    }

    fn del(&self, call: &Call<P::Config>) -> Result<(), Error> {
        let previous = call.request.prev_result().unwrap_or_else(|error| {
            log(format_args!(
                "{}: DEL goes on without the previous result: {error}",
                P::NAME
            ));
            None
        });
        self.0.del(call, previous.as_ref())
    }

    fn check(&self, call: &Call<P::Config>) -> Result<(), Error> {
        let plan = self.0.plan(call)?;
        let result = call.required_prev_result()?;
        plan.map_or(Ok(()), |plan| self.0.check(call, plan, &result))
    }

    fn status(&self, call: &Call<P::Config>) -> Result<(), Error> {
        self.0.status(call)
    }

    fn gc(&self, call: &Call<P::Config>, keep: &Attachments) -> Result<(), Error> {
        self.0.gc(call, keep)
    }
}

impl<C> Call<C> {
    /// The previous result, which ADD of a chained plugin builds on and returns.
    fn chained_result(&self) -> Result<CniResult, Error> {
        self.request
            .prev_result()?
            .ok_or_else(|| Error::new(Code::InvalidConfig, "must be called as chained plugin"))
    }
}

/// The addresses in `result` that are on the container's interface `ifname` or on no interface.
///
/// Addresses of host interfaces, such as a gateway's, are left out.
pub fn container_addresses<'r>(
    result: &'r CniResult,
    ifname: &str,
) -> impl Iterator<Item = Cidr> + 'r {
    let ifname = ifname.to_owned();
    let inside = move |ip: &&IpConfig| {
        result
            .interface_of(ip)
            .is_none_or(|interface| interface.name == ifname && !interface.sandbox.is_empty())
    };
    result.ips.iter().filter(inside).map(|ip| ip.address)
}

#[cfg(test)]
mod tests {
    use cni_types::Interface;

    use super::*;

    fn ip(address: &str, interface: Option<i64>) -> IpConfig {
        IpConfig {
            interface,
            address: address.parse().unwrap(),
            gateway: None,
        }
    }

    #[test]
    fn only_addresses_inside_the_container_are_its_own() {
        let interface = |name: &str, sandbox: &str| Interface {
            name: name.into(),
            sandbox: sandbox.into(),
            ..Interface::default()
        };
        let result = CniResult {
            interfaces: vec![
                interface("eth0", ""),
                interface("eth0", "/run/netns/c"),
                interface("net1", "/run/netns/c"),
            ],
            ips: vec![
                ip("10.0.0.1/24", Some(0)),
                ip("10.0.0.2/24", Some(1)),
                ip("10.0.0.3/24", Some(2)),
                ip("10.0.0.4/24", Some(9)),
                ip("10.0.0.5/24", None),
            ],
            ..CniResult::default()
        };
        let found: Vec<_> = container_addresses(&result, "eth0")
            .map(|address| address.to_string())
            .collect();
        assert_eq!(found, ["10.0.0.2/24", "10.0.0.4/24", "10.0.0.5/24"]);
    }
}
