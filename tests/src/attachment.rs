//! A container attached to a network.

use ferrule_testkit::{Call, Container, Outcome};
use serde_json::Value;

use crate::with_prev_result;

/// A container with the interface `eth0` in some network.
#[derive(Debug)]
pub struct Attachment {
    /// Its namespace.
    pub container: Container,
    /// The call of its ADD, for further verbs.
    pub call: Call,
    /// The configuration of the network.
    pub config: Value,
    /// The result of ADD.
    pub result: Value,
}

impl Attachment {
    /// The address at this position of the result, without prefix length.
    ///
    /// # Panics
    /// If the result has none there.
    #[track_caller]
    pub fn address(&self, position: usize) -> &str {
        let address = self.result["ips"][position]["address"].as_str();
        let address = address.unwrap_or_else(|| panic!("no address in {}", self.result));
        address.split('/').next().unwrap_or(address)
    }

    /// The name of the host end in the result.
    ///
    /// # Panics
    /// If the result has none.
    #[track_caller]
    pub fn host_end(&self) -> &str {
        let interfaces = self.result["interfaces"].as_array();
        let names = interfaces.into_iter().flatten().map(|entry| &entry["name"]);
        let mut names = names.filter_map(Value::as_str);
        names
            .find(|name| name.starts_with("veth"))
            .unwrap_or_else(|| panic!("no host end in {}", self.result))
    }

    /// Runs CHECK with the result of ADD.
    #[track_caller]
    pub fn check(&self) -> Outcome {
        self.call_with_result().check()
    }

    /// Runs DEL with the result of ADD, which must succeed.
    #[track_caller]
    pub fn detach(&self) -> Outcome {
        self.call_with_result().del().succeeds().stdout_is("")
    }

    /// The call with the result of ADD in its configuration.
    pub fn call_with_result(&self) -> Call {
        let config = with_prev_result(&self.config, &self.result);
        self.call.clone().config(&config)
    }
}
