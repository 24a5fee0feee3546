//! Reservations on disk, shared with the Go plugins of the node.
//!
//! Below `<dataDir>/<network>/`, the contract with others:
//!
//! | name | content |
//! |---|---|
//! | `lock` | empty; locked with flock(2) during every verb, never removed |
//! | `10.1.2.2`, `2001:db8::2` | a [reservation] |
//! | `last_reserved_ip.<n>` | the address that range set n allocated last, without a newline |
//!
//! `/run/cni/host-local` has an [index] of each such folder, which may be removed at any time.

mod error;
mod folder;
mod index;
mod publish;
pub(crate) mod reservation;
mod scan;
#[cfg(test)]
mod tests;
mod writable;

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use cni_types::parse_address;
use nix::fcntl::OFlag;

pub(crate) use error::StoreError;
use folder::LockedFolder;
use index::{Index, entry};
use reservation::{Claim, Owner, container_of, file_name};
pub(crate) use scan::{Inventory, Reservation, Taken};
pub(crate) use writable::check_writable;

/// The folder of the indexes.
const INDEXES: &str = "/run/cni/host-local";

/// The reservations of one network, locked until this value is dropped.
#[derive(Debug)]
pub(crate) struct Store {
    folder: LockedFolder,
    index_path: Option<PathBuf>,
    index: Option<Index>,
    /// Whether the folder was changed since the index was settled.
    changed: bool,
}

/// A reservation of an attachment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeldReservation {
    /// The file.
    pub(crate) reservation: Reservation,
    /// Never [`Claim::None`].
    pub(crate) claim: Claim,
}

impl Store {
    /// Locks the network's reservations, creating the folder if it is missing.
    pub(crate) fn create(data_dir: &Path, network: &str) -> Result<Self, StoreError> {
        let folder = LockedFolder::create(&data_dir.join(network))?;
        Ok(Self::new(folder, Path::new(INDEXES)))
    }

    /// Locks the network's reservations; none if nothing was ever reserved.
    pub(crate) fn open(data_dir: &Path, network: &str) -> Result<Option<Self>, StoreError> {
        let folder = LockedFolder::open(&data_dir.join(network))?;
        Ok(folder.map(|folder| Self::new(folder, Path::new(INDEXES))))
    }

    fn new(folder: LockedFolder, indexes: &Path) -> Self {
        let index_path = index::path_of(indexes, &folder.file).ok();
        let known = index_path.as_deref();
        Self {
            index: known.and_then(|path| Index::open(path, &folder.file)),
            folder,
            index_path,
            changed: false,
        }
    }

    /// The reservations that the attachment has a claim on.
    pub(crate) fn held_by(&mut self, owner: &Owner) -> Result<Vec<HeldReservation>, StoreError> {
        let found = if let Some(found) = self.look_up(owner) {
            found
        } else {
            let inventory = self.inventory()?;
            for error in inventory.unreadable {
                ferrule_plugin::log(format_args!("host-local: {error}"));
            }
            inventory.reservations
        };
        let held = found.into_iter().filter_map(|reservation| {
            let claim = owner.claim(&reservation.content);
            (claim != Claim::None).then_some(HeldReservation { reservation, claim })
        });
        Ok(held.collect())
    }

    /// The container's reservations by the index; none if it is not valid.
    fn look_up(&self, owner: &Owner) -> Option<Vec<Reservation>> {
        let index = self.index.as_ref()?;
        let addresses = index.addresses(owner.container_id()).ok()?;
        let read = |address| {
            let reservation = self.read(address).ok()??;
            // Changed without the index: it may lack entries, too.
            let is_owners = container_of(&reservation.content) == owner.container_id();
            is_owners.then_some(reservation)
        };
        addresses.into_iter().map(read).collect()
    }

    fn read(&self, address: IpAddr) -> io::Result<Option<Reservation>> {
        let name = file_name(address);
        let content = scan::content(&self.folder.path.join(&name))?;
        Ok(content.map(|content| Reservation {
            name,
            address,
            content,
        }))
    }

    /// Reads everything, and writes a new index.
    pub(crate) fn inventory(&mut self) -> Result<Inventory, StoreError> {
        self.index = None;
        // Before reading, so that whatever changes from here on shows.
        let state = index::renew_state(&self.folder.file);
        let inventory = scan::inventory(&self.folder.path)?;
        // Without an index everything works, reading everything each time.
        if let (Ok(state), Some(path)) = (state, &self.index_path)
            && inventory.unreadable.is_empty()
            && inventory.reservations.iter().all(Reservation::is_canonical)
        {
            let entries = inventory.reservations.iter().map(entry_of).collect();
            self.index = Index::build(path, state, entries).ok();
            self.changed = false;
        }
        Ok(inventory)
    }

    /// Reserves the address; `false` if it is taken, by anything of that name.
    pub(crate) fn reserve(&mut self, address: IpAddr, owner: &Owner) -> Result<bool, StoreError> {
        let reservation = Reservation::new(address, owner);
        let path = self.folder.path.join(&reservation.name);
        let content = reservation.content.as_bytes();
        let done = publish::publish(&self.folder.path, &path, content)
            .map_err(StoreError::of("reserve", &path))?;
        if done {
            self.update_index(|index| index.insert(entry_of(&reservation)));
        }
        Ok(done)
    }

    /// Removes a reservation; one that is gone is as good.
    pub(crate) fn release(&mut self, reservation: &Reservation) -> Result<(), StoreError> {
        let path = self.folder.path.join(&reservation.name);
        publish::remove_if_there(&path).map_err(StoreError::of("remove", &path))?;
        self.update_index(|index| index.remove(entry_of(reservation)));
        Ok(())
    }

    /// Removes the address's file if it is an empty one; `false` if it stays.
    pub(crate) fn remove_if_empty(&mut self, address: IpAddr) -> Result<bool, StoreError> {
        let name = file_name(address);
        let path = self.folder.path.join(&name);
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_file() && metadata.len() == 0 => {
                self.release(&Reservation {
                    name,
                    address,
                    content: String::new(),
                })?;
                Ok(true)
            }
            Ok(_) => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(StoreError::of("inspect", &path)(error)),
        }
    }

    /// Brings the index up to a change that was made; an index that fails is given up.
    fn update_index(&mut self, change: impl FnOnce(&Index) -> io::Result<()>) {
        self.changed = true;
        let index = self.index.take();
        self.index = index.filter(|index| change(index).is_ok());
    }

    /// The names that are taken, for choosing among many.
    pub(crate) fn taken(&self) -> Result<Taken, StoreError> {
        Taken::read(&self.folder.path)
    }

    /// The address that the range set allocated last; none if it cannot be read.
    pub(crate) fn last_reserved(&self, set: usize) -> Option<IpAddr> {
        let text = ferrule_file::read_text(&self.cursor(set)).ok()?;
        parse_address(&text).ok()
    }

    /// Stores the address that the range set allocated last.
    pub(crate) fn set_last_reserved(
        &mut self,
        set: usize,
        address: IpAddr,
    ) -> Result<(), StoreError> {
        let path = self.cursor(set);
        self.changed = true;
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            // Opening a named pipe in its place fails instead of blocking.
            .custom_flags(OFlag::O_NONBLOCK.bits())
            .open(&path)
            .and_then(|mut file| file.write_all(file_name(address).as_bytes()))
            .map_err(StoreError::of("write", &path))
    }

    fn cursor(&self, set: usize) -> PathBuf {
        self.folder.path.join(format!("last_reserved_ip.{set}"))
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Some(index) = self.index.as_ref().filter(|_| self.changed) {
            // Where this fails, the index does not fit the folder, and the next verb builds another.
            let _ = index.settle(&self.folder.file);
        }
    }
}

fn entry_of(reservation: &Reservation) -> index::Entry {
    entry(container_of(&reservation.content), reservation.address)
}
