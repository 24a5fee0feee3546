//! The leases of the daemon: the table, its timer, and the end of a lease.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use cni_types::{Code, Error};
use log::{info, warn};
use tokio::sync::{Notify, Semaphore};
use tokio::task;
use tokio::time::{Instant, timeout};

use super::slot::Slot;
use crate::clock;
use crate::exchange::{self, Client, ExchangeError, Settings};
use crate::lease::{Lease, LeaseKey, Place, Record, Stage};
use crate::place::{Glance, PlaceError};
use crate::protocol::Summary;
use crate::state::State;
use crate::timing::Phase;

/// How often namespaces and notes of DEL are looked at.
pub(super) const SWEEP: Duration = Duration::from_secs(2);
/// How many exchanges run at once; each has a few sockets.
const MOST_EXCHANGES: usize = 128;
/// How long a release may take; there is no answer to wait for.
const RELEASE_TIME: Duration = Duration::from_secs(5);

/// All leases.
pub(super) struct Keeper {
    pub(super) settings: Settings,
    /// What stands in front of the paths of namespaces.
    host_prefix: String,
    pub(super) state: State,
    slots: RefCell<BTreeMap<LeaseKey, Rc<Slot>>>,
    /// Something is due earlier than before.
    changed: Notify,
    exchanges: Semaphore,
}

impl Keeper {
    /// The keeper of the leases in the state folder.
    pub(super) fn new(settings: Settings, host_prefix: String, state: State) -> Rc<Self> {
        Rc::new(Self {
            settings,
            host_prefix,
            state,
            slots: RefCell::default(),
            changed: Notify::new(),
            exchanges: Semaphore::new(MOST_EXCHANGES),
        })
    }

    /// How long an ADD may take, in seconds.
    pub(super) fn longest_add(&self) -> u64 {
        self.settings.resend_timeout.as_secs().saturating_add(1)
    }

    /// Goes on with the leases of an earlier process.
    pub(super) fn resume(&self) -> Result<usize, Error> {
        let records = self.state.records()?;
        let now = clock::now();
        for record in &records {
            let slot = Slot::resumed(record.clone());
            let is_at_rest = record.stage == Stage::Held
                && record.replaced.is_none()
                && record.lease.times.phase(now) == Phase::Bound;
            slot.due.set(if is_at_rest {
                record.lease.times.next_phase(now)
            } else {
                Some(now)
            });
            self.slots.borrow_mut().insert(record.key.clone(), slot);
        }
        Ok(records.len())
    }

    /// Runs what is due, and looks after namespaces and notes, until the process ends.
    pub(super) async fn run(self: Rc<Self>) {
        let mut next_sweep = Instant::now();
        loop {
            if Instant::now() >= next_sweep {
                self.sweep();
                next_sweep = Instant::now() + SWEEP;
            }
            let now = clock::now();
            let slots: Vec<Rc<Slot>> = self.slots.borrow().values().cloned().collect();
            for slot in slots
                .iter()
                .filter(|slot| slot.due.get().is_some_and(|due| due <= now))
            {
                slot.due.set(None);
                task::spawn_local(Rc::clone(&self).turn(Rc::clone(slot)));
            }
            let next = slots.iter().filter_map(|slot| slot.due.get()).min();
            drop(slots);
            let wait = next.map_or(SWEEP, |next| next.saturating_sub(now).min(SWEEP));
            // The clock of leases goes on while the node sleeps, this one does not.
            let _ = timeout(wait, self.changed.notified()).await;
        }
    }

    /// Ends a lease, if there is one, and the ADD or renewal that is under way.
    pub(super) async fn release(&self, key: &LeaseKey) -> Result<(), Error> {
        let slot = self.slots.borrow().get(key).cloned();
        let Some(slot) = slot else {
            return Ok(self.state.remove(key)?);
        };
        slot.ended.send_modify(|ends| *ends += 1);
        let guard = slot.lock.lock().await;
        let outcome = self.forget(&slot).await;
        drop(guard);
        self.tidy(&slot);
        outcome
    }

    /// The lease that is held.
    pub(super) fn lookup(&self, key: &LeaseKey) -> Option<Lease> {
        let slot = self.slots.borrow().get(key).cloned()?;
        let record = slot.record.borrow();
        record
            .as_ref()
            .filter(|record| record.stage == Stage::Held)
            .map(|record| record.lease.clone())
    }

    /// All leases, in the order of their keys.
    pub(super) fn list(&self) -> Vec<Summary> {
        let now = clock::now();
        let slots = self.slots.borrow();
        let records = slots
            .values()
            .filter_map(|slot| slot.record.borrow().clone());
        let summary = |record: Record| {
            let limits = record.lease.times.limits;
            let left = |time: Duration| time.saturating_sub(now).as_secs();
            Summary {
                key: record.key,
                netns: record.place.netns,
                stage: record.stage,
                renew_in: limits.map(|limits| left(limits.renew)),
                expire_in: limits.map(|limits| left(limits.expire)),
                lease: record.lease,
            }
        };
        records.map(summary).collect()
    }

    pub(super) async fn find(&self, netns: PathBuf, ifname: String) -> Result<Place, Error> {
        let netns = super::prefixed(&self.host_prefix, &netns);
        let found = task::spawn_blocking(move || Place::find(&netns, &ifname)).await;
        found
            .unwrap_or_else(|error| Err(PlaceError::Thread(error)))
            .map_err(|error| wire(error.into()))
    }

    /// Runs an exchange as soon as there are not too many.
    pub(super) async fn exchange<T>(
        &self,
        exchange: impl Future<Output = Result<T, ExchangeError>>,
    ) -> Result<T, ExchangeError> {
        // The semaphore is never closed.
        let _permit = self.exchanges.acquire().await;
        exchange.await
    }

    pub(super) fn slot(&self, key: &LeaseKey) -> Rc<Slot> {
        let mut slots = self.slots.borrow_mut();
        Rc::clone(
            slots
                .entry(key.clone())
                .or_insert_with(|| Slot::empty(key.clone())),
        )
    }

    /// Takes a slot without a lease that nobody else waits for out of the table.
    pub(super) fn tidy(&self, slot: &Rc<Slot>) {
        let is_unused = slot.record.borrow().is_none() && Rc::strong_count(slot) == 2;
        if is_unused {
            self.slots.borrow_mut().remove(&slot.key);
        }
    }

    pub(super) fn schedule(&self, slot: &Slot, due: Option<Duration>) {
        slot.due.set(due);
        self.changed.notify_one();
    }

    /// Releases the lease of the slot, if there is one, and removes its record. The slot is locked.
    pub(super) async fn forget(&self, slot: &Slot) -> Result<(), Error> {
        let record = slot.record.borrow().clone();
        slot.due.set(None);
        if let Some(record) = record.filter(|record| record.stage != Stage::Lost) {
            let release = exchange::release(self.client(&record), &record.lease);
            match timeout(RELEASE_TIME, release).await {
                Ok(Ok(())) => info!("{}: released {}", slot.key, record.lease.address),
                Ok(Err(error)) => warn!("{}: not released: {error}", slot.key),
                Err(_) => warn!("{}: not released: the kernel does not answer", slot.key),
            }
        }
        slot.record.replace(None);
        Ok(self.state.remove(&slot.key)?)
    }

    pub(super) fn client<'a>(&'a self, record: &'a Record) -> Client<'a> {
        Client {
            key: &record.key,
            place: &record.place,
            options: &record.client,
            settings: &self.settings,
        }
    }

    /// Ends leases whose namespace is gone, and those that DEL has noted.
    fn sweep(self: &Rc<Self>) {
        let slots: Vec<Rc<Slot>> = self.slots.borrow().values().cloned().collect();
        for slot in slots {
            let place = slot
                .record
                .borrow()
                .as_ref()
                .map(|record| record.place.clone());
            let glance = place.as_ref().map_or(Glance::Same, Place::glance);
            let was_gone = slot.gone.replace(glance == Glance::Gone);
            match (glance, place) {
                // A runtime may mount a namespace anew: one look is not enough.
                (Glance::Gone, _) if was_gone => {
                    info!("{}: its network namespace is gone", slot.key);
                    self.release_later(slot.key.clone());
                }
                (Glance::Changed, Some(place)) => self.look_later(slot.key.clone(), place),
                _ => {}
            }
        }
        match self.state.noted_releases() {
            Ok(keys) => keys.into_iter().for_each(|key| self.release_later(key)),
            Err(error) => warn!("{error}"),
        }
    }

    fn look_later(self: &Rc<Self>, key: LeaseKey, place: Place) {
        let keeper = Rc::clone(self);
        task::spawn_local(async move {
            if place.is_another().await {
                info!("{key}: another network namespace is at the path of its own");
                keeper.release_later(key);
            }
        });
    }

    fn release_later(self: &Rc<Self>, key: LeaseKey) {
        let keeper = Rc::clone(self);
        task::spawn_local(async move {
            if let Err(error) = keeper.release(&key).await {
                warn!("{key}: {error}");
            }
        });
    }
}

/// The error object for the plugin.
pub(super) fn wire(error: ExchangeError) -> Error {
    match error {
        ExchangeError::Place(PlaceError::Net(error)) => error.into(),
        ExchangeError::Record(error) => error.into(),
        ExchangeError::NoAnswer { .. } => Error::new(Code::TryAgain, error.to_string()).details(
            "is a server on that network? tcpdump -ni INTERFACE port 67 or port 68 shows what passes",
        ),
        error => Error::internal(error),
    }
}
