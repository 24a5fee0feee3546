//! Names of tables, and of chains and sets in them.

use std::fmt;

/// The family of a table (`NFPROTO_*` of `linux/netfilter.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4 and IPv6.
    Inet,
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
    /// Frames a bridge forwards.
    Bridge,
}

impl Family {
    /// The family of tables for one version of the Internet Protocol.
    pub fn of(version: ferrule_kernel::Family) -> Self {
        match version {
            ferrule_kernel::Family::V4 => Self::Ipv4,
            ferrule_kernel::Family::V6 => Self::Ipv6,
        }
    }

    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Inet => 1,
            Self::Ipv4 => 2,
            Self::Bridge => 7,
            Self::Ipv6 => 10,
        }
    }

    pub(crate) fn from_number(number: u8) -> Option<Self> {
        [Self::Inet, Self::Ipv4, Self::Bridge, Self::Ipv6]
            .into_iter()
            .find(|family| family.number() == number)
    }
}

impl fmt::Display for Family {
    /// As the `nft` tool calls it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inet => "inet",
            Self::Ipv4 => "ip",
            Self::Ipv6 => "ip6",
            Self::Bridge => "bridge",
        })
    }
}

/// A table by name; it need not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table<'a> {
    /// Its family. Tables of different families may share a name.
    pub family: Family,
    /// Its name.
    pub name: &'a str,
}

/// A chain by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chain<'a> {
    /// The table it is in.
    pub table: Table<'a>,
    /// Its name.
    pub name: &'a str,
}

/// A set or map by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Set<'a> {
    /// The table it is in.
    pub table: Table<'a>,
    /// Its name.
    pub name: &'a str,
}

impl<'a> Table<'a> {
    /// The table `name` of a family.
    pub const fn new(family: Family, name: &'a str) -> Self {
        Self { family, name }
    }

    /// A chain of this table.
    pub const fn chain<'b>(self, name: &'b str) -> Chain<'b>
    where
        'a: 'b,
    {
        Chain { table: self, name }
    }

    /// A set or map of this table.
    pub const fn set<'b>(self, name: &'b str) -> Set<'b>
    where
        'a: 'b,
    {
        Set { table: self, name }
    }
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table {} {}", self.family, self.name)
    }
}

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "chain {:?} of {}", self.name, self.table)
    }
}

impl fmt::Display for Set<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "set {:?} of {}", self.name, self.table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_named_as_the_tool_names_them() {
        let table = Table::new(Family::Inet, "filter");
        assert_eq!(table.to_string(), "table inet filter");
        assert_eq!(
            table.chain("in").to_string(),
            "chain \"in\" of table inet filter"
        );
        let bridge = Table::new(Family::Bridge, "nat");
        assert_eq!(bridge.set("s").to_string(), "set \"s\" of table bridge nat");
    }

    #[test]
    fn families_are_found_by_number() {
        for family in [Family::Inet, Family::Ipv4, Family::Ipv6, Family::Bridge] {
            assert_eq!(Family::from_number(family.number()), Some(family));
        }
        assert_eq!(Family::from_number(12), None);
    }
}
