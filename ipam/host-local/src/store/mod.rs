//! Reservations on disk, shared with the Go plugins of the node.
//!
//! Below `<dataDir>/<network>/`, the contract with others:
//!
//! | name | content |
//! |---|---|
//! | `lock` | empty; locked with flock(2) during every verb, never removed |
//! | `10.1.2.2`, `2001:db8::2` | a [reservation] |
//! | `last_reserved_ip.<n>` | the address handed out last by range set n, without a newline |
//!
//! Below `<dataDir>/.ferrule/<network>/`, ours, and disposable at any time:
//!
//! | name | content |
//! |---|---|
//! | `index` | which addresses a container holds, see [`index`] |
//! | `aside` | a reservation before its [publication](publish) |
//!
//! A network's name cannot begin with a dot, and Go plugins read their network's folder alone.

mod error;
mod folder;
mod index;
mod publish;
pub(crate) mod reservation;
mod scan;
mod stamp;
#[cfg(test)]
mod tests;
mod usable;

use std::fs::{self, DirBuilder};
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use cni_types::parse_address;

pub(crate) use error::StoreError;
use folder::LockedFolder;
use index::{Entry, Found, Index, Signature, fingerprint};
use publish::Publisher;
use reservation::{Claim, Owner, container_of, file_name};
pub(crate) use scan::{Inventory, Reservation, Taken};
pub(crate) use usable::check_usable;

/// The folder of our own files in the data folder.
const PRIVATE: &str = ".ferrule";

/// The reservations of one network, locked until this value is dropped.
#[derive(Debug)]
pub(crate) struct Store {
    // Dropped first, while the folder is still locked.
    publisher: Publisher,
    folder: LockedFolder,
    index_path: PathBuf,
    boot: Option<u64>,
    index: Option<Index>,
    /// Whether the folder was changed since the index was settled.
    changed: bool,
}

/// A reservation that an attachment has a claim on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// The file.
    pub(crate) reservation: Reservation,
    /// Never [`Claim::None`].
    pub(crate) claim: Claim,
}

impl Store {
    /// Locks the network's reservations, creating the folder if it is missing.
    pub(crate) fn create(data_dir: &Path, network: &str) -> Result<Self, StoreError> {
        let folder = LockedFolder::create(&data_dir.join(network))?;
        Ok(Self::new(folder, data_dir, network))
    }

    /// Locks the network's reservations; none if nothing was ever reserved.
    pub(crate) fn open(data_dir: &Path, network: &str) -> Result<Option<Self>, StoreError> {
        let folder = LockedFolder::open(&data_dir.join(network))?;
        Ok(folder.map(|folder| Self::new(folder, data_dir, network)))
    }

    fn new(folder: LockedFolder, data_dir: &Path, network: &str) -> Self {
        let private = data_dir.join(PRIVATE).join(network);
        Self {
            publisher: Publisher::new(private.join("aside")),
            folder,
            index_path: private.join("index"),
            boot: stamp::boot(),
            index: None,
            changed: false,
        }
    }

    /// The reservations that the attachment has a claim on.
    pub(crate) fn held_by(&mut self, owner: &Owner) -> Result<Vec<Held>, StoreError> {
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
            (claim != Claim::None).then_some(Held { reservation, claim })
        });
        Ok(held.collect())
    }

    /// The container's reservations by the index; none if that is of no use.
    fn look_up(&mut self, owner: &Owner) -> Option<Vec<Reservation>> {
        if self.index.is_none() {
            match self.found_index()? {
                Found::Valid(index) => self.index = Some(index),
                Found::Stale(_) | Found::Nothing => return None,
            }
        }
        let key = fingerprint(owner.container_id().as_bytes());
        let entries = self.index.as_ref()?.entries(key).ok()?;
        let mut reservations = Vec::with_capacity(entries.len());
        for Entry { address, .. } in entries {
            let name = file_name(address);
            let content = scan::content(&self.folder.path.join(&name)).ok()??;
            // Removed, or given to another container behind our back: then it may lack entries too.
            if container_of(&content) != owner.container_id() {
                return None;
            }
            reservations.push(Reservation {
                name,
                address,
                content,
            });
        }
        Some(reservations)
    }

    fn found_index(&self) -> Option<Found> {
        let signature = stamp::signature(&self.folder.file).ok()?;
        Some(Index::open(&self.index_path, self.boot?, signature))
    }

    /// Reads everything, and writes a new index.
    pub(crate) fn inventory(&mut self) -> Result<Inventory, StoreError> {
        let index = match self.index.take() {
            Some(index) => Some(Found::Valid(index)),
            None => self.found_index(),
        };
        let known = match index {
            Some(Found::Valid(index)) => Some(index.signature()),
            Some(Found::Stale(signature)) => Some(signature),
            Some(Found::Nothing) | None => None,
        };
        // Before reading, so that whatever changes from here on shows.
        let state = self
            .boot
            .and_then(|boot| Some((boot, stamp::renew(&self.folder.file, known).ok()?)));
        let inventory = scan::inventory(&self.folder.path)?;
        // Without an index everything works, reading everything each time.
        if let Some((boot, signature)) = state {
            self.index = self.new_index(boot, signature, &inventory).ok();
            self.changed = false;
        }
        Ok(inventory)
    }

    fn new_index(
        &self,
        boot: u64,
        signature: Signature,
        inventory: &Inventory,
    ) -> io::Result<Index> {
        let reservations = &inventory.reservations;
        if !inventory.unreadable.is_empty() || !reservations.iter().all(Reservation::is_canonical) {
            return Err(io::Error::other("files that an index has no words for"));
        }
        let entries: Vec<Entry> = reservations.iter().map(entry).collect();
        let mut index = Index::build(&self.index_path, boot, &entries)?;
        index.settle(signature)?;
        Ok(index)
    }

    /// Reserves the address; `false` if it is taken, by anything of that name.
    pub(crate) fn reserve(&mut self, address: IpAddr, owner: &Owner) -> Result<bool, StoreError> {
        let reservation = Reservation::new(address, owner);
        let path = self.folder.path.join(&reservation.name);
        let done = self
            .publisher
            .publish(&path, reservation.content.as_bytes())
            .map_err(StoreError::of("reserve", &path))?;
        if done {
            self.update_index(|index| index.insert(entry(&reservation)));
        }
        Ok(done)
    }

    /// Removes a reservation; one that is gone is as good.
    pub(crate) fn release(&mut self, reservation: &Reservation) -> Result<(), StoreError> {
        let path = self.folder.path.join(&reservation.name);
        publish::remove_if_there(&path).map_err(StoreError::of("remove", &path))?;
        self.update_index(|index| index.remove(entry(reservation)));
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
    fn update_index(&mut self, change: impl FnOnce(&mut Index) -> io::Result<()>) {
        self.changed = true;
        if self
            .index
            .as_mut()
            .is_some_and(|index| change(index).is_err())
        {
            self.index = None;
        }
    }

    /// The names that are taken, for choosing among many.
    pub(crate) fn taken(&self) -> Result<Taken, StoreError> {
        Taken::read(&self.folder.path)
    }

    /// The address that the range set handed out last. It is a hint: what cannot be read is none.
    pub(crate) fn last_reserved(&self, set: usize) -> Option<IpAddr> {
        let text = fs::read_to_string(self.cursor(set)).ok()?;
        parse_address(&text).ok()
    }

    /// Notes the address that the range set handed out last.
    pub(crate) fn set_last_reserved(
        &mut self,
        set: usize,
        address: IpAddr,
    ) -> Result<(), StoreError> {
        let path = self.cursor(set);
        self.changed = true;
        fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| io::Write::write_all(&mut file, file_name(address).as_bytes()))
            .map_err(StoreError::of("write", &path))
    }

    fn cursor(&self, set: usize) -> PathBuf {
        self.folder.path.join(format!("last_reserved_ip.{set}"))
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let Some(index) = self.index.as_mut().filter(|_| self.changed) else {
            return;
        };
        // Where this fails, the index does not fit the folder, and the next verb builds another.
        if let Ok(signature) = stamp::renew(&self.folder.file, Some(index.signature())) {
            let _ = index.settle(signature);
        }
    }
}

fn entry(reservation: &Reservation) -> Entry {
    Entry {
        key: fingerprint(container_of(&reservation.content).as_bytes()),
        address: reservation.address,
    }
}

/// Creates the folder of one of our own files.
fn create_private_folder(file: &Path) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}
