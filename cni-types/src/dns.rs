//! DNS settings in configurations and results.

use serde::{Deserialize, Serialize};

/// DNS settings. Plugins only pass them on.
///
/// The lists distinguish absent from empty: an empty list in a configuration replaces the DNS
/// settings of the IPAM result.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dns {
    /// Addresses of name servers, in order of preference.
    #[serde(default, skip_serializing_if = "absent_or_empty")]
    pub nameservers: Option<Vec<String>>,
    /// The local domain.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub domain: String,
    /// Domains searched for short host names.
    #[serde(default, skip_serializing_if = "absent_or_empty")]
    pub search: Option<Vec<String>>,
    /// Resolver options.
    #[serde(default, skip_serializing_if = "absent_or_empty")]
    pub options: Option<Vec<String>>,
}

#[expect(clippy::ref_option, reason = "the signature serde calls")]
fn absent_or_empty(list: &Option<Vec<String>>) -> bool {
    list.as_ref().is_none_or(Vec::is_empty)
}

impl Dns {
    /// Whether nothing of it would be printed.
    pub fn is_empty(&self) -> bool {
        self.domain.is_empty()
            && [&self.nameservers, &self.search, &self.options]
                .into_iter()
                .all(absent_or_empty)
    }

    /// Whether a configuration sets any of it, an empty list included.
    pub fn is_set(&self) -> bool {
        !self.domain.is_empty()
            || self.nameservers.is_some()
            || self.search.is_some()
            || self.options.is_some()
    }
}
