//! System calls without a safe wrapper elsewhere: the only unsafe code of the crate.

#![expect(unsafe_code, reason = "the fenced-off place for it")]

use std::os::fd::{AsRawFd as _, BorrowedFd};

use nix::errno::Errno;
use nix::libc;

/// `struct ifreq` as the tun driver reads it: a name, flags, and room it does not look at.
#[repr(C)]
struct InterfaceRequest {
    name: [u8; libc::IFNAMSIZ],
    flags: u16,
    rest: [u8; 22],
}

const _: () = assert!(size_of::<InterfaceRequest>() >= size_of::<libc::ifreq>());

/// Makes an open `/dev/net/tun` an end of the link of this name (`TUNSETIFF`), creating the link in
/// the calling thread's namespace when it is not there. `ENAMETOOLONG` for more than 15 bytes.
pub(crate) fn tun_set_interface(
    device: BorrowedFd<'_>,
    name: &str,
    flags: u16,
) -> Result<(), Errno> {
    let mut request = InterfaceRequest {
        name: [0; libc::IFNAMSIZ],
        flags,
        rest: [0; 22],
    };
    // The last byte stays zero.
    if name.len() >= request.name.len() {
        return Err(Errno::ENAMETOOLONG);
    }
    for (target, byte) in request.name.iter_mut().zip(name.bytes()) {
        *target = byte;
    }
    // SAFETY: the descriptor is open for the time of the borrow; `request` is a whole, initialised
    // structure at least as large as the kernel's, which the kernel reads and writes during the call.
    let status = unsafe { libc::ioctl(device.as_raw_fd(), libc::TUNSETIFF, &raw mut request) };
    Errno::result(status).map(drop)
}

/// Settings of a tun or tap link that its open end makes by a plain number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TunNumber {
    /// Who may attach to it: a user id.
    Owner,
    /// Which group may attach to it: a group id.
    Group,
    /// Whether it stays when nobody is attached: 0 or 1.
    Persist,
}

/// Makes one setting of the link that `device` is an end of.
pub(crate) fn tun_set_number(
    device: BorrowedFd<'_>,
    setting: TunNumber,
    value: u32,
) -> Result<(), Errno> {
    let operation = match setting {
        TunNumber::Owner => libc::TUNSETOWNER,
        TunNumber::Group => libc::TUNSETGROUP,
        TunNumber::Persist => libc::TUNSETPERSIST,
    };
    let argument = usize::try_from(value).map_err(|_| Errno::EINVAL)?;
    // SAFETY: the descriptor is open for the time of the borrow; these operations take a number as
    // their argument and touch no memory of this process.
    let status = unsafe { libc::ioctl(device.as_raw_fd(), operation, argument) };
    Errno::result(status).map(drop)
}
