//! The addresses of the result, from all their sources.

use std::net::IpAddr;

use cni_types::{Args, Cidr, Code, Error, Family, IpConfig, Request, parse_address};

use crate::config::Config;

/// Keys of `CNI_ARGS`.
const IP: &str = "IP";
const GATEWAY: &str = "GATEWAY";

/// The addresses of the result, which may be none, in upstream's order of checks.
///
/// `runtimeConfig.ips` replaces everything else; so does `args.cni.ips` if the former is absent or
/// empty; otherwise the addresses of `CNI_ARGS` follow those of the configuration. Replaced addresses
/// of the configuration are not validated; those of the runtime always are.
pub(crate) fn addresses(config: &Config, request: &Request) -> Result<Vec<IpConfig>, Error> {
    let missing = || invalid("IPAM config missing 'ipam' key");
    let ipam = config.ipam.as_ref().ok_or_else(missing)?;
    let from_environment = from_args(&request.args)?;
    let from_args = from_runtime("args.cni.ips", &config.args.cni.ips)?;
    let from_runtime = from_runtime("runtimeConfig.ips", &config.runtime.ips)?;
    let all = if !from_runtime.is_empty() {
        from_runtime
    } else if !from_args.is_empty() {
        from_args
    } else {
        let mut all = Vec::with_capacity(ipam.addresses.len() + from_environment.len());
        for (index, configured) in ipam.addresses.iter().enumerate() {
            let text = &configured.address;
            let address = text.parse().map_err(|_| {
                let place = format!("ipam.addresses[{index}]");
                not_a_cidr(
                    "the 'address' field is expected to be in CIDR notation",
                    text,
                    &place,
                )
            })?;
            all.push(ip(address, configured.gateway));
        }
        all.extend(from_environment);
        all
    };
    let of_ipv4 = all.iter().filter(|ip| ip.address.is_ipv4()).count();
    let of_one_family = of_ipv4.max(all.len() - of_ipv4);
    if of_one_family > 1 && request.version.family() == Family::Legacy {
        return Err(invalid(format!(
            "CNI version {} does not support more than 1 address per family",
            request.version
        ))
        .details("use cniVersion 0.3.0 or later for several addresses of one family"));
    }
    Ok(all)
}

fn ip(address: Cidr, gateway: Option<IpAddr>) -> IpConfig {
    IpConfig {
        interface: None,
        address,
        gateway,
    }
}

/// Reads two comma-separated lists. A gateway applies to every address of `IP` whose network contains
/// it; the last of several wins, and one in no network is ignored.
fn from_args(text: &str) -> Result<Vec<IpConfig>, Error> {
    let args = Args::parse(text, &[IP, GATEWAY])?;
    let mut all = Vec::new();
    for text in list(&args, IP) {
        let address = text.parse().map_err(|_| {
            wrong_args(format!(
                "CNI_ARGS: the 'IP' field is expected to be in CIDR notation, got: '{text}'"
            ))
        })?;
        all.push(ip(address, None));
    }
    for text in list(&args, GATEWAY) {
        let gateway = parse_address(text)
            .map_err(|_| wrong_args(format!("CNI_ARGS: invalid gateway address: {text}")))?;
        for ip in &mut all {
            if ip.address.contains(gateway) {
                ip.gateway = Some(gateway);
            }
        }
    }
    Ok(all)
}

fn list<'a>(args: &'a Args, key: &str) -> impl Iterator<Item = &'a str> {
    let texts = args.value(key).map(|value| value.split(','));
    texts.into_iter().flatten().map(str::trim)
}

fn from_runtime(key: &str, texts: &[String]) -> Result<Vec<IpConfig>, Error> {
    let problem = "an entry in the 'ips' field is NOT in CIDR notation";
    let read = |text: &String| {
        let address = text.parse().map_err(|_| not_a_cidr(problem, text, key))?;
        Ok(ip(address, None))
    };
    texts.iter().map(read).collect()
}

/// The error of an address without a prefix length, or of something else, in the configuration.
fn not_a_cidr(problem: &str, text: &str, place: &str) -> Error {
    invalid(format!("{problem}, got: '{text}'")).details(format!(
        "it stands in {place}; write 10.1.2.3/24, not 10.1.2.3"
    ))
}

fn invalid(msg: impl Into<String>) -> Error {
    Error::new(Code::InvalidConfig, msg)
}

fn wrong_args(msg: String) -> Error {
    Error::new(Code::InvalidEnvironment, msg)
}

#[cfg(test)]
mod tests;
