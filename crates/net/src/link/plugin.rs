//! The frame of a plugin whose interface is one link in the container.

use cni_types::{Attachments, CniResult, Dns, Error};
use ferrule_kernel::{Link, Mac};
use ferrule_plugin::{Call, Ipam, IpamAdd, Plugin, Undo, collect, detach};
use serde::de::DeserializeOwned;

use super::{Expected, check, create, remove, status};
use crate::master::{MasterNetns, checked_mtu};
use crate::{AttachmentId, NetError, Sandbox};

/// A plugin whose interface is one link in the container: what only it does.
///
/// [`LinkFrame`] makes a whole plugin of it.
pub trait LinkPlugin {
    /// The plugin's keys.
    type Config: DeserializeOwned;

    /// What the keys say of links of this kind alone.
    type Settings;

    /// The executable's name.
    const NAME: &'static str;

    /// The kernel's name of the kind of link (`IFLA_INFO_KIND`).
    const KIND: &'static str;

    /// The keys, checked as far as that is possible without the kernel.
    fn spec(call: &Call<Self::Config>) -> Result<LinkSpec<'_, Self::Settings>, Error>;

    /// Makes the link, down, with the attachment's alias. Whatever fails, nothing is left.
    fn create(target: &Target<'_>, settings: &Self::Settings) -> Result<Link, Error>;

    /// Whether the link has to be up before it gets its addresses.
    fn comes_up_first(_: &Self::Settings) -> bool {
        false
    }

    /// Compares with the settings what only links of this kind have.
    fn check(target: &Target<'_>, link: &Link, settings: &Self::Settings) -> Result<(), NetError>;

    /// Refuses a master that links of this kind cannot be put on.
    fn ensure_usable(_: &Link) -> Result<(), Error> {
        Ok(())
    }

    /// Fails (code 50) if the kernel cannot make links of this kind.
    fn ensure_available() -> Result<(), Error> {
        status::ensure_driver(Self::KIND)
    }
}

/// What the configuration asks for.
pub struct LinkSpec<'c, S> {
    /// The link it is put on; none for kinds that stand alone.
    pub master: Option<Master<'c>>,
    /// MTU in bytes, at most the master's; 0 is the kernel's choice.
    pub mtu: i64,
    /// Hardware address; the kernel's choice if none.
    pub mac: Option<Mac>,
    /// Where addresses come from.
    pub addresses: Addresses,
    /// Name resolution; replaces what the address plugin answers.
    pub dns: &'c Dns,
    /// What only links of this kind have.
    pub settings: S,
}

/// The link that the container's link is put on.
#[derive(Clone, Debug)]
pub struct Master<'c> {
    /// Its name.
    pub name: MasterName<'c>,
    /// Whether it is looked up in the container (the key `linkInContainer`).
    pub in_container: bool,
}

/// How the master is found.
#[derive(Clone, Debug)]
pub enum MasterName<'c> {
    /// By the key `master`.
    Configured(&'c str),
    /// It is the interface of the plugin before this one.
    Previous(String),
    /// It is the interface of the default route.
    DefaultRoute,
    /// Not known before ADD, where a plugin before this one may tell it.
    Open,
}

/// Where the addresses of the link come from.
#[derive(Debug)]
pub enum Addresses {
    /// From the address plugin, without which ADD fails.
    Required,
    /// From the address plugin, if one is configured.
    Optional,
    /// From the plugin before this one.
    Previous(Box<CniResult>),
}

/// Where a link is made and checked, and for whom.
pub struct Target<'a> {
    /// The container's namespace.
    pub sandbox: &'a Sandbox,
    /// The attachment.
    pub id: AttachmentId,
    /// The namespace the creating message is sent from.
    pub(super) side: &'a MasterNetns,
    /// The master, if there is one.
    pub(super) master: Option<&'a Link>,
    /// MTU in bytes, if it is not the kernel's choice.
    pub mtu: Option<u32>,
    /// Hardware address, if it is not the kernel's choice.
    pub mac: Option<Mac>,
}

/// A plugin made of what only it does.
pub struct LinkFrame<P>(pub P);

impl<P: LinkPlugin> Plugin for LinkFrame<P> {
    type Config = P::Config;

    const NAME: &'static str = P::NAME;

    fn add(&self, call: &Call<P::Config>, undo: &mut Undo) -> Result<CniResult, Error> {
        let request = &call.request;
        let spec = P::spec(call)?;
        let ipam = spec.addresses.ipam(call)?;
        let sandbox = Sandbox::open(&request.netns)?;
        create::ensure_name_is_free(&sandbox, &request.ifname)?;
        let (side, master) = spec.find_master(&sandbox)?;
        master.as_ref().map_or(Ok(()), P::ensure_usable)?;

        let ipam = IpamAdd::start(ipam, undo)?;
        let target = spec.target(call, &sandbox, &side, master.as_ref())?;
        let link = P::create(&target, &spec.settings)?;
        undo.push("remove the interface", create::remover(&link, &sandbox));
        if ipam.needs_link() || P::comes_up_first(&spec.settings) {
            create::set_up(&sandbox, &link)?;
        }
        let addresses = match spec.addresses {
            Addresses::Previous(result) => Some(*result),
            _ => ipam.finish(undo)?,
        };
        let mut result = create::finish(&sandbox, &link, request, addresses)?;
        result.override_dns(spec.dns);
        Ok(result)
    }

    fn del(&self, call: &Call<P::Config>) -> Result<(), Error> {
        let request = &call.request;
        detach(Ipam::of(request), || remove::remove_for(request, P::KIND))
    }

    fn check(&self, call: &Call<P::Config>) -> Result<(), Error> {
        let request = &call.request;
        let mut spec = P::spec(call)?;
        if let Some(ipam) = spec.addresses.ipam(call)? {
            ipam.check()?;
        }
        let result = call.required_prev_result()?;
        let sandbox = Sandbox::open(&request.netns)?;
        // The default route may have moved since ADD, and the previous result is now this plugin's
        // own: only a configured master must be the one.
        spec.master = spec.master.filter(Master::is_configured);
        let (side, master) = spec.find_master(&sandbox)?;
        let target = spec.target(call, &sandbox, &side, None)?;
        let expected = Expected {
            kind: P::KIND,
            mtu: target.mtu,
            parent: master.as_ref().map(|master| (&side, master)),
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
        let spec = P::spec(call)?;
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
    /// The address plugin of this request, if it takes part.
    fn ipam<C>(&self, call: &Call<C>) -> Result<Option<Ipam>, Error> {
        match self {
            Self::Required => Ipam::required(&call.request).map(Some),
            Self::Optional => Ok(Ipam::of(&call.request)),
            Self::Previous(_) => Ok(None),
        }
    }
}

impl<'c> Master<'c> {
    /// The master that the keys `master` and `linkInContainer` mean: without a name that of the
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
    /// The namespace of the master and the master itself. A link without one is made in the
    /// container.
    fn find_master(&self, sandbox: &Sandbox) -> Result<(MasterNetns, Option<Link>), Error> {
        let Some(master) = &self.master else {
            return Ok((MasterNetns::Container(sandbox.clone()), None));
        };
        let side = MasterNetns::open(master.in_container, sandbox)?;
        let link = side.find(&master.name)?;
        Ok((side, Some(link)))
    }

    fn target<'t, C>(
        &self,
        call: &Call<C>,
        sandbox: &'t Sandbox,
        side: &'t MasterNetns,
        master: Option<&'t Link>,
    ) -> Result<Target<'t>, Error> {
        let mtu = match master {
            Some(master) => checked_mtu(self.mtu, master)?,
            None => u32::try_from(self.mtu).ok().filter(|mtu| *mtu > 0),
        };
        Ok(Target {
            sandbox,
            id: AttachmentId::from(&call.request),
            side,
            master,
            mtu,
            mac: self.mac,
        })
    }
}
