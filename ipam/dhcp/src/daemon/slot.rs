//! One key of the table.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use cni_types::Error;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

use crate::lease::{Lease, LeaseKey, Place, Record, Stage};

/// A lease, one that is being acquired, or room for one.
pub(super) struct Slot {
    pub(super) key: LeaseKey,
    /// As the state folder has it.
    pub(super) record: RefCell<Option<Record>>,
    /// When its next turn is; none while there is nothing to do, or somebody does it.
    pub(super) due: Cell<Option<Duration>>,
    /// Held by who changes the lease.
    pub(super) lock: Mutex<()>,
    /// Counts what ends a lease, so that whoever is busy with it stops.
    pub(super) ended: watch::Sender<u64>,
    /// How the last ADD failed.
    pub(super) failure: RefCell<Option<SlotFailure>>,
    /// Whether its namespace was gone when it was last looked at.
    pub(super) gone: Cell<bool>,
    /// Whether it is of an earlier process and has had no turn yet.
    pub(super) resumed: Cell<bool>,
}

/// A failed ADD.
pub(super) struct SlotFailure {
    pub(super) at: Instant,
    pub(super) error: Error,
}

impl Slot {
    pub(super) fn empty(key: LeaseKey) -> Rc<Self> {
        Rc::new(Self {
            key,
            record: RefCell::default(),
            due: Cell::default(),
            lock: Mutex::default(),
            ended: watch::Sender::default(),
            failure: RefCell::default(),
            gone: Cell::default(),
            resumed: Cell::default(),
        })
    }

    pub(super) fn resumed(record: Record) -> Rc<Self> {
        let slot = Self::empty(record.key.clone());
        slot.record.replace(Some(record));
        slot.resumed.set(true);
        slot
    }

    /// The lease, if it is held in this namespace.
    pub(super) fn held_at(&self, place: &Place) -> Option<Lease> {
        let record = self.record.borrow();
        let record = record.as_ref()?;
        let is_there = record.stage == Stage::Held && record.place.is(place);
        is_there.then(|| record.lease.clone())
    }

    /// The error of an ADD that has ended since `time`.
    pub(super) fn failure_since(&self, time: Instant) -> Option<Error> {
        let failure = self.failure.borrow();
        failure
            .as_ref()
            .filter(|failure| failure.at >= time)
            .map(|failure| failure.error.clone())
    }
}
