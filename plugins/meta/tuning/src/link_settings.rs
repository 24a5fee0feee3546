//! Settings of an interface: the configured ones, and those before the change, which DEL restores.

use std::fmt;

use ferrule_kernel::{Link, LinkChange, Mac};
use ferrule_net::{NetError, Sandbox};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Settings of an interface; absent ones are not changed.
///
/// Its JSON is the Go plugin's record of the values before the change, with the same keys in the same
/// order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct LinkSettings {
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "mac_as_text",
        deserialize_with = "mac_of_text"
    )]
    pub(crate) mac: Option<Mac>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) promisc: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mtu: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) allmulti: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tx_q_len: Option<u32>,
}

impl LinkSettings {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The link's values of the settings that are set here.
    fn as_found(&self, link: &Link) -> Self {
        Self {
            mac: self.mac.and(link.mac),
            promisc: self.promisc.map(|_| link.promiscuous),
            mtu: self.mtu.map(|_| link.mtu),
            allmulti: self.allmulti.map(|_| link.all_multicast),
            tx_q_len: self.tx_q_len.map(|_| link.tx_queue_len),
        }
    }

    /// The settings that differ from the link's values.
    fn lacking(&self, link: &Link) -> Self {
        Self {
            mac: self.mac.filter(|mac| Some(*mac) != link.mac),
            promisc: self.promisc.filter(|on| *on != link.promiscuous),
            mtu: self.mtu.filter(|mtu| *mtu != link.mtu),
            allmulti: self.allmulti.filter(|on| *on != link.all_multicast),
            tx_q_len: self.tx_q_len.filter(|len| *len != link.tx_queue_len),
        }
    }

    /// The values that DEL restores after these have been applied to the link.
    ///
    /// A value that the link has already may come from an earlier ADD: then that of its record,
    /// `earlier`, is used.
    pub(crate) fn before(&self, link: &Link, earlier: Option<Self>) -> Self {
        let current = self.as_found(link);
        let Some(earlier) = earlier else {
            return current;
        };
        let lacking = self.lacking(link);
        Self {
            mac: lacking.mac.map_or(earlier.mac, |_| None).or(current.mac),
            promisc: lacking
                .promisc
                .map_or(earlier.promisc, |_| None)
                .or(current.promisc),
            mtu: lacking.mtu.map_or(earlier.mtu, |_| None).or(current.mtu),
            allmulti: lacking
                .allmulti
                .map_or(earlier.allmulti, |_| None)
                .or(current.allmulti),
            tx_q_len: lacking
                .tx_q_len
                .map_or(earlier.tx_q_len, |_| None)
                .or(current.tx_q_len),
        }
    }

    /// Applies them to the link. The kernel may refuse one of them; the others are applied.
    pub(crate) fn apply(&self, sandbox: &Sandbox, link: &Link) -> Result<(), NetError> {
        let lacking = self.lacking(link);
        let change = || LinkChange::of_name(&link.name);
        let changes = [
            lacking.mac.map(|mac| change().mac(mac)),
            lacking.promisc.map(|on| change().promisc(on)),
            lacking.mtu.map(|mtu| change().mtu(mtu)),
            lacking.allmulti.map(|on| change().all_multicast(on)),
            lacking.tx_q_len.map(|len| change().tx_queue_len(len)),
        ];
        let mut batch = sandbox.batch();
        for change in changes.into_iter().flatten() {
            batch.add(change.message());
        }
        Ok(batch.run()?)
    }

    /// Fails if the link has another value of one of them.
    pub(crate) fn check(&self, link: &Link, sandbox: &Sandbox) -> Result<(), NetError> {
        let lacking = self.lacking(link);
        if lacking.is_empty() {
            return Ok(());
        }
        Err(NetError::Mismatch(format!(
            "interface {:?} in {} has {}, expected {lacking}",
            link.name,
            sandbox.netns().path().display(),
            lacking.as_found(link),
        )))
    }
}

impl fmt::Display for LinkSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let switch = |on: bool| if on { "on" } else { "off" };
        let words = [
            self.mac.map(|mac| format!("the MAC address {mac}")),
            self.promisc
                .map(|on| format!("promiscuous mode {}", switch(on))),
            self.mtu.map(|mtu| format!("the MTU {mtu}")),
            self.allmulti
                .map(|on| format!("all multicast {}", switch(on))),
            self.tx_q_len.map(|len| format!("the queue length {len}")),
        ];
        let words: Vec<String> = words.into_iter().flatten().collect();
        f.write_str(&words.join(", "))
    }
}

#[expect(clippy::ref_option, reason = "serde's signature")]
fn mac_as_text<S: Serializer>(mac: &Option<Mac>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&mac.map(|mac| mac.to_string()).unwrap_or_default())
}

fn mac_of_text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Mac>, D::Error> {
    match String::deserialize(from)?.as_str() {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(serde::de::Error::custom),
    }
}
