//! The configuration of the delegate: the administrator's keys, completed from the subnet file.

use cni_types::json::{JsonValue, to_compact};
use cni_types::{Code, Error, Request, Route, VALID_ATTACHMENTS, VALID_ATTACHMENTS_2024};
use ferrule_plugin::{Call, Delegate};
use serde_json::{Map, Value, json};

use crate::config::Config;
use crate::subnet_env::SubnetEnv;

const DEFAULT_TYPE: &str = "bridge";
const DEFAULT_IPAM: &str = "host-local";

/// A complete configuration of the delegate.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DelegateConfig {
    kind: String,
    object: Map<String, Value>,
}

impl DelegateConfig {
    /// Merges the keys of the call with the subnet file. Given keys stay, also null.
    ///
    /// Without `env` the result has no ranges, which is enough for DEL and GC.
    pub(crate) fn build(call: &Call<Config>, env: Option<&SubnetEnv>) -> Result<Self, Error> {
        let mut object = call.config.delegate.clone();
        for key in ["name", "ipam"] {
            if object.contains_key(key) {
                let msg = format!("'delegate' dictionary, if present, must not have {key:?} field");
                return Err(invalid(msg).details("the plugin sets it: move it out of 'delegate'"));
            }
        }
        let kind = object.entry("type").or_insert_with(|| json!(DEFAULT_TYPE));
        let Value::String(kind) = kind.clone() else {
            return Err(invalid("'delegate' dictionary: \"type\" is not a string"));
        };
        if kind == crate::NAME {
            return Err(invalid("'delegate' dictionary: \"type\" is flannel itself")
                .details("name a plugin that makes an interface, such as bridge"));
        }
        object.insert("name".into(), json!(call.request.network));
        if let Some(env) = env {
            object.entry("ipMasq").or_insert(json!(!env.ip_masq));
            object.entry("mtu").or_insert(json!(env.mtu));
        }
        if kind == DEFAULT_TYPE {
            object.entry("isGateway").or_insert(json!(true));
        }
        object.insert("ipam".into(), Value::Object(ipam(&call.config, env)?));
        let version = call.request.config.text_field("cniVersion");
        if let Some(version) = version.filter(|version| !version.is_empty()) {
            object.insert("cniVersion".into(), json!(version));
        }
        if let Some(keys) = &call.config.runtime {
            object.insert("runtimeConfig".into(), json!(keys));
        }
        Ok(Self { kind, object })
    }

    /// Parses a recorded configuration; `None` if it is invalid.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let Ok(Value::Object(object)) = cni_types::json::read_value(bytes) else {
            return None;
        };
        let kind = object.get("type")?.as_str()?;
        let kind = (!kind.is_empty()).then(|| kind.to_owned())?;
        Some(Self { kind, object })
    }

    /// The name of its network.
    pub(crate) fn network(&self) -> &str {
        let name = self.object.get("name").and_then(Value::as_str);
        name.unwrap_or_default()
    }

    /// The same for CHECK: with the version and the previous result of the request.
    #[must_use]
    pub(crate) fn for_check(mut self, request: &Request) -> Self {
        self.set_version(request);
        self.copy(request, "prevResult");
        self
    }

    /// The same for GC: without `runtimeConfig` of a container, with the attachments of the request.
    #[must_use]
    pub(crate) fn for_gc(mut self, request: &Request) -> Self {
        self.object.remove("runtimeConfig");
        self.set_version(request);
        for key in [VALID_ATTACHMENTS, VALID_ATTACHMENTS_2024] {
            self.copy(request, key);
        }
        self
    }

    /// Sets the version of the request: that of the record may be too old for the verb.
    fn set_version(&mut self, request: &Request) {
        let version = json!(request.version.as_str());
        self.object.insert("cniVersion".into(), version);
    }

    fn copy(&mut self, request: &Request, key: &str) {
        if let Some(value) = request.config.field(key) {
            self.object.insert(key.into(), json!(value));
        }
    }

    /// The text for the delegate's standard input.
    pub(crate) fn text(&self) -> String {
        to_compact(&self.object)
    }

    /// Finds the delegate's executable, to be run with `stdin`.
    pub(crate) fn delegate(&self, request: &Request, stdin: Vec<u8>) -> Result<Delegate, Error> {
        Delegate::find("delegate", &self.kind, request, stdin)
    }
}

fn ipam(config: &Config, env: Option<&SubnetEnv>) -> Result<Map<String, Value>, Error> {
    let mut ipam = config.ipam.clone();
    ipam.entry("type").or_insert_with(|| json!(DEFAULT_IPAM));
    let Some(env) = env else { return Ok(ipam) };
    let ranges = env.subnets.iter();
    let ranges: Vec<Value> = ranges.map(|subnet| json!([{ "subnet": subnet }])).collect();
    ipam.insert("ranges".into(), json!(ranges));
    let mut routes = configured_routes(&ipam)?;
    routes.extend(
        env.networks
            .iter()
            .map(|network| Route::new(*network, None)),
    );
    ipam.insert("routes".into(), json!(routes));
    Ok(ipam)
}

fn configured_routes(ipam: &Map<String, Value>) -> Result<Vec<Route>, Error> {
    let Some(routes) = ipam.get("routes") else {
        return Ok(Vec::new());
    };
    let failed = |error: &dyn std::fmt::Display| {
        Error::new(Code::Decode, format!("key \"ipam.routes\": {error}"))
    };
    let routes = JsonValue::read(to_compact(routes).as_bytes()).map_err(|error| failed(&error))?;
    routes.decode().map_err(|error| failed(&error))
}

fn invalid(msg: impl Into<String>) -> Error {
    Error::new(Code::InvalidConfig, msg)
}
