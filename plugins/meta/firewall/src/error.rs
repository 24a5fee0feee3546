//! Errors of `firewall`.

use std::fmt::Display;

use cni_types::Error;

use ferrule_net::NetError;

use crate::dbus::DbusError;

impl From<DbusError> for NetError {
    fn from(error: DbusError) -> Self {
        Self::Other(Error::internal(error))
    }
}

/// What CHECK reports of an object that is missing, changed, or in the wrong place.
pub(crate) fn mismatch(what: &str, place: impl Display, rule: impl Display) -> NetError {
    NetError::Mismatch(format!("{what} in {place}: {rule}"))
}
