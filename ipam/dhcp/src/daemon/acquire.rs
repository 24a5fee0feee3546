//! ADD: a lease for an attachment.

use std::future::Future;

use cni_types::{Code, Error};
use log::{info, warn};
use tokio::time::Instant;

use super::keeper::{Keeper, wire};
use super::slot::{Slot, SlotFailure};
use crate::clock;
use crate::exchange::{self, Client, Settings};
use crate::lease::{ClientOptions, Lease, Place, Record, Stage};
use crate::protocol::Acquire;

/// An ADD.
struct Asker {
    place: Place,
    options: ClientOptions,
    arrival: Instant,
}

impl Keeper {
    /// The lease of an attachment: the one that is held, or a new one, and whether it is new. Stops when
    /// `hang_up` completes, as the one who asked is gone.
    pub(super) async fn acquire(
        &self,
        query: Acquire,
        hang_up: impl Future<Output = ()>,
    ) -> Result<(Lease, bool), Error> {
        let arrival = Instant::now();
        if self.state.is_release_noted(&query.key)? {
            self.release(&query.key).await?;
        }
        let place = self.find(query.netns, query.key.ifname.clone()).await?;
        let slot = self.slot(&query.key);
        let asker = Asker {
            place,
            options: query.client,
            arrival,
        };
        let outcome = self.acquire_in(&slot, asker, hang_up).await;
        self.tidy(&slot);
        outcome
    }

    async fn acquire_in(
        &self,
        slot: &Slot,
        asker: Asker,
        hang_up: impl Future<Output = ()>,
    ) -> Result<(Lease, bool), Error> {
        let mut ended = slot.ended.subscribe();
        if let Some(lease) = slot.held_at(&asker.place) {
            return Ok((lease, false));
        }
        tokio::pin!(hang_up);
        let _guard = tokio::select! {
            guard = slot.lock.lock() => guard,
            () = &mut hang_up => return Err(asker_is_gone(slot)),
        };
        if ended.has_changed().unwrap_or(true) {
            return Err(ended_by_del(slot));
        }
        if let Some(lease) = slot.held_at(&asker.place) {
            return Ok((lease, false));
        }
        // Who asked meanwhile has waited for the same exchange.
        if let Some(error) = slot.failure_since(asker.arrival) {
            return Err(error);
        }
        // That of a namespace that is gone, or one that was lost.
        self.forget(slot).await?;
        let outcome = tokio::select! {
            outcome = self.request(slot, &asker) => outcome.inspect_err(|error| {
                let failure = SlotFailure { at: Instant::now(), error: error.clone() };
                slot.failure.replace(Some(failure));
            }),
            _ = ended.changed() => Err(ended_by_del(slot)),
            () = &mut hang_up => Err(asker_is_gone(slot)),
        };
        match outcome.and_then(|lease| self.hold(slot, lease)) {
            Ok(lease) => {
                info!(
                    "{}: leased {} from {}",
                    slot.key, lease.address, lease.server
                );
                self.schedule(slot, lease.times.next_phase(clock::now()));
                Ok((lease, true))
            }
            Err(error) => {
                warn!("{error}");
                self.forget(slot).await?;
                Err(error)
            }
        }
    }

    /// Asks the servers for a lease. The record is written before one of them may hold an address for
    /// the client.
    async fn request(&self, slot: &Slot, asker: &Asker) -> Result<Lease, Error> {
        let mut requesting = |offer: &Lease| {
            let record = Record {
                key: slot.key.clone(),
                place: asker.place.clone(),
                client: asker.options.clone(),
                stage: Stage::Requested,
                lease: offer.clone(),
                replaced: None,
            };
            self.state.write(&record)?;
            slot.record.replace(Some(record));
            Ok(())
        };
        // Who has waited for another ADD has the less time.
        let left = self
            .settings
            .resend_timeout
            .saturating_sub(asker.arrival.elapsed());
        let settings = Settings {
            resend_timeout: left,
            ..self.settings
        };
        let client = Client {
            key: &slot.key,
            place: &asker.place,
            options: &asker.options,
            settings: &settings,
        };
        let acquired = self.exchange(exchange::acquire(client, None, &mut requesting));
        acquired.await.map_err(wire)
    }

    /// Records that the lease is granted.
    fn hold(&self, slot: &Slot, lease: Lease) -> Result<Lease, Error> {
        let requested = slot.record.borrow().clone();
        let record = requested.ok_or_else(|| Error::internal("a lease that nobody asked for"))?;
        let held = Record {
            stage: Stage::Held,
            lease: lease.clone(),
            ..record
        };
        self.write(slot, &held)?;
        Ok(lease)
    }
}

fn ended_by_del(slot: &Slot) -> Error {
    Error::new(
        Code::TryAgain,
        format!("{}: DEL has stopped this ADD", slot.key),
    )
}

fn asker_is_gone(slot: &Slot) -> Error {
    let key = &slot.key;
    Error::new(
        Code::TryAgain,
        format!("{key}: the plugin that asked is gone"),
    )
}
