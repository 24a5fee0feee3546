//! The frame of a plugin that comes behind others in a list.

use cni_types::{Attachments, Cidr, CniResult, Code, Error, IpConfig, SpecVersion};
use serde::de::DeserializeOwned;

use crate::{Call, Plugin, Undo, log};

/// A plugin that comes behind others in a list and changes what they have attached: what only it
/// does.
///
/// [`ChainedFrame`] makes a whole plugin of it: ADD answers the previous result again, as the plugin
/// has changed it; DEL goes on where the previous result is missing or unreadable.
pub trait ChainedPlugin {
    /// The plugin's keys.
    type Config: DeserializeOwned;

    /// What the keys ask for, checked as far as that is possible without the kernel.
    type Plan;

    /// The executable's name.
    const NAME: &'static str;

    /// The versions it speaks, oldest first.
    const VERSIONS: &'static [SpecVersion] = &SpecVersion::ALL;

    /// What the keys ask for; none where they ask for nothing, so that ADD and CHECK have nothing to
    /// do.
    fn plan(&self, call: &Call<Self::Config>) -> Result<Option<Self::Plan>, Error>;

    /// ADD: does what the plan says to the attachment that `result` describes. Every effect is
    /// preceded by its entry in `undo`. What the plugin changes of the attachment it changes in
    /// `result`, too.
    fn add(
        &self,
        call: &Call<Self::Config>,
        plan: Self::Plan,
        result: &mut CniResult,
        undo: &mut Undo,
    ) -> Result<(), Error>;

    /// DEL: takes back what ADD has done, whatever the keys say now. Succeeds when nothing of it is
    /// left, whoever removed it.
    fn del(&self, call: &Call<Self::Config>, previous: Option<&CniResult>) -> Result<(), Error>;

    /// CHECK: fails if the attachment is not as ADD left it, and says what differs.
    fn check(
        &self,
        call: &Call<Self::Config>,
        plan: Self::Plan,
        result: &CniResult,
    ) -> Result<(), Error>;

    /// STATUS: fails (code 50 or 51) if an ADD could not work now.
    fn status(&self, call: &Call<Self::Config>) -> Result<(), Error>;

    /// GC: takes away what belongs to this network but to none of the attachments in `keep`.
    fn gc(&self, call: &Call<Self::Config>, keep: &Attachments) -> Result<(), Error>;
}

/// A plugin made of what only it does.
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
    /// The result that a chained plugin builds on and answers again, which ADD cannot do without.
    pub fn chained_result(&self) -> Result<CniResult, Error> {
        self.request
            .prev_result()?
            .ok_or_else(|| Error::new(Code::InvalidConfig, "must be called as chained plugin"))
    }
}

/// The addresses that `result` gives the container's interface `ifname`, or no interface at all.
///
/// Addresses of the host's side, such as a gateway's, are not the container's.
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
