//! System calls without a safe wrapper elsewhere: the only unsafe code of the crate.

#![expect(unsafe_code, reason = "the fenced-off place for it")]

use std::os::fd::{AsRawFd as _, BorrowedFd, RawFd};

use nix::errno::Errno;
use nix::libc;
use nix::unistd::{ForkResult, Pid, fork};

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

/// One step of a classic BPF program (`struct sock_filter`).
#[derive(Debug, Clone, Copy)]
pub(crate) struct FilterStep(libc::sock_filter);

impl FilterStep {
    /// A step that the next one follows.
    pub(crate) fn plain(code: u32, argument: u32) -> Self {
        Self::jump(code, argument, (0, 0))
    }

    /// A step that skips as many steps as stand for its outcome: true, false.
    pub(crate) fn jump(code: u32, argument: u32, (jt, jf): (u8, u8)) -> Self {
        Self(libc::sock_filter {
            // Codes have eight bits; the C library defines them as wider numbers.
            code: u16::try_from(code).unwrap_or_default(),
            jt,
            jf,
            k: argument,
        })
    }
}

/// Lets the kernel drop what `program` returns 0 for (`SO_ATTACH_FILTER`).
pub(crate) fn packet_filter(socket: BorrowedFd<'_>, program: &[FilterStep]) -> Result<(), Errno> {
    let mut steps: Vec<libc::sock_filter> = program.iter().map(|step| step.0).collect();
    let argument = libc::sock_fprog {
        len: u16::try_from(steps.len()).map_err(|_| Errno::EINVAL)?,
        filter: steps.as_mut_ptr(),
    };
    // SAFETY: the descriptor is open for the time of the borrow; `argument` is a whole structure that
    // points to `len` initialised steps, which the kernel copies during the call.
    let status = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const argument).cast(),
            length_of::<libc::sock_fprog>(),
        )
    };
    Errno::result(status).map(drop)
}

/// Binds a packet socket to IPv4 on the link of this index.
pub(crate) fn packet_bind(socket: BorrowedFd<'_>, index: u32) -> Result<(), Errno> {
    let address = link_address(index)?;
    // SAFETY: the descriptor is open for the time of the borrow; `address` is a whole structure of the
    // length given, which the kernel reads during the call.
    let status = unsafe {
        libc::bind(
            socket.as_raw_fd(),
            (&raw const address).cast(),
            length_of::<libc::sockaddr_ll>(),
        )
    };
    Errno::result(status).map(drop)
}

/// Sends a packet by a packet socket to everybody on the link of this index.
pub(crate) fn packet_send(socket: BorrowedFd<'_>, index: u32, bytes: &[u8]) -> Result<(), Errno> {
    let address = link_address(index)?;
    // SAFETY: the descriptor is open for the time of the borrow; `bytes` and `address` are whole and of
    // the lengths given, and the kernel reads them during the call.
    let sent = unsafe {
        libc::sendto(
            socket.as_raw_fd(),
            bytes.as_ptr().cast(),
            bytes.len(),
            0,
            (&raw const address).cast(),
            length_of::<libc::sockaddr_ll>(),
        )
    };
    Errno::result(sent).map(drop)
}

/// IPv4 to everybody on the link of this index.
fn link_address(index: u32) -> Result<libc::sockaddr_ll, Errno> {
    let protocol = u16::try_from(libc::ETH_P_IP).map_err(|_| Errno::EINVAL)?;
    Ok(libc::sockaddr_ll {
        sll_family: u16::try_from(libc::AF_PACKET).map_err(|_| Errno::EINVAL)?,
        sll_protocol: protocol.to_be(),
        sll_ifindex: i32::try_from(index).map_err(|_| Errno::ENODEV)?,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr: [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0],
    })
}

fn length_of<T>() -> libc::socklen_t {
    // These structures have a few bytes.
    libc::socklen_t::try_from(size_of::<T>()).unwrap_or_default()
}

/// The number of the namespace that a socket is in (`SO_NETNS_COOKIE`).
pub(crate) fn netns_cookie(socket: BorrowedFd<'_>) -> Result<u64, Errno> {
    let mut cookie: u64 = 0;
    let mut length = length_of::<u64>();
    // SAFETY: the descriptor is open for the time of the borrow; the kernel writes at most `length` bytes
    // to a place of that size, which lives until the call returns.
    let status = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut length,
        )
    };
    Errno::result(status).map(|_| cookie)
}

/// How many bytes sent by a socket have not left this host's network stack (`SIOCOUTQ`).
pub(crate) fn unsent_bytes(socket: BorrowedFd<'_>) -> Result<usize, Errno> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the descriptor is open for the time of the borrow; the kernel writes one integer, to a
    // place that lives until the call returns.
    let status = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    Errno::result(status)?;
    Ok(usize::try_from(bytes).unwrap_or_default())
}

/// How many file descriptors a child closes one by one where the kernel cannot close a range
/// (`close_range(2)`, Linux 5.9): far more than a plugin has.
const MOST_DESCRIPTORS: RawFd = 1024;

/// What a child process does with the socket it is left with, before it ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ChildWork<'a> {
    /// Sends a request.
    Send(&'a [u8]),
    /// Keeps it open for so many milliseconds.
    Keep(i32),
}

/// Starts a child process that works on `socket` and ends. It is in a session of its own, in the root
/// folder, and has nothing else open.
pub(crate) fn in_child(socket: BorrowedFd<'_>, work: ChildWork<'_>) -> Result<Pid, Errno> {
    let socket = socket.as_raw_fd();
    // SAFETY: the child makes system calls only and ends without returning: it takes no lock and no
    // memory, which another thread of this process may have held at this moment.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            // SAFETY: these calls take numbers, a constant string that ends with a zero byte, a request
            // with its length, and no list of descriptors. The descriptors that are closed are not
            // used again.
            unsafe {
                libc::setsid();
                libc::chdir(c"/".as_ptr());
                close_all_but(socket);
                match work {
                    ChildWork::Send(request) => {
                        libc::send(socket, request.as_ptr().cast(), request.len(), 0);
                    }
                    ChildWork::Keep(milliseconds) => {
                        libc::poll(std::ptr::null_mut(), 0, milliseconds);
                    }
                }
                libc::_exit(0)
            }
        }
    }
}

/// Closes every descriptor of this process but one.
///
/// # Safety
///
/// Nothing in this process may use another descriptor afterwards.
unsafe fn close_all_but(kept: RawFd) {
    let close = |first: RawFd, last: RawFd| {
        // SAFETY: the caller guarantees that nobody uses the descriptors any more.
        first > last || unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } == 0
    };
    if !(close(0, kept - 1) && close(kept + 1, RawFd::MAX)) {
        for other in (0..MOST_DESCRIPTORS).filter(|other| *other != kept) {
            // SAFETY: as above.
            unsafe { libc::close(other) };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{Read as _, Write as _};
    use std::os::fd::AsFd as _;
    use std::os::unix::net::UnixStream;
    use std::path::Path;

    use nix::sys::wait::{WaitStatus, waitpid};

    use super::*;

    /// A child that cannot send, as its socket is full, stays to be looked at.
    #[test]
    fn a_child_that_sends_holds_its_socket_alone() {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        while ours.write(&[0; 4096]).is_ok() {}
        ours.set_nonblocking(false).unwrap();
        let (mut end, pipe) = std::io::pipe().unwrap();

        let child = in_child(ours.as_fd(), ChildWork::Send(b"request")).unwrap();
        drop((pipe, ours));
        // Blocks until the child has closed its end of the pipe.
        assert_eq!(end.read(&mut [0]).unwrap(), 0);
        let process = Path::new("/proc").join(child.to_string());
        while fs::read_dir(process.join("fd")).unwrap().count() > 1 {
            std::thread::yield_now();
        }
        assert_eq!(fs::read_link(process.join("cwd")).unwrap(), Path::new("/"));
        assert_eq!(nix::unistd::getsid(Some(child)), Ok(child));

        let mut sent = Vec::new();
        theirs.read_to_end(&mut sent).unwrap();
        assert!(sent.ends_with(b"\0request"));
        assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 0)));
    }
}
