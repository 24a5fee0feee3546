//! Reads a network's folder: only the names, or every reservation.

use std::fs::{self, DirEntry};
use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::path::Path;

use super::error::StoreError;
use super::folder::is_folder;
use super::reservation::{Owner, address_of, file_name};

/// A reservation file that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reservation {
    /// The file's name, as it stands in the folder.
    pub(crate) name: String,
    /// The address it stands for.
    pub(crate) address: IpAddr,
    /// What it holds; nothing, if a plugin was killed between creating and filling it.
    pub(crate) content: String,
}

impl Reservation {
    /// What ADD writes for this attachment.
    pub(crate) fn new(address: IpAddr, owner: &Owner) -> Self {
        Self {
            name: file_name(address),
            address,
            content: owner.content(),
        }
    }

    /// Whether it is empty, so that no DEL finds it.
    pub(crate) fn is_empty(&self) -> bool {
        self.content.is_empty()
    }

    /// Whether its name is the one that ADD would reserve the address under.
    pub(crate) fn is_canonical(&self) -> bool {
        self.name == file_name(self.address)
    }
}

/// Everything in a network's folder.
#[derive(Debug, Default)]
pub(crate) struct Inventory {
    /// The reservations, in no order.
    pub(crate) reservations: Vec<Reservation>,
    /// What could not be read. Their addresses stay taken.
    pub(crate) unreadable: Vec<StoreError>,
}

/// Reads every file whose name is an address. Others in the folder are none of ours, among them
/// `lock` and `last_reserved_ip.*`, whose content may equal a container id.
pub(super) fn inventory(folder: &Path) -> Result<Inventory, StoreError> {
    let mut inventory = Inventory::default();
    for_each_address(folder, |name, address, entry| {
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if !is_file {
            return;
        }
        let path = entry.path();
        match content(&path) {
            Ok(Some(content)) => inventory.reservations.push(Reservation {
                name,
                address,
                content,
            }),
            Ok(None) => {}
            Err(error) => inventory
                .unreadable
                .push(StoreError::of("read", &path)(error)),
        }
    })?;
    Ok(inventory)
}

/// Reads one reservation; none if there is no such file.
pub(super) fn content(path: &Path) -> io::Result<Option<String>> {
    match ferrule_file::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The addresses that have an entry in the folder, of whatever kind.
#[derive(Debug)]
pub(crate) struct Taken(Vec<IpAddr>);

impl Taken {
    /// Reads the names in the folder; none without a folder.
    pub(crate) fn read(folder: &Path) -> Result<Self, StoreError> {
        let mut taken = Vec::new();
        if !is_folder(folder).map_err(StoreError::of("open the folder", folder))? {
            return Ok(Self(taken));
        }
        for_each_address(folder, |name, address, _| {
            if name == file_name(address) {
                taken.push(address);
            }
        })?;
        taken.sort_unstable();
        Ok(Self(taken))
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the name of this address is taken.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        self.0.binary_search(&address.to_canonical()).is_ok()
    }
}

fn for_each_address(
    folder: &Path,
    mut visit: impl FnMut(String, IpAddr, &DirEntry),
) -> Result<(), StoreError> {
    let entries = fs::read_dir(folder).map_err(StoreError::of("list", folder))?;
    for entry in entries {
        let entry = entry.map_err(StoreError::of("list", folder))?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if let Some(address) = address_of(&name) {
            visit(name, address, &entry);
        }
    }
    Ok(())
}
