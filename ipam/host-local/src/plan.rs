//! A validated configuration: the range sets and the requested addresses.

use std::net::IpAddr;

use cni_types::{AddressError, Args, Cidr, Code, Error, Family, Request, parse_address};

use crate::config::{Config, IpamConfig, RangeConfig, RuntimeConfig};
use crate::range_set::RangeSet;

/// The key of `CNI_ARGS` that asks for an address.
const IP: &str = "IP";

/// The range sets and requested addresses of one attachment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// One address of each. A set's position is its number in file names and messages.
    pub(crate) sets: Vec<RangeSet>,
    /// The requested addresses, each once, in order of precedence.
    pub(crate) requested: Vec<IpAddr>,
}

impl Plan {
    /// Checks a configuration for ADD and CHECK, in upstream's order of checks.
    pub(crate) fn new(config: &Config, request: &Request) -> Result<Self, Error> {
        let ipam = config.ipam()?;
        let requested = requested(config, &request.args)?;
        let sets = range_sets(ipam, &config.runtime, request)?;
        if sets.is_empty() {
            return Err(invalid("no IP ranges specified").details(
                "set ipam.ranges or ipam.subnet, or let the runtime pass ranges (capability ipRanges)",
            ));
        }
        Ok(Self { sets, requested })
    }
}

/// The sets in order of precedence, which may be none: STATUS and GC are called without what the
/// runtime passes for ADD.
pub(crate) fn range_sets(
    ipam: &IpamConfig,
    runtime: &RuntimeConfig,
    request: &Request,
) -> Result<Vec<RangeSet>, Error> {
    let sources = sources(ipam, runtime);
    let mut sets = Vec::with_capacity(sources.len());
    for (index, (origin, configs)) in sources.iter().enumerate() {
        sets.push(RangeSet::new(configs).map_err(|problem| {
            invalid(format!("invalid range set {index}: {problem}"))
                .details(format!("it comes from {origin}"))
        })?);
    }
    let of_ipv4 = sets.iter().filter(|set| set.is_ipv4()).count();
    let of_one_family = of_ipv4.max(sets.len() - of_ipv4);
    if of_one_family > 1 && request.version.family() == Family::Legacy {
        return Err(invalid(format!(
            "CNI version {} does not support more than 1 address per family",
            request.version
        ))
        .details("use cniVersion 0.3.0 or later for several range sets of one family"));
    }
    for (first, one) in sets.iter().enumerate() {
        let overlapping = |(_, other): &(usize, &RangeSet)| other.overlaps(one);
        let mut later = sets.iter().enumerate().skip(first + 1);
        if let Some((second, _)) = later.find(overlapping) {
            let origin = |index: usize| sources.get(index).map_or("", |(origin, _)| origin);
            let origins = format!("they come from {} and {}", origin(first), origin(second));
            let overlap = format!("range set {first} overlaps with {second}");
            return Err(invalid(overlap).details(origins));
        }
    }
    Ok(sets)
}

/// The configured sets in order of precedence, each with the key it comes from.
fn sources(ipam: &IpamConfig, runtime: &RuntimeConfig) -> Vec<(String, Vec<RangeConfig>)> {
    let list = |key: &'static str, sets: &[Vec<RangeConfig>]| {
        let named =
            |(index, set): (usize, &Vec<RangeConfig>)| (format!("{key}[{index}]"), set.clone());
        sets.iter().enumerate().map(named).collect::<Vec<_>>()
    };
    let mut all = list("runtimeConfig.ipRanges", &runtime.ip_ranges);
    all.extend(
        ipam.single_range()
            .map(|range| ("ipam.subnet".to_owned(), vec![range])),
    );
    all.extend(list("ipam.ranges", &ipam.ranges));
    all
}

/// The requested addresses: `CNI_ARGS`, then `args.cni.ips`, then `runtimeConfig.ips`.
fn requested(config: &Config, args: &str) -> Result<Vec<IpAddr>, Error> {
    let args = Args::parse(args, &[IP])?;
    let mut all: Vec<IpAddr> = Vec::new();
    let mut push = |address: IpAddr| {
        if !all.contains(&address) {
            all.push(address);
        }
    };
    if let Some(text) = args.value(IP) {
        push(address_of(text).map_err(|error| {
            let msg = format!("CNI_ARGS: error parsing value of pair \"IP={text}\": {error}");
            Error::new(Code::InvalidEnvironment, msg)
        })?);
    }
    for (key, texts) in [
        ("args.cni.ips", &config.args.cni.ips),
        ("runtimeConfig.ips", &config.runtime.ips),
    ] {
        for text in texts {
            push(
                address_of(text).map_err(|error| {
                    invalid(format!("cannot understand ip: key {key:?}: {error}"))
                })?,
            );
        }
    }
    Ok(all)
}

fn invalid(msg: impl Into<String>) -> Error {
    Error::new(Code::InvalidConfig, msg)
}

/// An address with or without a prefix length, which does not matter.
fn address_of(text: &str) -> Result<IpAddr, AddressError> {
    if text.contains('/') {
        text.parse::<Cidr>().map(|cidr| cidr.address())
    } else {
        parse_address(text)
    }
}

#[cfg(test)]
mod tests;
