//! The request of a runtime: environment variables and a configuration on standard input.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::Read;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::json::{DecodeError, JsonValue};
use crate::{
    Args, Attachments, CniResult, Code, Dns, Error, ReleaseNumber, SpecVersion, check_container_id,
    check_interface_name, check_network_name, env,
};

/// The largest configuration accepted, in bytes. Ten thousand attachments of a GC take one megabyte.
pub const MAX_CONFIG_BYTES: u64 = 8 << 20;

/// The verbs of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Attach a container to a network.
    Add,
    /// Detach a container from a network.
    Del,
    /// Report whether an attachment is as ADD left it (since 0.4.0).
    Check,
    /// Remove what belongs to no listed attachment (since 1.1.0).
    Gc,
    /// Report whether ADD would work now (since 1.1.0).
    Status,
    /// Report the supported versions.
    Version,
}

impl Command {
    /// The verb as `CNI_COMMAND` has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Add => "ADD",
            Self::Del => "DEL",
            Self::Check => "CHECK",
            Self::Gc => "GC",
            Self::Status => "STATUS",
            Self::Version => "VERSION",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [
            Self::Add,
            Self::Del,
            Self::Check,
            Self::Gc,
            Self::Status,
            Self::Version,
        ]
        .into_iter()
        .find(|command| command.as_str() == text)
    }

    /// Whether the verb is about one attachment.
    const fn is_attachment(self) -> bool {
        matches!(self, Self::Add | Self::Del | Self::Check)
    }

    /// Whether the variable must be set for this verb.
    fn requires(self, variable: &str) -> bool {
        match variable {
            env::CONTAINER_ID | env::IFNAME => self.is_attachment(),
            env::NETNS => matches!(self, Self::Add | Self::Check),
            env::PATH => self != Self::Version,
            _ => variable == env::COMMAND,
        }
    }

    /// The version that introduced the verb, where a configuration may be too old for it.
    const fn since(self) -> Option<SpecVersion> {
        match self {
            Self::Check => Some(SpecVersion::V0_4_0),
            Self::Gc | Self::Status => Some(SpecVersion::V1_1_0),
            Self::Add | Self::Del | Self::Version => None,
        }
    }
}

/// Why a plugin was started.
#[derive(Debug)]
pub enum Incoming {
    /// By a person, without `CNI_COMMAND`: print the usage.
    Usage,
    /// VERSION. Standard input was not read.
    Version,
    /// Any other verb.
    Verb(Box<Request>),
}

/// A request that passed every check that does not depend on the plugin's own keys.
#[derive(Debug)]
pub struct Request {
    /// The verb.
    pub command: Command,
    /// The container; empty for GC and STATUS.
    pub container_id: String,
    /// The container's namespace as the runtime wrote it; may be empty for DEL.
    pub netns: PathBuf,
    /// The interface inside the container; empty for GC and STATUS.
    pub ifname: String,
    /// `CNI_ARGS`, unparsed, since the known keys differ between plugins.
    pub args: String,
    /// `CNI_PATH`, unsplit.
    pub path: OsString,
    /// Whether the container's namespace may be the plugin's own.
    pub netns_override: bool,
    /// The version of the configuration and of the result.
    pub version: SpecVersion,
    /// The network's name.
    pub network: String,
    /// The IPAM plugin's name (the key `ipam.type`); empty if there is none.
    pub ipam_type: String,
    /// The DNS settings of the configuration; they replace those of the IPAM result.
    pub dns: Dns,
    /// The configuration.
    pub config: JsonValue,
    /// The configuration as received; delegated plugins get it unchanged.
    pub stdin: Vec<u8>,
    /// Common keys of the wrong type, which only DEL ignores.
    ignored: Vec<DecodeError>,
}

impl Request {
    /// Reads and checks a request, in the order of checks of the Go library's plugin skeleton.
    ///
    /// `variable` looks up environment variables, `supported` lists the plugin's versions, oldest
    /// first. Codes: 4 environment, 5 standard input, 6 not JSON, 7 network name, 1 version.
    pub fn read(
        variable: impl Fn(&str) -> Option<OsString>,
        stdin: &mut dyn Read,
        supported: &[SpecVersion],
    ) -> Result<Incoming, Error> {
        let environment = Environment::read(variable)?;
        let verb = match environment.command.as_str() {
            "" => return Ok(Incoming::Usage),
            text => Command::parse(text),
        };
        if verb == Some(Command::Version) {
            return Ok(Incoming::Version);
        }
        let stdin = read_config(stdin)?;
        let config = JsonValue::read(&stdin).map_err(undecodable)?;
        let (keys, wrong) = config.decode_lenient::<CommonKeys>();
        let keys = keys.map_err(undecodable)?;
        let wrong_key = |key: &str| wrong.iter().find(|error| error.path == key);
        if let Some(error) = wrong_key("name") {
            return Err(undecodable(error));
        }
        check_network_name(&keys.name)?;
        let command = verb.ok_or_else(|| {
            let msg = format!("unknown CNI_COMMAND: {}", environment.command);
            Error::new(Code::InvalidEnvironment, msg)
        })?;
        if let Some(error) = wrong_key("cniVersion") {
            return Err(undecodable_version(error));
        }
        let version = negotiate(command, &keys.cni_version, supported)?;
        match wrong.first() {
            Some(error) if command != Command::Del => return Err(undecodable(error)),
            _ => {}
        }
        Ok(Incoming::Verb(Box::new(Self {
            command,
            container_id: environment.container_id,
            netns: environment.netns.into(),
            ifname: environment.ifname,
            args: environment.args,
            path: environment.path,
            netns_override: environment.netns_override,
            version,
            network: keys.name,
            ipam_type: keys.ipam.r#type,
            dns: keys.dns,
            config,
            stdin,
            ignored: wrong,
        })))
    }

    /// The configuration as the plugin's own type; an error names the wrong key (code 6).
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, Error> {
        self.config.decode().map_err(undecodable)
    }

    /// The keys that can be decoded, for DEL, and the errors of the others.
    pub fn decode_lenient<T: DeserializeOwned>(&self) -> Result<(T, Vec<DecodeError>), Error> {
        let (value, mut ignored) = self.config.decode_lenient();
        let is_new =
            |error: &&DecodeError| self.ignored.iter().all(|other| other.path != error.path);
        ignored = ignored
            .iter()
            .filter(is_new)
            .chain(&self.ignored)
            .cloned()
            .collect();
        Ok((value.map_err(undecodable)?, ignored))
    }

    /// The key `prevResult`, if the runtime sent it.
    pub fn prev_result(&self) -> Result<Option<CniResult>, Error> {
        match self.config.field("prevResult") {
            None | Some(JsonValue::Null) => Ok(None),
            Some(json) => Ok(Some(CniResult::from_prev_result(json, self.version)?)),
        }
    }

    /// The pairs of `CNI_ARGS` named in `known`; an error (code 4) names what is wrong with them.
    pub fn cni_args(&self, known: &[&str]) -> Result<Args, Error> {
        Args::parse(&self.args, known)
    }

    /// The attachments that GC must keep; `None` if the runtime sent no list, not even an empty one.
    pub fn valid_attachments(&self) -> Result<Option<Attachments>, Error> {
        Attachments::from_config(&self.config)
    }

    /// The namespace path as results show it.
    pub fn sandbox(&self) -> String {
        self.netns.to_string_lossy().into_owned()
    }
}

fn undecodable(error: impl std::fmt::Display) -> Error {
    Error::new(
        Code::Decode,
        format!("error unmarshall network config: {error}"),
    )
}

/// The keys that every plugin's configuration has.
///
/// A wrong type is an error even if nothing reads the value: a container whose `ipam` is a list by
/// mistake would be attached without addresses.
#[derive(Default, Deserialize)]
#[serde(
    default,
    rename_all = "camelCase",
    expecting = "a network configuration"
)]
struct CommonKeys {
    cni_version: String,
    name: String,
    r#type: String,
    capabilities: HashMap<String, bool>,
    ipam: IpamKeys,
    dns: Dns,
    prev_result: AnyObject,
}

#[derive(Default, Deserialize)]
#[serde(default, expecting = "an object")]
struct IpamKeys {
    r#type: String,
}

#[derive(Default, Deserialize)]
#[serde(expecting = "an object")]
struct AnyObject {}

/// The protocol's variables; unset and empty are the same.
struct Environment {
    command: String,
    container_id: String,
    netns: OsString,
    ifname: String,
    args: String,
    path: OsString,
    netns_override: bool,
}

impl Environment {
    fn read(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, Error> {
        let raw = |name: &str| variable(name).unwrap_or_default();
        let text = |name: &str| raw(name).to_string_lossy().into_owned();
        let environment = Self {
            command: text(env::COMMAND),
            container_id: text(env::CONTAINER_ID),
            netns: raw(env::NETNS),
            ifname: text(env::IFNAME),
            args: text(env::ARGS),
            path: raw(env::PATH),
            netns_override: matches!(
                text(env::NETNS_OVERRIDE).to_lowercase().as_str(),
                "1" | "true"
            ),
        };
        environment.check(&raw)?;
        Ok(environment)
    }

    /// Reports an invalid value before missing ones, and all missing ones together.
    fn check(&self, raw: &dyn Fn(&str) -> OsString) -> Result<(), Error> {
        let command = Command::parse(&self.command);
        let required = |name: &str| command.is_some_and(|command| command.requires(name));
        if required(env::CONTAINER_ID) && !self.container_id.is_empty() {
            check_container_id(&self.container_id)?;
        }
        if required(env::IFNAME) && !self.ifname.is_empty() {
            check_interface_name(&self.ifname)?;
            if raw(env::IFNAME).to_str().is_none() {
                return Err(
                    Error::new(Code::InvalidEnvironment, "interface name is not UTF-8")
                        .details(format!("CNI_IFNAME is {}", raw(env::IFNAME).display())),
                );
            }
        }
        let missing: Vec<&str> = [env::CONTAINER_ID, env::NETNS, env::IFNAME, env::PATH]
            .into_iter()
            .filter(|name| required(name) && raw(name).is_empty())
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let msg = format!("required env variables [{}] missing", missing.join(","));
        Err(Error::new(Code::InvalidEnvironment, msg))
    }
}

fn read_config(stdin: &mut dyn Read) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::with_capacity(4096);
    stdin
        .take(MAX_CONFIG_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Error::new(Code::Io, format!("error reading from stdin: {error}")))?;
    if bytes.len() as u64 > MAX_CONFIG_BYTES {
        return Err(undecodable(format_args!(
            "it is larger than {MAX_CONFIG_BYTES} bytes"
        )));
    }
    Ok(bytes)
}

fn undecodable_version(error: impl std::fmt::Display) -> Error {
    Error::new(
        Code::Decode,
        format!("decoding version from network config: {error}"),
    )
}

/// The version that the configuration names, if the verb and the plugin both allow it.
fn negotiate(
    command: Command,
    cni_version: &str,
    supported: &[SpecVersion],
) -> Result<SpecVersion, Error> {
    let incompatible = |msg: String| Error::new(Code::IncompatibleVersion, msg);
    if let Some(since) = command.since() {
        let asked: ReleaseNumber = cni_version.parse().map_err(undecodable_version)?;
        let verb = command.as_str();
        if asked < since.into() {
            return Err(incompatible(format!(
                "config version does not allow {verb}"
            )));
        }
        if !supported
            .iter()
            .any(|version| ReleaseNumber::from(*version) >= asked)
        {
            return Err(incompatible(format!(
                "plugin version does not allow {verb}"
            )));
        }
    }
    cni_version
        .parse()
        .ok()
        .filter(|version| supported.contains(version))
        .ok_or_else(|| {
            incompatible("incompatible CNI versions".to_owned()).details(format!(
                "config is \"{}\", plugin supports {}",
                if cni_version.is_empty() {
                    SpecVersion::V0_1_0.as_str()
                } else {
                    cni_version
                },
                SpecVersion::listed(supported)
            ))
        })
}

#[cfg(test)]
mod tests;
