//! Listing whole rulesets, for looking at them: what works on a ruleset asks for single objects.

use nix::libc::{NFT_MSG_GETSET, NFT_MSG_GETTABLE};

use super::Nft;
use super::constants::{message, set, table};
use super::field::DataType;
use super::object::{Family, Table};
use super::set::{DATA_TYPE, KEY_TYPE, types_of_number};
use crate::nfnetlink::{attributes, request};
use ferrule_kernel::netlink::{Malformed, NetlinkError};

/// `NFPROTO_UNSPEC`: all families.
const ALL: u8 = 0;

/// A table of the ruleset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedTable {
    /// Its family.
    pub family: Family,
    /// Its name.
    pub name: String,
}

impl ListedTable {
    /// The table, to ask for what is in it.
    pub fn table(&self) -> Table<'_> {
        Table::new(self.family, &self.name)
    }
}

/// A set or map of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedSet {
    /// Its name; that of an anonymous one is generated.
    pub name: String,
    /// The types of the key's parts; `None` for one that this crate does not know.
    pub key: Vec<Option<DataType>>,
    /// The types of the parts of a map's data; empty for a set.
    pub data: Vec<Option<DataType>>,
    /// The name of its table.
    table: String,
}

impl Nft {
    /// The tables of the families that this crate knows.
    pub fn tables(&self) -> Result<Vec<ListedTable>, NetlinkError> {
        let operation = || "list tables".to_owned();
        let kind = message(NFT_MSG_GETTABLE);
        self.socket
            .dump(&operation, kind, &request(ALL), |payload| {
                let Some(family) = payload.first().copied().and_then(Family::from_number) else {
                    return Ok(None);
                };
                let name = attributes(payload).text(table::NAME).ok_or(Malformed)?;
                Ok(Some(ListedTable { family, name }))
            })
    }

    /// The sets and maps of a table; none if the table does not exist.
    pub fn sets(&self, of: Table<'_>) -> Result<Vec<ListedSet>, NetlinkError> {
        let mut body = request(of.family.number());
        body.text(set::TABLE, of.name);
        let operation = || format!("list the sets of {of}");
        let kind = message(NFT_MSG_GETSET);
        let listed = self.socket.dump(&operation, kind, &body, |payload| {
            let parts = attributes(payload);
            let types = |kind| parts.be_u32(kind).map(types_of_number).unwrap_or_default();
            let found = ListedSet {
                name: parts.text(set::NAME).ok_or(Malformed)?,
                key: types(KEY_TYPE),
                data: types(DATA_TYPE),
                table: parts.text(set::TABLE).ok_or(Malformed)?,
            };
            // Older kernels list the sets of all tables of the family.
            Ok(Some(found).filter(|found| found.table == of.name))
        });
        Ok(NetlinkError::none_if_not_found(listed)?.unwrap_or_default())
    }
}
