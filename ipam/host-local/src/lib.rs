//! `host-local` allocates addresses from configured ranges and stores the reservations in files.
//!
//! ADD reserves one address of each range set, round robin, and returns it with its gateway, the
//! configured routes and the DNS settings of `resolvConf`. DEL releases the reservations of the
//! attachment, CHECK fails if there are none, STATUS if none could be written, GC releases those of
//! attachments that are not valid. The files are those of the Go plugin, and both may use one folder
//! at the same time; see `docs/host-local.md` for keys, files and differences.

mod allocation;
mod candidates;
mod check;
mod config;
mod plan;
mod range;
mod range_set;
mod resolv;
mod store;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cni_types::{Attachments, CniResult, Dns, Error};
use ferrule_plugin::{Call, Plugin, Undo};

use allocation::{Lease, allocate};
pub use config::Config;
use plan::{Plan, range_sets};
use store::reservation::{Claim, Owner, attachment_of};
use store::{Reservation, Store};

/// The plugin `host-local`.
pub struct HostLocal;

/// The `main` of the executable `host-local`.
pub fn main() -> ExitCode {
    ferrule_plugin::main(&HostLocal)
}

impl Plugin for HostLocal {
    type Config = Config;

    const NAME: &'static str = "host-local";

    fn add(&self, call: &Call<Config>, undo: &mut Undo) -> Result<CniResult, Error> {
        let plan = Plan::new(&call.config, &call.request)?;
        let ipam = call.config.ipam.clone().unwrap_or_default();
        let dns = dns(&ipam.resolv_conf)?;
        let (location, owner) = (Location::of(call), Owner::of(call));
        let mut store = Store::create(&location.data_dir, &location.network)?;
        let leases = allocate(&mut store, &plan, &owner)?;
        drop(store);
        let ips = leases.iter().map(Lease::ip).collect();
        undo.push("release the reserved addresses", move || {
            location.release(&leases, &owner)
        });
        Ok(CniResult {
            ips,
            routes: ipam.routes,
            dns,
            ..CniResult::default()
        })
    }

    fn del(&self, call: &Call<Config>) -> Result<(), Error> {
        let Some(mut store) = Location::of(call).open()? else {
            return Ok(());
        };
        let mut held = store.held_by(&Owner::of(call))?;
        // A file without an interface name covers all interfaces of its container; a file with one wins.
        if held.iter().any(|held| held.claim == Claim::Attachment) {
            held.retain(|held| held.claim == Claim::Attachment);
        }
        release_all(&mut store, held.iter().map(|held| &held.reservation))
    }

    fn check(&self, call: &Call<Config>) -> Result<(), Error> {
        let plan = Plan::new(&call.config, &call.request)?;
        let mut store = Location::of(call).open()?;
        let owner = Owner::of(call);
        check::check_held(store.as_mut(), &plan.sets, &call.request, &owner)
    }

    fn status(&self, call: &Call<Config>) -> Result<(), Error> {
        let ipam = call.config.ipam()?;
        let sets = range_sets(ipam, &call.config.runtime, &call.request)?;
        dns(&ipam.resolv_conf).map_err(check::not_available)?;
        let location = Location::of(call);
        check::check_available(&location.data_dir, &location.network, &sets)
    }

    fn gc(&self, call: &Call<Config>, keep: &Attachments) -> Result<(), Error> {
        let Some(mut store) = Location::of(call).open()? else {
            return Ok(());
        };
        let inventory = store.inventory()?;
        let stale = |reservation: &&Reservation| match attachment_of(&reservation.content) {
            (container_id, Some(ifname)) => !keep.contains(container_id, ifname),
            (container_id, None) => !keep.contains_container(container_id),
        };
        let unreadable = inventory
            .unreadable
            .into_iter()
            .map(|error| Err(error.into()));
        let released = release_all(&mut store, inventory.reservations.iter().filter(stale));
        Error::join(unreadable.chain([released]))
    }
}

/// Releases each reservation; continues after an error.
fn release_all<'r>(
    store: &mut Store,
    reservations: impl Iterator<Item = &'r Reservation>,
) -> Result<(), Error> {
    Error::join(reservations.map(|reservation| Ok(store.release(reservation)?)))
}

/// The DNS settings of `resolvConf`; none without a file.
fn dns(resolv_conf: &str) -> Result<Dns, Error> {
    match resolv_conf {
        "" => Ok(Dns::default()),
        path => resolv::read(Path::new(path)),
    }
}

impl Owner {
    fn of(call: &Call<Config>) -> Self {
        Self::new(&call.request.container_id, &call.request.ifname)
    }
}

/// The location of the network's reservations.
struct Location {
    data_dir: PathBuf,
    network: String,
}

impl Location {
    fn of(call: &Call<Config>) -> Self {
        Self {
            data_dir: call.config.data_dir(),
            network: call.request.network.clone(),
        }
    }

    fn open(&self) -> Result<Option<Store>, Error> {
        Ok(Store::open(&self.data_dir, &self.network)?)
    }

    /// Releases what an ADD has reserved and still belongs to its attachment.
    fn release(&self, leases: &[Lease], owner: &Owner) -> Result<(), Error> {
        let Some(mut store) = self.open()? else {
            return Ok(());
        };
        let held = store.held_by(owner)?;
        let mine = held.iter().map(|held| &held.reservation);
        let of_this_add = |r: &&Reservation| leases.iter().any(|l| l.reservation() == *r);
        release_all(&mut store, mine.filter(of_this_add))
    }
}

#[test]
fn the_schema_is_current() {
    ferrule_schema::assert_current::<HostLocal>(ferrule_schema::Role::Ipam);
}
