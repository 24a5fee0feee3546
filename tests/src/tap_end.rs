//! The far end of a tap link: a process that has it open, as a virtual machine has.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use ferrule_testkit::Namespace;
use nix::errno::Errno;
use nix::libc;

/// Size of the buffer, larger than any frame, in bytes.
const BUFFER: usize = 1 << 16;
const PAUSE: Duration = Duration::from_millis(1);

/// A user and a group without privileges.
#[derive(Debug, Clone, Copy)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// An open file of the tap.
#[derive(Debug)]
pub struct TapEnd {
    file: File,
}

/// A machine at the far end that answers ARP requests and pings for one address, until dropped.
#[derive(Debug)]
pub struct Machine {
    over: Arc<AtomicBool>,
    worker: Option<JoinHandle<()>>,
}

impl TapEnd {
    /// Attaches to the tap `name` of a namespace, as this user or as root.
    ///
    /// # Errors
    /// Those of the kernel: `EPERM` for a user that is not the owner, `EINVAL` if only one side has
    /// several queues, `EBUSY` if the only queue is in use.
    ///
    /// # Panics
    /// If `/dev/net/tun` cannot be opened.
    pub fn attach(
        namespace: &Namespace,
        name: &str,
        queues: bool,
        user: Option<User>,
    ) -> Result<Self, Errno> {
        namespace.inside(|| {
            let mut options = OpenOptions::new();
            let options = options
                .read(true)
                .write(true)
                .custom_flags(libc::O_NONBLOCK);
            let file = options
                .open("/dev/net/tun")
                .expect("open /dev/net/tun as root");
            if let Some(user) = user {
                become_user(user)?;
            }
            set_interface(&file, name, queues)?;
            Ok(Self { file })
        })
    }

    /// Starts a thread that answers for a machine with this address.
    ///
    /// # Panics
    /// That thread panics if an answer cannot be sent.
    pub fn serve(self, address: Ipv4Addr) -> Machine {
        let over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&over);
        let mut file = self.file;
        let worker = std::thread::spawn(move || {
            let mut frame = vec![0; BUFFER];
            while !seen.load(Ordering::Relaxed) {
                match file.read(&mut frame) {
                    Ok(length) => {
                        if let Some(answer) = answer(&frame[..length], address) {
                            file.write_all(&answer).expect("write a frame to a tap");
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        std::thread::sleep(PAUSE);
                    }
                    // The link is down or removed.
                    Err(_) => return,
                }
            }
        });
        Machine {
            over,
            worker: Some(worker),
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(worker) = self.worker.take() {
            let _ = worker.join();
        }
    }
}

/// Drops all privileges of the calling thread. The functions of the C library do it for the whole
/// process.
fn become_user(user: User) -> Result<(), Errno> {
    let (uid, gid) = (libc::c_long::from(user.uid), libc::c_long::from(user.gid));
    #[expect(
        unsafe_code,
        reason = "identities of a single thread have no safe wrapper"
    )]
    // SAFETY: these system calls take numbers, and here an empty list, and touch no memory. The
    // thread ends soon after and shares its identity with nothing that relies on it.
    let outcomes = unsafe {
        [
            libc::syscall(libc::SYS_setgroups, 0, std::ptr::null::<libc::gid_t>()),
            libc::syscall(libc::SYS_setresgid, gid, gid, gid),
            libc::syscall(libc::SYS_setresuid, uid, uid, uid),
        ]
    };
    outcomes
        .into_iter()
        .try_for_each(|outcome| Errno::result(outcome).map(drop))
}

/// `TUNSETIFF`: plain frames, without the header for virtual machines.
fn set_interface(file: &File, name: &str, queues: bool) -> Result<(), Errno> {
    let mut request = [0_u8; 40];
    request[..name.len()].copy_from_slice(name.as_bytes());
    let queues = if queues { libc::IFF_MULTI_QUEUE } else { 0 };
    let flags = u16::try_from(libc::IFF_TAP | libc::IFF_NO_PI | queues).expect("16 bits of flags");
    request[16..18].copy_from_slice(&flags.to_ne_bytes());
    #[expect(unsafe_code, reason = "attaching to a tap has no safe wrapper")]
    // SAFETY: the file is open; `request` is as large as the kernel's structure and outlives the
    // call.
    let outcome = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, request.as_mut_ptr()) };
    Errno::result(outcome).map(drop)
}

/// The MAC address of the machine with this address.
fn mac_of(address: Ipv4Addr) -> [u8; 6] {
    let [a, b, c, d] = address.octets();
    [0x02, 0x01, a, b, c, d]
}

/// The answer of the machine with this address to a frame.
fn answer(frame: &[u8], own: Ipv4Addr) -> Option<Vec<u8>> {
    let is_for_own = |at: usize| frame.get(at..at + 4) == Some(&own.octets());
    let mut answer = frame.to_vec();
    answer.get_mut(..6)?.copy_from_slice(frame.get(6..12)?);
    answer.get_mut(6..12)?.copy_from_slice(&mac_of(own));
    match frame.get(12..14)? {
        // An ARP request (RFC 826): the reply swaps sender and target.
        [0x08, 0x06] if frame.get(20..22)? == [0, 1] && is_for_own(38) => {
            answer[21] = 2;
            answer[22..28].copy_from_slice(&mac_of(own));
            answer[28..32].copy_from_slice(&own.octets());
            answer[32..42].copy_from_slice(frame.get(22..32)?);
            Some(answer)
        }
        // An echo request (RFC 792) in a packet without options: the type changes from 8 to 0, and the
        // ICMP checksum accordingly. Swapped addresses do not change the IP checksum.
        [0x08, 0x00] if frame.get(23)? == &1 && frame.get(34)? == &8 && is_for_own(30) => {
            answer[26..30].copy_from_slice(&own.octets());
            answer[30..34].copy_from_slice(frame.get(26..30)?);
            answer[34] = 0;
            let sum = u16::from_be_bytes([frame[36], frame[37]]);
            let (sum, carry) = sum.overflowing_add(0x0800);
            answer[36..38].copy_from_slice(&(sum + u16::from(carry)).to_be_bytes());
            Some(answer)
        }
        _ => None,
    }
}
