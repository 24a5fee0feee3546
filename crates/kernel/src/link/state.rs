//! Whether a link can carry packets.

use std::fmt;

/// Operational state (RFC 2863, `IF_OPER_*` in `linux/if.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperState {
    /// The driver does not tell; usual for `lo`.
    Unknown,
    /// The device has been unplugged.
    NotPresent,
    /// Switched off, or without a carrier.
    Down,
    /// A link below it, or a veth's other end, is down.
    LowerLayerDown,
    /// Under test.
    Testing,
    /// Waiting for something, for example authentication.
    Dormant,
    /// Ready.
    Up,
}

impl From<u8> for OperState {
    fn from(number: u8) -> Self {
        match number {
            1 => Self::NotPresent,
            2 => Self::Down,
            3 => Self::LowerLayerDown,
            4 => Self::Testing,
            5 => Self::Dormant,
            6 => Self::Up,
            _ => Self::Unknown,
        }
    }
}

impl fmt::Display for OperState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "unknown",
            Self::NotPresent => "not-present",
            Self::Down => "down",
            Self::LowerLayerDown => "lower-layer-down",
            Self::Testing => "testing",
            Self::Dormant => "dormant",
            Self::Up => "up",
        })
    }
}
