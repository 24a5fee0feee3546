//! Changing nftables by plans: read, decide, commit.

use ferrule_kernel::NetlinkError;
use ferrule_netfilter::nft::{Nft, Transaction};

use crate::error::PortmapError;

/// How often a change is planned anew because somebody else changed the rules in between. The
/// lock of the namespace keeps our own processes apart.
const ATTEMPTS: u32 = 20;

/// Plans and commits until nobody deletes or adds what the plan is about in between.
pub(crate) fn settle<T>(
    nft: &Nft,
    mut plan: impl FnMut(&mut Transaction) -> Result<T, PortmapError>,
) -> Result<T, PortmapError> {
    let mut attempt = || {
        let mut changes = Transaction::new();
        let planned = plan(&mut changes)?;
        nft.commit(&changes)?;
        Ok(planned)
    };
    for _ in 1..ATTEMPTS {
        match attempt() {
            Err(PortmapError::Netlink(error)) if is_overtaken(&error) => {}
            outcome => return outcome,
        }
    }
    attempt()
}

fn is_overtaken(error: &NetlinkError) -> bool {
    error.is_not_found() || error.is_exists()
}
