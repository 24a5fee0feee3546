//! The addresses of the result, from all their sources.

use std::net::IpAddr;

use cni_types::{
    Args, ArgsError, Cidr, Code, Error, Family, IpConfig, Request, SpecVersion, parse_address,
};

use crate::config::Config;

/// Keys of `CNI_ARGS`.
const IP: &str = "IP";
const GATEWAY: &str = "GATEWAY";

/// An invalid configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConfigError {
    /// No `ipam`, which is required even for addresses from the runtime.
    #[error("IPAM config missing 'ipam' key")]
    MissingIpam,
    /// `CNI_ARGS` is malformed or has unknown keys.
    #[error(transparent)]
    Args(#[from] ArgsError),
    /// An address in `CNI_ARGS` that is invalid or has no prefix length.
    #[error("CNI_ARGS: the 'IP' field is expected to be in CIDR notation, got: '{0}'")]
    ArgsAddress(String),
    /// An invalid gateway in `CNI_ARGS`.
    #[error("CNI_ARGS: invalid gateway address: {0}")]
    ArgsGateway(String),
    /// An address from the runtime that is invalid or has no prefix length.
    #[error("an entry in the 'ips' field is NOT in CIDR notation, got: '{text}'")]
    RuntimeAddress {
        /// Its key.
        key: &'static str,
        /// As written.
        text: String,
    },
    /// An address of the configuration that is invalid or has no prefix length.
    #[error("the 'address' field is expected to be in CIDR notation, got: '{text}'")]
    Address {
        /// Its position in `ipam.addresses`.
        index: usize,
        /// As written.
        text: String,
    },
    /// Two addresses of a family, in a version whose results have one per family.
    #[error("CNI version {0} does not support more than 1 address per family")]
    TooManyOfFamily(SpecVersion),
}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        let code = match error {
            ConfigError::Args(_) | ConfigError::ArgsAddress(_) | ConfigError::ArgsGateway(_) => {
                Code::InvalidEnvironment
            }
            _ => Code::InvalidConfig,
        };
        let wire = Self::new(code, error.to_string());
        match error {
            ConfigError::RuntimeAddress { key, .. } => wire.details(format!(
                "it stands in {key}; write 10.1.2.3/24, not 10.1.2.3"
            )),
            ConfigError::Address { index, .. } => wire.details(format!(
                "it stands in ipam.addresses[{index}]; write 10.1.2.3/24, not 10.1.2.3"
            )),
            ConfigError::TooManyOfFamily(_) => {
                wire.details("use cniVersion 0.3.0 or later for several addresses of one family")
            }
            _ => wire,
        }
    }
}

/// The addresses of the result, which may be none, in upstream's order of checks.
///
/// `runtimeConfig.ips` replaces everything else; so does `args.cni.ips` if the former is absent or
/// empty; otherwise the addresses of `CNI_ARGS` follow those of the configuration. Replaced addresses
/// of the configuration are not validated; those of the runtime always are.
pub(crate) fn addresses(config: &Config, request: &Request) -> Result<Vec<IpConfig>, ConfigError> {
    let ipam = config.ipam.as_ref().ok_or(ConfigError::MissingIpam)?;
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
            let address = text.parse().map_err(|_| ConfigError::Address {
                index,
                text: text.clone(),
            })?;
            all.push(ip(address, configured.gateway));
        }
        all.extend(from_environment);
        all
    };
    let of_ipv4 = all.iter().filter(|ip| ip.address.is_ipv4()).count();
    let of_one_family = of_ipv4.max(all.len() - of_ipv4);
    if of_one_family > 1 && request.version.family() == Family::Legacy {
        return Err(ConfigError::TooManyOfFamily(request.version));
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
fn from_args(text: &str) -> Result<Vec<IpConfig>, ConfigError> {
    let args = Args::parse(text, &[IP, GATEWAY])?;
    let mut all = Vec::new();
    for text in list(&args, IP) {
        let address = text
            .parse()
            .map_err(|_| ConfigError::ArgsAddress(text.to_owned()))?;
        all.push(ip(address, None));
    }
    for text in list(&args, GATEWAY) {
        let gateway = parse_address(text).map_err(|_| ConfigError::ArgsGateway(text.to_owned()))?;
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

fn from_runtime(key: &'static str, texts: &[String]) -> Result<Vec<IpConfig>, ConfigError> {
    let read = |text: &String| match text.parse() {
        Ok(address) => Ok(ip(address, None)),
        Err(_) => Err(ConfigError::RuntimeAddress {
            key,
            text: text.clone(),
        }),
    };
    texts.iter().map(read).collect()
}

#[cfg(test)]
mod tests;
