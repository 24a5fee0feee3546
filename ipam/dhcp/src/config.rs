//! The keys of dhcp. Other keys are ignored at every level.

use std::path::{Path, PathBuf};

use cni_types::{Code, Error, Request};
use serde::Deserialize;

use crate::lease::{ClientOptions, Protocol};
use crate::protocol::SOCKET;
use crate::v4::{RESERVED, code};
use crate::v6::option;

/// The longest option that is sent.
const LONGEST_OPTION: usize = 255;
/// What is requested unless `skipDefault` says otherwise, after what is listed.
const DEFAULT_REQUEST: [u8; 2] = [code::ROUTERS, code::SUBNET_MASK];
/// What is requested if nothing is left: the default of the Go plugin's library.
const LIBRARY_REQUEST: [u8; 4] = [
    code::SUBNET_MASK,
    code::ROUTERS,
    code::DOMAIN,
    code::NAME_SERVERS,
];

/// The network configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Config {
    /// The plugin's keys.
    pub(crate) ipam: IpamConfig,
}

/// `ipam`.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct IpamConfig {
    /// The daemon's socket.
    #[serde(rename = "daemonSocketPath")]
    pub(crate) daemon_socket_path: String,
    /// Options that the server is asked for.
    pub(crate) request: Vec<RequestConfig>,
    /// Options that are sent to the server.
    pub(crate) provide: Vec<ProvideConfig>,
    /// The metric of every route; 0 leaves it to the kernel.
    pub(crate) priority: u32,
    /// Whether an IPv4 address is leased; true if it is absent.
    pub(crate) ipv4: Option<bool>,
    /// Whether an IPv6 address is leased (stateful DHCPv6).
    pub(crate) ipv6: bool,
    /// Options that the DHCPv6 server is asked for: `23` for name servers, `24` for search domains.
    #[serde(rename = "request6")]
    pub(crate) request_v6: Vec<RequestConfig>,
}

/// An option that the server is asked for.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct RequestConfig {
    /// Leaves out the options that are otherwise asked for, 3 and 1.
    #[serde(rename = "skipDefault")]
    pub(crate) skip_default: bool,
    /// Its name or number; empty for an entry that only has `skipDefault`.
    pub(crate) option: String,
}

/// An option that is sent to the server.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct ProvideConfig {
    /// Its name or number.
    pub(crate) option: String,
    /// Its content, sent as it is.
    pub(crate) value: String,
    /// A key of `CNI_ARGS` whose value is sent instead of `value`, if it is there.
    #[serde(rename = "fromArg")]
    pub(crate) from_arg: String,
}

impl Config {
    /// The daemon's socket.
    pub(crate) fn socket(&self) -> PathBuf {
        match self.ipam.daemon_socket_path.as_str() {
            "" => SOCKET.into(),
            path => Path::new(path).to_owned(),
        }
    }

    /// The protocols to lease by.
    pub(crate) fn protocols(&self) -> Result<Vec<Protocol>, Error> {
        let wanted = Protocol::ALL.into_iter().filter(|protocol| match protocol {
            Protocol::V4 => self.ipam.ipv4.unwrap_or(true),
            Protocol::V6 => self.ipam.ipv6,
        });
        let wanted: Vec<Protocol> = wanted.collect();
        if wanted.is_empty() {
            return Err(invalid(
                "nothing to lease: ipam.ipv4 is false, and ipam.ipv6 is not true".to_owned(),
            ));
        }
        Ok(wanted)
    }

    /// What to ask the server for.
    pub(crate) fn client(
        &self,
        request: &Request,
        protocol: Protocol,
    ) -> Result<ClientOptions, Error> {
        Ok(match protocol {
            Protocol::V4 => ClientOptions {
                request: self.requested()?,
                provide: self.provided(&request.args)?,
                priority: self.ipam.priority,
            },
            Protocol::V6 => ClientOptions {
                request: self.requested_v6()?,
                ..ClientOptions::default()
            },
        })
    }

    /// Those that the result can have.
    fn requested_v6(&self) -> Result<Vec<u8>, Error> {
        let known = [option::NAME_SERVERS, option::SEARCH];
        let code = |entry: &RequestConfig| {
            let code = entry
                .option
                .parse()
                .ok()
                .filter(|code| known.contains(code));
            code.ok_or_else(|| {
                invalid(format!(
                    "unknown option {:?} in ipam.request6",
                    entry.option
                ))
                .details("write \"23\" for name servers, \"24\" for search domains")
            })
        };
        self.ipam.request_v6.iter().map(code).collect()
    }

    /// Those listed, then the default ones.
    fn requested(&self) -> Result<Vec<u8>, Error> {
        let listed = self
            .ipam
            .request
            .iter()
            .filter(|entry| !entry.option.is_empty());
        let mut codes = listed
            .map(|entry| code_of(&entry.option))
            .collect::<Result<Vec<u8>, Error>>()?;
        if !self.ipam.request.iter().any(|entry| entry.skip_default) {
            codes.extend(DEFAULT_REQUEST);
        }
        let mut once = Vec::with_capacity(codes.len());
        for code in codes {
            if !once.contains(&code) {
                once.push(code);
            }
        }
        Ok(if once.is_empty() {
            LIBRARY_REQUEST.to_vec()
        } else {
            once
        })
    }

    fn provided(&self, args: &str) -> Result<Vec<(u8, Vec<u8>)>, Error> {
        let mut provided: Vec<(u8, Vec<u8>)> = Vec::new();
        for entry in &self.ipam.provide {
            let code = code_of(&entry.option)?;
            if RESERVED.contains(&code) {
                return Err(invalid(format!(
                    "option {code} in ipam.provide is set by the protocol itself"
                )));
            }
            let from_arg = Some(entry.from_arg.as_str()).filter(|key| !key.is_empty());
            let content = match from_arg.and_then(|key| argument(args, key)) {
                Some(value) => value,
                None if entry.value.is_empty() => continue,
                None => entry.value.as_str(),
            };
            if content.len() > LONGEST_OPTION {
                return Err(invalid(format!(
                    "the value of option {code} in ipam.provide has {} bytes, more than {LONGEST_OPTION}",
                    content.len()
                )));
            }
            provided.retain(|(other, _)| *other != code);
            provided.push((code, content.into()));
        }
        Ok(provided)
    }
}

/// The value of a key of `CNI_ARGS`; pieces without `=` do not count.
fn argument<'a>(args: &'a str, key: &str) -> Option<&'a str> {
    let mut pairs = args.split(';').filter_map(|piece| piece.split_once('='));
    pairs
        .rfind(|(name, _)| *name == key)
        .map(|(_, value)| value)
}

/// The code that a name or number stands for.
fn code_of(option: &str) -> Result<u8, Error> {
    match option {
        "dhcp-client-identifier" => Ok(code::CLIENT_ID),
        "subnet-mask" => Ok(code::SUBNET_MASK),
        "routers" => Ok(code::ROUTERS),
        "host-name" => Ok(code::HOST_NAME),
        "user-class" => Ok(code::USER_CLASS),
        "vendor-class-identifier" => Ok(code::VENDOR_CLASS),
        number => number.parse().map_err(|_| {
            invalid(format!("unknown DHCP option {option:?}")).details(
                "write its number as a text (\"121\"), or one of dhcp-client-identifier, subnet-mask, \
                 routers, host-name, user-class, vendor-class-identifier",
            )
        }),
    }
}

fn invalid(text: String) -> Error {
    Error::new(Code::InvalidConfig, text)
}

#[cfg(test)]
mod tests;
