//! What a configuration asks for.

use cni_types::{CniResult, Code, Error};
use ferrule_kernel::IpNetwork;
use ferrule_netfilter::Backend;
use ferrule_plugin::Undo;

use super::Masquerade;
use crate::{AttachmentId, NetError};

/// Masquerading asked for, by the keys `ipMasq` and `ipMasqBackend`.
#[derive(Debug, Clone, Copy)]
pub struct MasqueradeConfig {
    backend: Option<Backend>,
}

impl MasqueradeConfig {
    /// Reads the two keys; none if masquerading is not asked for, whatever the back end.
    pub fn of(ip_masq: bool, backend: Option<&str>) -> Result<Option<Self>, Error> {
        if !ip_masq {
            return Ok(None);
        }
        let named = |text: &str| {
            Backend::named(text).ok_or_else(|| {
                let msg = format!("unknown ipmasq backend {text:?}");
                Error::new(Code::InvalidConfig, msg)
                    .details("\"ipMasqBackend\" is \"iptables\" or \"nftables\"")
            })
        };
        let backend = backend.map(named).transpose()?;
        Ok(Some(Self { backend }))
    }

    /// Masquerades the addresses of a result, and records how to remove that again.
    pub fn add(
        self,
        id: &AttachmentId,
        result: &CniResult,
        undo: &mut Undo,
    ) -> Result<(), NetError> {
        let added = id.clone();
        undo.push("remove the masquerading", move || {
            Ok(Masquerade::of(&added).remove()?)
        });
        Masquerade::of(id)
            .add(self.backend, &addresses(result))
            .map(drop)
    }

    /// Compares the rules with those of [`MasqueradeConfig::add`].
    pub fn check(self, id: &AttachmentId, result: &CniResult) -> Result<(), NetError> {
        Masquerade::of(id).check(self.backend, &addresses(result))
    }

    /// Finds out whether rules could be made now.
    pub fn status(self) -> Result<(), Error> {
        super::status(self.backend)
    }
}

fn addresses(result: &CniResult) -> Vec<IpNetwork> {
    result.ips.iter().map(|ip| ip.address.network()).collect()
}
