//! The keys of `sbr`.

use std::net::IpAddr;

use cni_types::{Code, Error, parse_address};
use serde::Deserialize;

/// The configuration.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, rename_all = "camelCase")]
pub struct Config {
    /// The routing table that the rules look up. With it no route is moved, as the table is maintained
    /// by someone else. If absent, each address gets a free table from 100 on.
    #[cfg_attr(test, schemars(range(min = 1, max = u32::MAX)))]
    table: Option<i64>,
    /// Gateways of the default routes, at most one per family, instead of those of the previous result.
    #[cfg_attr(test, schemars(extend("items" = { "type": "string", "format": "ip" })))]
    gateways: Option<Vec<String>>,
    /// Whether the routes to the interface's networks stay in the main table, with the interface's
    /// address as preferred source.
    add_source_hints: bool,
}

/// What ADD does.
#[derive(Debug, PartialEq, Eq)]
pub enum Plan {
    /// Adds rules that look up this table.
    Table(u32),
    /// Adds rules and fills tables for them.
    Automatic(Settings),
}

/// How tables are filled.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Gateways that replace those of the addresses.
    gateways: Vec<IpAddr>,
    /// Whether the main table keeps the routes to the networks (`addSourceHints`).
    pub(crate) source_hints: bool,
}

impl Config {
    /// The configured table, if it is valid.
    pub(crate) fn table(&self) -> Option<u32> {
        u32::try_from(self.table?).ok().filter(|table| *table > 0)
    }
}

impl Plan {
    /// Checks the configuration. With `table` the other keys are ignored, as in the Go plugin.
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
