//! The keys of host-local.
//!
//! Other keys are ignored at every level, as upstream does: nerdctl, for example, writes `ipRange`
//! into ranges. Rules across keys are in [`crate::plan`], since DEL must ignore them.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use cni_types::{Cidr, Code, Error, Route, optional_address};
use serde::{Deserialize, Deserializer};

/// The default of `dataDir`.
pub(crate) const DEFAULT_DATA_DIR: &str = "/var/lib/cni/networks";

/// The network configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Config {
    /// The plugin's keys; ADD and CHECK require it.
    pub(crate) ipam: Option<IpamConfig>,
    /// The capabilities `ipRanges` and `ips`.
    #[serde(rename = "runtimeConfig")]
    pub(crate) runtime: RuntimeConfig,
    /// The older convention, `cni.ips`.
    pub(crate) args: Args,
}

/// `ipam`.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct IpamConfig {
    /// One address of each element; an element is a list of ranges.
    pub(crate) ranges: Vec<Vec<RangeConfig>>,
    /// With `rangeStart`, `rangeEnd` and `gateway` a single range: the older way to say `ranges`.
    /// Without `subnet` the three are ignored.
    #[serde(deserialize_with = "given_cidr")]
    #[cfg_attr(test, schemars(with = "Option<String>", extend("format" = "cidr")))]
    pub(crate) subnet: Option<Cidr>,
    /// The first address to hand out; if absent the one after the network's.
    #[serde(rename = "rangeStart", deserialize_with = "optional_address")]
    #[cfg_attr(test, schemars(with = "Option<String>", extend("format" = "ip")))]
    pub(crate) range_start: Option<IpAddr>,
    /// The last address to hand out; if absent the last one that is no IPv4 broadcast address.
    #[serde(rename = "rangeEnd", deserialize_with = "optional_address")]
    #[cfg_attr(test, schemars(with = "Option<String>", extend("format" = "ip")))]
    pub(crate) range_end: Option<IpAddr>,
    /// The gateway, which is not handed out; if absent the address after the network's.
    #[serde(deserialize_with = "optional_address")]
    #[cfg_attr(test, schemars(with = "Option<String>", extend("format" = "ip")))]
    pub(crate) gateway: Option<IpAddr>,
    /// Copied to the result as they are.
    #[cfg_attr(test, schemars(with = "Vec<ferrule_schema::Route>"))]
    pub(crate) routes: Vec<Route>,
    /// The folder of all networks' reservations; `/var/lib/cni/networks` if absent.
    #[serde(rename = "dataDir")]
    pub(crate) data_dir: String,
    /// A file in the form of resolv.conf(5), for the result's `dns`.
    #[serde(rename = "resolvConf")]
    pub(crate) resolv_conf: String,
}

/// One range. Left out: `rangeStart` is the network address + 1, `rangeEnd` the last address that is
/// no IPv4 broadcast address, `gateway` the network address + 1.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct RangeConfig {
    /// The network, with its prefix length.
    #[serde(deserialize_with = "given_cidr")]
    #[cfg_attr(test, schemars(with = "Option<String>", extend("format" = "cidr")))]
    pub(crate) subnet: Option<Cidr>,
    /// The first address to hand out; if absent the one after the network's.
    #[serde(rename = "rangeStart", deserialize_with = "optional_address")]
    #[cfg_attr(test, schemars(with = "Option<String>", extend("format" = "ip")))]
    pub(crate) range_start: Option<IpAddr>,
    /// The last address to hand out; if absent the last one that is no IPv4 broadcast address.
    #[serde(rename = "rangeEnd", deserialize_with = "optional_address")]
    #[cfg_attr(test, schemars(with = "Option<String>", extend("format" = "ip")))]
    pub(crate) range_end: Option<IpAddr>,
    /// The gateway, which is not handed out; if absent the address after the network's.
    #[serde(deserialize_with = "optional_address")]
    #[cfg_attr(test, schemars(with = "Option<String>", extend("format" = "ip")))]
    pub(crate) gateway: Option<IpAddr>,
}

/// `runtimeConfig`.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct RuntimeConfig {
    /// As `ranges`, and before them.
    #[serde(rename = "ipRanges")]
    pub(crate) ip_ranges: Vec<Vec<RangeConfig>>,
    /// Requested addresses, with or without a prefix length, which is ignored.
    pub(crate) ips: Vec<String>,
}

/// `args`.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct Args {
    /// `cni`.
    pub(crate) cni: CniArgs,
}

/// `args.cni`.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct CniArgs {
    /// As `runtimeConfig.ips`.
    pub(crate) ips: Vec<String>,
}

impl Config {
    /// The key `ipam`, which ADD, CHECK and STATUS require.
    pub(crate) fn ipam(&self) -> Result<&IpamConfig, Error> {
        let missing = || Error::new(Code::InvalidConfig, "IPAM config missing 'ipam' key");
        self.ipam.as_ref().ok_or_else(missing)
    }

    /// The folder of all networks' reservations. A relative one counts from the working directory.
    pub(crate) fn data_dir(&self) -> PathBuf {
        let configured = self.ipam.as_ref().map_or("", |ipam| ipam.data_dir.as_str());
        match configured {
            "" => Path::new(DEFAULT_DATA_DIR).to_owned(),
            configured => PathBuf::from(configured),
        }
    }
}

impl IpamConfig {
    /// The range of the older way, if there is one.
    pub(crate) fn single_range(&self) -> Option<RangeConfig> {
        self.subnet.is_some().then_some(RangeConfig {
            subnet: self.subnet,
            range_start: self.range_start,
            range_end: self.range_end,
            gateway: self.gateway,
        })
    }
}

/// An optional key that must be neither `null` nor empty.
fn given_cidr<'de, D: Deserializer<'de>>(de: D) -> Result<Option<Cidr>, D::Error> {
    Cidr::deserialize(de).map(Some)
}

#[cfg(test)]
mod tests {
    use cni_types::json::JsonValue;

    use super::*;

    fn read(json: &str) -> Result<Config, String> {
        let node = JsonValue::read(json.as_bytes()).unwrap();
        node.decode().map_err(|error| error.to_string())
    }

    #[test]
    fn keys_are_read_in_any_letter_case_and_others_are_ignored() {
        let config = read(
            r#"{"ipam": {"SUBNET": "10.0.0.0/8", "RangeStart": "10.0.0.9", "datadir": "d", "more": 1,
                "ranges": [[{"subnet": "fd00::/64", "ipRange": "x", "gateway": ""}], null]},
                "RuntimeConfig": {"ipranges": [[{"Subnet": "10.1.0.0/16"}]], "ips": ["10.0.0.1/8"]}}"#,
        )
        .unwrap();
        let ipam = config.ipam.as_ref().unwrap();
        assert_eq!(
            ipam.single_range().unwrap().range_start,
            "10.0.0.9".parse().ok()
        );
        assert_eq!(ipam.ranges.len(), 2);
        assert_eq!(ipam.ranges[0][0].gateway, None);
        assert_eq!(config.runtime.ip_ranges.len(), 1);
        assert_eq!(config.runtime.ips, ["10.0.0.1/8"]);
        assert_eq!(config.data_dir(), Path::new("d"));
    }

    #[test]
    fn the_data_folder_has_a_default() {
        for text in [
            "{}",
            r#"{"ipam": null}"#,
            r#"{"ipam": {"dataDir": ""}}"#,
            r#"{"ipam": {"dataDir": null}}"#,
        ] {
            assert_eq!(
                read(text).unwrap().data_dir(),
                Path::new(DEFAULT_DATA_DIR),
                "{text}"
            );
        }
    }

    #[test]
    fn wrong_values_are_errors_that_name_the_key() {
        for (json, gist) in [
            (r#"{"subnet": ""}"#, "\"ipam.subnet\": invalid CIDR"),
            (r#"{"subnet": null}"#, "\"ipam.subnet\": invalid CIDR"),
            (r#"{"subnet": "10.0.0.1"}"#, "\"ipam.subnet\": invalid CIDR"),
            (
                r#"{"ranges": [{"subnet": "10.0.0.0/8"}]}"#,
                "\"ipam.ranges[0]\"",
            ),
            (
                r#"{"ranges": [[{"subnet": null}]]}"#,
                "\"ipam.ranges[0][0].subnet\"",
            ),
            (r#"{"ranges": {"subnet": "10.0.0.0/8"}}"#, "\"ipam.ranges\""),
            (
                r#"{"gateway": "10.0.0.1/8"}"#,
                "\"ipam.gateway\": invalid IP",
            ),
            (
                r#"{"rangeStart": "10.0.0.01"}"#,
                "\"ipam.rangeStart\": invalid IP",
            ),
            (
                r#"{"rangeEnd": "fe80::1%eth0"}"#,
                "\"ipam.rangeEnd\": invalid IP",
            ),
            (r#"{"rangeEnd": 7}"#, "\"ipam.rangeEnd\""),
            (
                r#"{"routes": [null]}"#,
                "\"ipam.routes[0]\": missing field `dst`",
            ),
            (r#"{"routes": [{"dst": ""}]}"#, "\"ipam.routes[0].dst\""),
        ] {
            let error = read(&format!("{{\"ipam\": {json}}}")).unwrap_err();
            assert!(error.contains(gist), "{json}: {error}");
        }
    }

    #[test]
    fn an_ipv4_mapped_address_is_read_as_ipv4() {
        let config = read(r#"{"ipam": {"gateway": "::ffff:10.0.0.1"}}"#).unwrap();
        assert_eq!(config.ipam.unwrap().gateway, "10.0.0.1".parse().ok());
    }
}
