//! What a configuration asks for.

use cni_types::CniResult;
use ferrule_kernel::IpNetwork;
use ferrule_netfilter::Backend;
use ferrule_plugin::Undo;

use super::{Masquerade, MasqueradeError};
use crate::AttachmentId;

/// Masquerading asked for, by the keys `ipMasq` and `ipMasqBackend`.
#[derive(Debug, Clone, Copy)]
pub struct MasqueradeConfig {
    backend: Option<Backend>,
}

impl MasqueradeConfig {
    /// Reads the two keys; none if masquerading is not asked for, whatever the back end.
    pub fn of(ip_masq: bool, backend: Option<&str>) -> Result<Option<Self>, MasqueradeError> {
        if !ip_masq {
            return Ok(None);
        }
        let named = |text: &str| {
            Backend::named(text).ok_or_else(|| MasqueradeError::UnknownBackend(text.to_owned()))
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
    ) -> Result<(), MasqueradeError> {
        let added = id.clone();
        undo.push("remove the masquerading", move || {
            Ok(Masquerade::of(&added).remove()?)
        });
        Masquerade::of(id)
            .add(self.backend, &addresses(result))
            .map(drop)
    }

    /// Compares the rules with those of [`MasqueradeConfig::add`].
    pub fn check(self, id: &AttachmentId, result: &CniResult) -> Result<(), MasqueradeError> {
        Masquerade::of(id).check(self.backend, &addresses(result))
    }

    /// Finds out whether rules could be made now.
    pub fn status(self) -> Result<(), MasqueradeError> {
        super::status(self.backend)
    }
}

fn addresses(result: &CniResult) -> Vec<IpNetwork> {
    result.ips.iter().map(|ip| ip.address.network()).collect()
}
