//! The leases of the daemon: the table, what is done for the plugin, and the turns in which leases are
//! renewed.

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

use super::slot::{Slot, SlotFailure};
use crate::exchange::{self, Answer, Ask, Client, ExchangeError, Settings};
use crate::lease::{ClientOptions, Lease, LeaseKey, Place, Record, Stage};
use crate::place::PlaceError;
use crate::protocol::{Acquire, Summary};
use crate::state::State;
use crate::timing::Phase;
use crate::{clock, interface};

/// How often namespaces and notes of DEL are looked at.
const SWEEP: Duration = Duration::from_secs(2);
/// How many exchanges run at once; each has a few sockets.
const MOST_EXCHANGES: usize = 128;
/// How long a release may take; there is no answer to wait for.
const RELEASE_TIME: Duration = Duration::from_secs(5);

/// All leases.
pub(super) struct Keeper {
    settings: Settings,
    /// What stands in front of the paths of namespaces.
    host_prefix: String,
    state: State,
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
            let due = match record.stage {
                Stage::Held => record
                    .lease
                    .times
                    .next_phase(now)
                    .filter(|_| record.lease.times.phase(now) == Phase::Bound),
                Stage::Requested | Stage::Lost => None,
            };
            let endless = record.stage == Stage::Held && record.lease.times.limits.is_none();
            slot.due.set(match due {
                None if endless && record.replaced.is_none() => None,
                None => Some(now),
                Some(_) if record.replaced.is_some() => Some(now),
                due => due,
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

    /// The lease of an attachment: the one that is held, or a new one, and whether it is new. Stops when
    /// `hang_up` completes, as the one who asked is gone.
    pub(super) async fn acquire(
        &self,
        query: Acquire,
        hang_up: impl Future<Output = ()>,
    ) -> Result<(Lease, bool), Error> {
        let arrival = Instant::now();
        let Acquire { key, netns, client } = query;
        if self.state.is_release_noted(&key)? {
            self.release(&key).await?;
        }
        let place = self.find(netns, key.ifname.clone()).await?;
        let slot = self.slot(&key);
        let outcome = self
            .acquire_in(&slot, arrival, (key, place, client), hang_up)
            .await;
        self.tidy(&slot);
        outcome
    }

    async fn acquire_in(
        &self,
        slot: &Slot,
        arrival: Instant,
        (key, place, client): (LeaseKey, Place, ClientOptions),
        hang_up: impl Future<Output = ()>,
    ) -> Result<(Lease, bool), Error> {
        let mut ended = slot.ended.subscribe();
        if let Some(lease) = slot.held_at(&place) {
            return Ok((lease, false));
        }
        tokio::pin!(hang_up);
        let aborted = || Error::new(Code::TryAgain, format!("{key}: DEL has stopped this ADD"));
        let gone = || {
            Error::new(
                Code::TryAgain,
                format!("{key}: the plugin that asked is gone"),
            )
        };
        let _guard = tokio::select! {
            guard = slot.lock.lock() => guard,
            () = &mut hang_up => return Err(gone()),
        };
        if ended.has_changed().unwrap_or(true) {
            return Err(aborted());
        }
        if let Some(lease) = slot.held_at(&place) {
            return Ok((lease, false));
        }
        // Who asked meanwhile has waited for the same exchange.
        if let Some(error) = slot.failure_since(arrival) {
            return Err(error);
        }
        // That of a namespace that is gone, or one that was lost.
        self.forget(slot).await?;
        let mut record = None;
        let mut requesting = |offer: &Lease| {
            let requested = Record {
                key: key.clone(),
                place: place.clone(),
                client: client.clone(),
                stage: Stage::Requested,
                lease: offer.clone(),
                replaced: None,
            };
            self.state.write(&requested)?;
            record = Some(requested.clone());
            slot.record.replace(Some(requested));
            Ok(())
        };
        let asker = Client {
            key: &key,
            place: &place,
            options: &client,
            settings: &self.settings,
        };
        let outcome = tokio::select! {
            outcome = self.exchange(exchange::acquire(asker, None, &mut requesting)) => outcome.map_err(wire),
            _ = ended.changed() => Err(aborted()),
            () = &mut hang_up => Err(gone()),
        };
        let outcome = outcome.and_then(|lease| {
            let record = record.ok_or_else(|| Error::internal("a lease that nobody asked for"))?;
            let held = Record {
                stage: Stage::Held,
                lease: lease.clone(),
                ..record
            };
            self.state.write(&held)?;
            slot.record.replace(Some(held));
            Ok(lease)
        });
        match outcome {
            Ok(lease) => {
                info!("{key}: leased {} from {}", lease.address, lease.server);
                self.schedule(slot, lease.times.next_phase(clock::now()));
                Ok((lease, true))
            }
            Err(error) => {
                warn!("{error}");
                slot.failure.replace(Some(SlotFailure {
                    at: Instant::now(),
                    error: error.clone(),
                }));
                self.forget(slot).await?;
                Err(error)
            }
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

    async fn find(&self, netns: PathBuf, ifname: String) -> Result<Place, Error> {
        let netns = super::prefixed(&self.host_prefix, &netns);
        let found = task::spawn_blocking(move || Place::find(&netns, &ifname)).await;
        found
            .unwrap_or_else(|error| Err(PlaceError::Thread(error)))
            .map_err(|error| wire(error.into()))
    }

    /// Runs an exchange as soon as there are not too many.
    async fn exchange<T>(
        &self,
        exchange: impl Future<Output = Result<T, ExchangeError>>,
    ) -> Result<T, ExchangeError> {
        // The semaphore is never closed.
        let _permit = self.exchanges.acquire().await;
        exchange.await
    }

    fn slot(&self, key: &LeaseKey) -> Rc<Slot> {
        let mut slots = self.slots.borrow_mut();
        Rc::clone(
            slots
                .entry(key.clone())
                .or_insert_with(|| Slot::empty(key.clone())),
        )
    }

    /// Takes a slot without a lease that nobody else waits for out of the table.
    fn tidy(&self, slot: &Rc<Slot>) {
        let is_unused = slot.record.borrow().is_none() && Rc::strong_count(slot) == 2;
        if is_unused {
            self.slots.borrow_mut().remove(&slot.key);
        }
    }

    fn schedule(&self, slot: &Slot, due: Option<Duration>) {
        slot.due.set(due);
        self.changed.notify_one();
    }

    /// Releases the lease of the slot, if there is one, and removes its record. The slot is locked.
    async fn forget(&self, slot: &Slot) -> Result<(), Error> {
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

    fn client<'a>(&'a self, record: &'a Record) -> Client<'a> {
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
            let is_gone = slot
                .record
                .borrow()
                .as_ref()
                .is_some_and(|record| record.place.is_gone());
            // A runtime may mount a namespace anew: one look is not enough.
            if is_gone && slot.gone.replace(is_gone) {
                info!("{}: its network namespace is gone", slot.key);
                self.release_later(slot.key.clone());
            } else {
                slot.gone.set(is_gone);
            }
        }
        match self.state.noted_releases() {
            Ok(keys) => keys.into_iter().for_each(|key| self.release_later(key)),
            Err(error) => warn!("{error}"),
        }
    }

    fn release_later(self: &Rc<Self>, key: LeaseKey) {
        let keeper = Rc::clone(self);
        task::spawn_local(async move {
            if let Err(error) = keeper.release(&key).await {
                warn!("{key}: {error}");
            }
        });
    }

    /// Does what is due for a lease.
    async fn turn(self: Rc<Self>, slot: Rc<Slot>) {
        let mut ended = slot.ended.subscribe();
        // Whoever holds the lock schedules the next turn.
        let Ok(guard) = slot.lock.try_lock() else {
            return;
        };
        let record = slot.record.borrow().clone();
        let Some(record) = record else {
            return;
        };
        tokio::select! {
            due = self.advance(&slot, record) => self.schedule(&slot, due),
            // DEL waits for the lock.
            _ = ended.changed() => {}
        }
        drop(guard);
        self.tidy(&slot);
    }

    /// Takes a lease one step on. Returns when it is due again.
    async fn advance(&self, slot: &Slot, record: Record) -> Option<Duration> {
        let now = clock::now();
        let record = match self.finish_replacing(slot, record).await {
            Ok(record) => record,
            Err(error) => {
                warn!("{}: {error}", slot.key);
                return Some(now + SWEEP);
            }
        };
        let times = record.lease.times;
        match (record.stage, times.phase(now)) {
            (Stage::Requested, _) => {
                // The process that asked for it ended before it had the answer.
                if let Err(error) = self.forget(slot).await {
                    warn!("{}: {error}", slot.key);
                }
                None
            }
            (Stage::Held, Phase::Bound) => times.next_phase(now),
            (Stage::Held, Phase::Renewing) => self.prolong(slot, record, Ask::Server).await,
            (Stage::Held, Phase::Rebinding) => self.prolong(slot, record, Ask::Anyone).await,
            // It ran out while there was no daemon: the server may still prolong it.
            (Stage::Held, Phase::Expired) if slot.resumed.replace(false) => {
                self.prolong(slot, record, Ask::Anyone).await
            }
            (Stage::Held, Phase::Expired) => {
                warn!(
                    "{}: {} has expired: it is taken off the interface",
                    slot.key, record.lease.address
                );
                self.lose(slot, record).await
            }
            (Stage::Lost, _) => self.seek(slot, record).await,
        }
    }

    /// Asks for a longer lease.
    async fn prolong(&self, slot: &Slot, record: Record, ask: Ask) -> Option<Duration> {
        let answer = self
            .exchange(exchange::prolong(self.client(&record), &record.lease, ask))
            .await;
        slot.resumed.set(false);
        match answer {
            Ok(Answer::Granted(lease)) => self.install(slot, record, *lease).await,
            Ok(Answer::Refused(text)) => {
                warn!("{}: {} was revoked: {text}", slot.key, record.lease.address);
                self.lose(slot, record).await
            }
            Err(error) if error.is_interface_gone() => self.end(slot, &error).await,
            Err(error) => {
                warn!(
                    "{}: {} is not renewed yet: {error}",
                    slot.key, record.lease.address
                );
                let now = clock::now();
                Some(record.lease.times.retry(now).unwrap_or(now))
            }
        }
    }

    /// Ends a lease whose interface is gone.
    async fn end(&self, slot: &Slot, error: &ExchangeError) -> Option<Duration> {
        info!("{}: {error}", slot.key);
        if let Err(error) = self.forget(slot).await {
            warn!("{}: {error}", slot.key);
        }
        None
    }

    /// Seeks a lease in place of one that was lost.
    async fn seek(&self, slot: &Slot, record: Record) -> Option<Duration> {
        let mut requesting = |_: &Lease| Ok(());
        let wanted = Some(&record.lease);
        let acquire = exchange::acquire(self.client(&record), wanted, &mut requesting);
        match self.exchange(acquire).await {
            Ok(lease) => self.install(slot, record, lease).await,
            Err(error) if error.is_interface_gone() => self.end(slot, &error).await,
            Err(error) => {
                warn!("{}: no address yet: {error}", slot.key);
                let pause = self.settings.resend_max;
                Some(clock::now() + pause * (clock::random() % 1001 + 500) / 1000)
            }
        }
    }

    /// Goes on with a new grant.
    async fn install(&self, slot: &Slot, mut record: Record, lease: Lease) -> Option<Duration> {
        let due = lease.times.next_phase(clock::now());
        let old = std::mem::replace(&mut record.lease, lease);
        let was_lost = std::mem::replace(&mut record.stage, Stage::Held) == Stage::Lost;
        if was_lost || !old.is_configured_as(&record.lease) {
            info!(
                "{}: {} in place of {}",
                slot.key, record.lease.address, old.address
            );
            record.replaced = Some(old);
        } else {
            info!("{}: renewed {}", slot.key, record.lease.address);
        }
        self.replace(slot, record, due).await
    }

    /// Gives up a lease.
    async fn lose(&self, slot: &Slot, mut record: Record) -> Option<Duration> {
        record.stage = Stage::Lost;
        record.replaced = Some(record.lease.clone());
        let now = clock::now();
        self.replace(slot, record, Some(now)).await
    }

    /// Writes the record and changes the interface; what fails is tried again at the next turn.
    async fn replace(
        &self,
        slot: &Slot,
        record: Record,
        due: Option<Duration>,
    ) -> Option<Duration> {
        match self.write(slot, &record) {
            Ok(()) => {}
            // The lease in memory goes on.
            Err(error) => warn!("{}: {error}", slot.key),
        }
        match self.finish_replacing(slot, record).await {
            Ok(_) => due,
            Err(error) => {
                warn!("{}: {error}", slot.key);
                Some(clock::now() + SWEEP)
            }
        }
    }

    /// Takes what was replaced off the interface, and puts the lease on it.
    async fn finish_replacing(&self, slot: &Slot, record: Record) -> Result<Record, Error> {
        let Some(old) = record.replaced.clone() else {
            return Ok(record);
        };
        let new = (record.stage == Stage::Held).then(|| record.lease.clone());
        let applied = record
            .place
            .on_thread(move |place| interface::apply(place, Some(&old), new.as_ref()));
        applied.await.map_err(|error| wire(error.into()))?;
        let record = Record {
            replaced: None,
            ..record
        };
        self.write(slot, &record)?;
        Ok(record)
    }

    fn write(&self, slot: &Slot, record: &Record) -> Result<(), Error> {
        slot.record.replace(Some(record.clone()));
        Ok(self.state.write(record)?)
    }
}

/// The error object for the plugin.
fn wire(error: ExchangeError) -> Error {
    match error {
        ExchangeError::Place(PlaceError::Net(error)) => error.into(),
        ExchangeError::Record(error) => error.into(),
        ExchangeError::NoAnswer { .. } => Error::new(Code::TryAgain, error.to_string()).details(
            "is a server on that network? tcpdump -ni INTERFACE port 67 or port 68 shows what passes",
        ),
        error => Error::internal(error),
    }
}
