//! The frame of a plugin whose interface is one link in the container.

use cni_types::{Attachments, CniResult, Error, Request};
use ferrule_kernel::{Link, Mac};
use ferrule_plugin::{Call, Ipam, IpamAdd, Plugin, Undo, collect, detach};
use serde::de::DeserializeOwned;

use super::{Expected, check, create, remove, status};
use crate::master::{MasterNetns, checked_mtu};
use crate::{AttachmentId, NetError, Sandbox};

/// The specific part of a plugin whose interface is one link in the container.
///
/// [`LinkFrame`] turns it into a [`Plugin`].
pub trait LinkPlugin: Sized {
    /// The plugin's keys.
    type Config: LinkConfig;

    /// The executable's name.
    const NAME: &'static str;

    /// The kernel's name of the kind of link (`IFLA_INFO_KIND`), by default that of the plugin.
    const KIND: &'static str = Self::NAME;

    /// Creates the link, down, with the attachment's alias. On failure nothing is left.
    fn create(target: &Target<'_>, settings: &Settings<Self>) -> Result<Link, Error>;

    /// Whether the link must be up before addresses are added.
    fn comes_up_first(_: &Settings<Self>) -> bool {
        false
    }

    /// Compares the settings of this kind.
    fn check(_: &Target<'_>, _: &Link, _: &Settings<Self>) -> Result<(), NetError> {
        Ok(())
    }

    /// Fails if a link of this kind cannot be created on the master.
    fn ensure_usable(_: &Link) -> Result<(), Error> {
        Ok(())
    }

    /// Fails (code 50) if the kernel cannot create links of this kind.
    fn ensure_available() -> Result<(), Error> {
        Ok(status::ensure_driver(Self::KIND)?)
    }
}

/// The settings of a plugin's kind of link.
pub type Settings<P> = <<P as LinkPlugin>::Config as LinkConfig>::Settings;

/// The keys of a [`LinkPlugin`].
pub trait LinkConfig: DeserializeOwned {
    /// Settings of this kind of link.
    type Settings;

    /// Validates the configuration, as far as that is possible without the kernel.
    fn spec(&self, request: &Request) -> Result<LinkSpec<'_, Self::Settings>, Error>;
}

/// The validated configuration of a link.
pub struct LinkSpec<'c, S> {
    /// Its master; none for kinds without one.
    pub master: Option<Master<'c>>,
    /// MTU in bytes, at most the master's; 0 is the kernel's choice.
    pub mtu: i64,
    /// MAC address; the kernel's choice if none.
    pub mac: Option<Mac>,
    /// The source of its addresses.
    pub addresses: Addresses,
    /// Settings of its kind.
    pub settings: S,
}

/// The master: the interface that the link is created on.
#[derive(Clone, Debug)]
pub struct Master<'c> {
    /// How it is found.
    pub name: MasterName<'c>,
    /// Whether it is looked up in the container (the key `linkInContainer`).
    pub in_container: bool,
}

/// How the master is found.
#[derive(Clone, Debug)]
pub enum MasterName<'c> {
    /// By the name in the key `master`.
    Configured(&'c str),
    /// By the name of the previous plugin's interface.
    Previous(String),
    /// As the interface of the default route.
    DefaultRoute,
    /// Not known outside of ADD: it depends on the previous plugin.
    Open,
}

/// The source of the link's addresses.
#[derive(Debug)]
pub enum Addresses {
    /// The address plugin, which must be configured.
    Required,
    /// The address plugin, if one is configured.
    Optional,
    /// The previous plugin's result.
    Previous(Box<CniResult>),
}

/// The namespace and the attachment that a link is created or checked for.
pub struct Target<'a> {
    /// The container's namespace.
    pub sandbox: &'a Sandbox,
    /// The attachment.
    pub id: AttachmentId,
    /// The namespace that the creating request is sent from.
    pub(super) netns: &'a MasterNetns,
    /// The master, if there is one.
    pub(super) master: Option<&'a Link>,
    /// MTU in bytes; the kernel's choice if none.
    pub mtu: Option<u32>,
    /// MAC address; the kernel's choice if none.
    pub mac: Option<Mac>,
}

/// Implements [`Plugin`] for a [`LinkPlugin`].
pub struct LinkFrame<P>(pub P);

impl<P: LinkPlugin> Plugin for LinkFrame<P> {
    type Config = P::Config;

    const NAME: &'static str = P::NAME;

    fn add(&self, call: &Call<P::Config>, undo: &mut Undo) -> Result<CniResult, Error> {
        let request = &call.request;
        let spec = call.config.spec(request)?;
        let ipam = spec.addresses.ipam(call)?;
        let sandbox = Sandbox::open(&request.netns)?;
        create::ensure_name_is_free(&sandbox, &request.ifname)?;
        let (netns, master) = spec.find_master(&sandbox)?;
        master.as_ref().map_or(Ok(()), P::ensure_usable)?;

        let ipam = IpamAdd::start(ipam, undo)?;
        let target = spec.target(call, &sandbox, &netns, master.as_ref())?;
        let link = P::create(&target, &spec.settings)?;
        remove::undo_create(undo, sandbox.clone(), &link);
        if ipam.needs_link() || P::comes_up_first(&spec.settings) {
            create::set_up(&sandbox, &link)?;
        }
        let addresses = match spec.addresses {
            Addresses::Previous(result) => Some(*result),
            _ => ipam.finish(undo)?,
        };
        let interface = create::interface(&link, request);
        let mut result = create::configure(&sandbox, &link, interface, addresses)?;
        result.override_dns(&request.dns);
        Ok(result)
    }

    fn del(&self, call: &Call<P::Config>) -> Result<(), Error> {
        let request = &call.request;
        detach(Ipam::of(request), || remove::remove_for(request, P::KIND))
    }

    fn check(&self, call: &Call<P::Config>) -> Result<(), Error> {
        let request = &call.request;
        let mut spec = call.config.spec(request)?;
        if let Some(ipam) = spec.addresses.ipam(call)? {
            ipam.check()?;
        }
        let result = call.required_prev_result()?;
        let sandbox = Sandbox::open(&request.netns)?;
        // Only a configured master is compared: the default route may have changed since ADD, and
        // the previous result is now that of this plugin.
        spec.master = spec.master.filter(Master::is_configured);
        let (netns, master) = spec.find_master(&sandbox)?;
        let target = spec.target(call, &sandbox, &netns, None)?;
        let expected = Expected {
            kind: P::KIND,
            mtu: target.mtu,
            master: master.as_ref().map(|master| (&netns, master)),
        };
        Ok(check::check(
            &sandbox,
            request,
            &result,
            &expected,
            |link| P::check(&target, link, &spec.settings),
        )?)
    }

    fn status(&self, call: &Call<P::Config>) -> Result<(), Error> {
        let spec = call.config.spec(&call.request)?;
        let ipam = spec.addresses.ipam(call)?;
        P::ensure_available()?;
        if let Some(master) = &spec.master {
            let found = status::ensure_master(master, spec.mtu)?;
            let usable = found.as_ref().map_or(Ok(()), P::ensure_usable);
            usable.map_err(status::unavailable)?;
        }
        ipam.map_or(Ok(()), |ipam| ipam.status())
    }

    fn gc(&self, call: &Call<P::Config>, keep: &Attachments) -> Result<(), Error> {
        let request = &call.request;
        collect(Ipam::of(request), || {
            remove::collect_garbage(&request.network, keep, P::KIND)
        })
    }
}

impl Addresses {
    /// The address plugin of the request, if it is the source.
    fn ipam<C>(&self, call: &Call<C>) -> Result<Option<Ipam>, Error> {
        match self {
            Self::Required => Ipam::required(&call.request).map(Some),
            Self::Optional => Ok(Ipam::of(&call.request)),
            Self::Previous(_) => Ok(None),
        }
    }
}

impl<'c> Master<'c> {
    /// The master of the keys `master` and `linkInContainer`; without a name the interface of the
    /// default route.
    pub fn new(name: Option<&'c str>, in_container: bool) -> Self {
        let name = name.filter(|name| !name.is_empty());
        Self {
            name: name.map_or(MasterName::DefaultRoute, MasterName::Configured),
            in_container,
        }
    }

    fn is_configured(&self) -> bool {
        matches!(self.name, MasterName::Configured(_))
    }
}

impl<S> LinkSpec<'_, S> {
    /// Looks up the master. Returns the namespace to create the link from, and the master. A link
    /// without a master is created from the container's namespace.
    fn find_master(&self, sandbox: &Sandbox) -> Result<(MasterNetns, Option<Link>), Error> {
        let Some(master) = &self.master else {
            return Ok((MasterNetns::Container(sandbox.clone()), None));
        };
        let netns = MasterNetns::open(master.in_container, sandbox)?;
        let link = netns.find(&master.name)?;
        Ok((netns, Some(link)))
    }

    fn target<'t, C>(
        &self,
        call: &Call<C>,
        sandbox: &'t Sandbox,
        netns: &'t MasterNetns,
        master: Option<&'t Link>,
    ) -> Result<Target<'t>, Error> {
        let mtu = match master {
            Some(master) => checked_mtu(self.mtu, master)?,
            None => u32::try_from(self.mtu).ok().filter(|mtu| *mtu > 0),
        };
        Ok(Target {
            sandbox,
            id: AttachmentId::of(&call.request),
            netns,
            master,
            mtu,
            mac: self.mac,
        })
    }
}
