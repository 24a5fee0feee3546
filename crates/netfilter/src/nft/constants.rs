//! The numbers of messages and their attributes (`linux/netfilter/nf_tables.h`).

use crate::nfnetlink::kind;

/// `NFNL_SUBSYS_NFTABLES`.
const SUBSYSTEM: u8 = 10;

/// The type of a message, from its number (`NFT_MSG_*`) as the C library has it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked"
)]
pub(super) const fn message(number: i32) -> u16 {
    assert!(number >= 0 && number <= 0xff);
    kind(SUBSYSTEM, number as u8)
}

/// `NFNL_MSG_BATCH_BEGIN`, `NFNL_MSG_BATCH_END`, and the resource id of their header: the
/// subsystem.
pub(super) const BATCH_BEGIN: u16 = 0x10;
pub(super) const BATCH_END: u16 = 0x11;
pub(super) const BATCH_RESOURCE: u16 = SUBSYSTEM as u16;

/// `NFTA_GEN_ID`.
pub(super) const GENERATION: u16 = 1;

pub(super) mod table {
    pub(in crate::nft) const NAME: u16 = 1;
    pub(in crate::nft) const FLAGS: u16 = 2;
    pub(in crate::nft) const USER_DATA: u16 = 6;
}

pub(super) mod chain {
    pub(in crate::nft) const TABLE: u16 = 1;
    pub(in crate::nft) const NAME: u16 = 3;
    pub(in crate::nft) const HOOK: u16 = 4;
    pub(in crate::nft) const TYPE: u16 = 7;
    pub(in crate::nft) const USER_DATA: u16 = 12;
    /// Inside `HOOK`.
    pub(in crate::nft) const HOOK_NUMBER: u16 = 1;
    pub(in crate::nft) const HOOK_PRIORITY: u16 = 2;
}

pub(super) mod rule {
    pub(in crate::nft) const TABLE: u16 = 1;
    pub(in crate::nft) const CHAIN: u16 = 2;
    pub(in crate::nft) const HANDLE: u16 = 3;
    pub(in crate::nft) const EXPRESSIONS: u16 = 4;
    pub(in crate::nft) const POSITION: u16 = 6;
    pub(in crate::nft) const USER_DATA: u16 = 7;
}

pub(super) mod set {
    pub(in crate::nft) const TABLE: u16 = 1;
    pub(in crate::nft) const NAME: u16 = 2;
}

pub(super) mod element {
    pub(in crate::nft) const TABLE: u16 = 1;
    pub(in crate::nft) const SET: u16 = 2;
    pub(in crate::nft) const ELEMENTS: u16 = 3;
    pub(in crate::nft) const SET_ID: u16 = 4;
}
