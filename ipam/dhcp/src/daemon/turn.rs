//! What is done for a lease when it is due: renewing, rebinding, giving it up, seeking another.

use std::rc::Rc;
use std::time::Duration;

use cni_types::Error;
use log::{info, warn};

use super::keeper::{Keeper, SWEEP, wire};
use super::slot::Slot;
use crate::exchange::{self, Answer, Ask, ExchangeError};
use crate::lease::{Lease, Record, Stage};
use crate::timing::Phase;
use crate::{clock, interface};

/// When to look again at a lease that somebody else is busy with.
const BUSY_PAUSE: Duration = Duration::from_secs(1);

impl Keeper {
    /// Does what is due for a lease.
    pub(super) async fn turn(self: Rc<Self>, slot: Rc<Slot>) {
        let mut ended = slot.ended.subscribe();
        let Ok(guard) = slot.lock.try_lock() else {
            // Whoever holds the lock schedules another turn, if not for what it finds.
            self.schedule(&slot, Some(clock::now() + BUSY_PAUSE));
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

    /// Writes the record, and keeps it in memory even if that fails.
    pub(super) fn write(&self, slot: &Slot, record: &Record) -> Result<(), Error> {
        slot.record.replace(Some(record.clone()));
        Ok(self.state.write(record)?)
    }
}
