//! The keys of `bandwidth`, and the limits that they set.

use cni_types::json::JsonValue;
use cni_types::{Code, Error};
use serde::Deserialize;

use crate::limit::Limit;

/// The four keys of the configuration and of `runtimeConfig.bandwidth`.
const KEYS: [&str; 4] = ["ingressRate", "ingressBurst", "egressRate", "egressBurst"];

/// The burst that containerd passes for a pod with an annotation for the rate only, in bits; CRI-O
/// passes a larger one. From this value on a burst of the runtime means the default.
const DEFAULT_BURST: u64 = u32::MAX as u64;

/// The configuration. Rates are in bits per second, bursts in bits; 0 is no limit.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "runtimeConfig is the key's name")]
pub struct Config {
    /// Rate to the container, in bits per second.
    ingress_rate: u64,
    /// Burst to the container, in bits.
    ingress_burst: u64,
    /// Rate from the container, in bits per second.
    egress_rate: u64,
    /// Burst from the container, in bits.
    egress_burst: u64,
    /// `bandwidth`: the same keys from the runtime, used if the configuration has none of them.
    runtime_config: RuntimeConfig,
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
struct RuntimeConfig {
    /// The same keys, used if the configuration has none of them.
    bandwidth: Entry,
}

/// The same keys from the runtime.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, rename_all = "camelCase")]
struct Entry {
    ingress_rate: u64,
    ingress_burst: u64,
    egress_rate: u64,
    egress_burst: u64,
}

/// The limits of both directions, at least one of which is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Towards the container.
    pub(crate) ingress: Option<Limit>,
    /// From the container.
    pub(crate) egress: Option<Limit>,
}

impl Config {
    /// The limits; `None` if neither direction is limited. `keys` is the configuration from which this
    /// was decoded: if it has any of the four keys, even as 0 or null, those of the runtime are ignored.
    pub(crate) fn limits(&self, keys: &JsonValue) -> Result<Option<Limits>, Error> {
        let is_static = KEYS.iter().any(|key| keys.field(key).is_some());
        let runtime = &self.runtime_config.bandwidth;
        let [ingress, egress] = if is_static {
            [
                (self.ingress_rate, self.ingress_burst),
                (self.egress_rate, self.egress_burst),
            ]
        } else {
            [
                (runtime.ingress_rate, runtime.ingress_burst),
                (runtime.egress_rate, runtime.egress_burst),
            ]
        };
        let limit = |direction, (rate, burst)| limit(direction, rate, burst, is_static);
        let (ingress, egress) = (limit("ingress", ingress)?, limit("egress", egress)?);
        let is_any = ingress.is_some() || egress.is_some();
        Ok(is_any.then_some(Limits { ingress, egress }))
    }
}

/// The limit of one direction. The first three error texts are those of the Go plugin.
fn limit(direction: &str, rate: u64, burst: u64, is_static: bool) -> Result<Option<Limit>, Error> {
    let fault = |what: &str| {
        let msg = format!("{direction}Rate {rate}, {direction}Burst {burst}: {what}");
        Error::new(Code::InvalidConfig, msg)
    };
    let bytes = match (rate, burst) {
        (0, 0) => return Ok(None),
        (_, 0) => return Err(fault("if rate is set, burst must also be set")),
        (0, _) => return Err(fault("if burst is set, rate must also be set")),
        _ => u32::try_from(burst / 8)
            .ok()
            .filter(|bytes| *bytes < u32::MAX),
    };
    let Some(bytes) = bytes else {
        return Err(fault("burst cannot be more than 4GB"));
    };
    if rate < 8 || bytes == 0 {
        return Err(fault("rate and burst are in bits, and at least 8"));
    }
    let is_configured = is_static || burst < DEFAULT_BURST;
    Ok(Some(Limit::new(rate / 8, bytes, is_configured)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn limits(config: &Value) -> Result<Option<Limits>, Error> {
        let keys = JsonValue::read(config.to_string().as_bytes()).unwrap();
        keys.decode::<Config>().unwrap().limits(&keys)
    }

    fn found(config: &Value) -> Option<Limits> {
        limits(config).unwrap()
    }

    fn msg(config: &Value) -> String {
        limits(config).unwrap_err().msg
    }

    const BOTH: Limits = Limits {
        ingress: Some(Limit::new(1000, 100, true)),
        egress: Some(Limit::new(2000, 200, true)),
    };

    #[test]
    fn either_place_and_any_letter_case() {
        let keys = json!({ "ingressRate": 8000, "ingressBurst": 800,
            "egressRate": 16000, "egressBurst": 1600 });
        let pascal = json!({ "IngressRate": 8000, "IngressBurst": 800,
            "EgressRate": 16000, "EgressBurst": 1600 });
        for keys in [&keys, &pascal] {
            assert_eq!(found(keys), Some(BOTH));
            assert_eq!(
                found(&json!({ "runtimeConfig": { "bandWidth": keys } })),
                Some(BOTH)
            );
        }
        assert_eq!(found(&json!({})), None);
        assert_eq!(found(&json!({ "runtimeConfig": null })), None);
        assert_eq!(
            found(&json!({ "runtimeConfig": { "bandwidth": null } })),
            None
        );
        assert_eq!(found(&json!({ "ingressRate": 0, "ingressBurst": 0 })), None);
    }

    #[test]
    fn one_key_of_the_configuration_hides_all_of_the_runtime() {
        let runtime = json!({ "bandwidth": { "egressRate": 8000, "egressBurst": 800 } });
        for value in [json!(0), json!(null)] {
            let config = json!({ "INGRESSBURST": value, "runtimeConfig": runtime });
            assert_eq!(found(&config), None);
        }
        let config = json!({ "ingressRate": 8000, "ingressBurst": 800, "runtimeConfig": runtime });
        let limits = found(&config).unwrap();
        assert_eq!((limits.ingress, limits.egress), (BOTH.ingress, None));
    }

    #[test]
    fn half_limits_and_too_large_bursts_are_refused() {
        let config = |rate: u64, burst: u64| json!({ "egressRate": rate, "egressBurst": burst });
        assert!(msg(&config(8000, 0)).contains("if rate is set, burst must also be set"));
        assert!(msg(&config(0, 80)).contains("if burst is set, rate must also be set"));
        let four_gigabytes = 4 * (1_u64 << 30) * 8;
        assert!(msg(&config(8000, four_gigabytes)).contains("burst cannot be more than 4GB"));
        assert!(msg(&config(8000, four_gigabytes - 8)).contains("burst cannot be more than 4GB"));
        assert!(found(&config(8000, four_gigabytes - 16)).is_some());
        assert!(msg(&config(7, 80)).contains("at least 8"));
        assert!(msg(&config(8000, 7)).contains("egressBurst 7"));
        let both = json!({ "ingressRate": 1, "egressBurst": 1 });
        assert!(msg(&both).starts_with("ingress"), "ingress comes first");
    }

    #[test]
    fn a_burst_that_runtimes_make_up_is_not_said() {
        let pair = json!({ "ingressRate": 10_000_000, "ingressBurst": u32::MAX });
        let bytes = u32::MAX / 8;
        let ingress = |config| found(&config).unwrap().ingress;
        let runtime = json!({ "runtimeConfig": { "bandwidth": pair } });
        assert_eq!(ingress(runtime), Some(Limit::new(1_250_000, bytes, false)));
        assert_eq!(ingress(pair), Some(Limit::new(1_250_000, bytes, true)));
    }
}
