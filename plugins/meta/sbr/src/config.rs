//! The keys of `sbr`, and what they mean together.

use std::net::IpAddr;

use cni_types::{Code, Error, parse_address};
use serde::Deserialize;

/// The configuration as written.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, rename_all = "camelCase")]
pub struct Config {
    /// The routing table that the rules look up. With it, no routes are moved: an administrator
    /// keeps the table. If absent, each address gets a table of its own, numbered from 100.
    #[cfg_attr(test, schemars(range(min = 1, max = u32::MAX)))]
    table: Option<i64>,
    /// Gateways of the default routes, at most one of each family, in place of those that the
    /// address plugin answered.
    #[cfg_attr(test, schemars(extend("items" = { "type": "string", "format": "ip" })))]
    gateways: Option<Vec<String>>,
    /// Keep the routes to the interface's networks in the main table, with the interface's address as
    /// the preferred source.
    add_source_hints: bool,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Plan {
    /// Only rules, which look up this table.
    Table(u32),
    /// Rules, and tables for them.
    Automatic(Settings),
}

/// How tables are filled.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Gateways that count instead of the addresses' own.
    gateways: Vec<IpAddr>,
    /// Whether the main table keeps the routes to the networks.
    pub(crate) source_hints: bool,
}

impl Config {
    /// The table of all rules, if it is configured and can be one.
    pub(crate) fn table(&self) -> Option<u32> {
        u32::try_from(self.table?).ok().filter(|table| *table > 0)
    }
}

impl Plan {
    /// What the configuration asks for. `table` leaves the other keys without a meaning, as the Go
    /// plugin has it.
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        let invalid = |msg: String| Error::new(Code::InvalidConfig, msg);
        if let Some(table) = config.table {
            return config.table().map(Self::Table).ok_or_else(|| {
                let msg = format!("invalid table {table}: the key table must be 1 to 4294967295");
                invalid(msg)
            });
        }
        let texts = config.gateways.as_deref().unwrap_or_default();
        let mut gateways: Vec<IpAddr> = Vec::with_capacity(texts.len());
        for text in texts {
            let gateway = parse_address(text)
                .map_err(|_| invalid(format!("the key gateways has {text:?}, not an address")))?;
            if gateways
                .iter()
                .any(|one| one.is_ipv4() == gateway.is_ipv4())
            {
                let family = if gateway.is_ipv4() { "IPv4" } else { "IPv6" };
                return Err(invalid(format!(
                    "the key gateways has multiple {family} addresses; one of each family is the most"
                )));
            }
            gateways.push(gateway);
        }
        Ok(Self::Automatic(Settings {
            gateways,
            source_hints: config.add_source_hints,
        }))
    }
}

impl Settings {
    /// The configured gateway of the family of `address`.
    pub(crate) fn gateway_for(&self, address: IpAddr) -> Option<IpAddr> {
        let mut all = self.gateways.iter().copied();
        all.find(|gateway| gateway.is_ipv4() == address.is_ipv4())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_gateways(texts: &[&str]) -> Result<Plan, Error> {
        Plan::new(&Config {
            gateways: Some(texts.iter().map(|text| (*text).to_owned()).collect()),
            ..Config::default()
        })
    }

    #[test]
    fn one_gateway_of_each_family_at_most() {
        let Ok(Plan::Automatic(settings)) = with_gateways(&["::ffff:10.0.0.1", "fd00::1"]) else {
            panic!("two families")
        };
        let found = |text: &str| settings.gateway_for(text.parse().unwrap());
        assert_eq!(found("192.0.2.1"), Some("10.0.0.1".parse().unwrap()));
        assert_eq!(found("fd01::1"), Some("fd00::1".parse().unwrap()));
        for (texts, expected) in [
            (
                &["10.0.0.1", "::ffff:10.0.0.2"][..],
                "multiple IPv4 addresses",
            ),
            (
                &["fd00::1", "10.0.0.1", "fd00::2"],
                "multiple IPv6 addresses",
            ),
            (&["10.0.0"], "10.0.0"),
            (&[""], "not an address"),
        ] {
            let error = with_gateways(texts).unwrap_err();
            assert_eq!(error.code, 7);
            assert!(error.msg.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_table_leaves_no_other_key_a_meaning() {
        let config = |table| Config {
            table: Some(table),
            gateways: Some(vec!["nonsense".into()]),
            add_source_hints: true,
        };
        for table in [1, 100, i64::from(u32::MAX)] {
            let expected = u32::try_from(table).unwrap();
            assert_eq!(Plan::new(&config(table)), Ok(Plan::Table(expected)));
        }
        for table in [0, -1, i64::from(u32::MAX) + 1] {
            let error = Plan::new(&config(table)).unwrap_err();
            assert!(error.code == 7 && error.msg.contains(&table.to_string()));
            assert_eq!(config(table).table(), None);
        }
    }
}
