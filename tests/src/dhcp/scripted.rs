//! A server that answers as a test says, also wrongly.

use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use ferrule_testkit::Container;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, bind, send, socket,
};

use crate::dhcp::Segment;
use crate::dhcp::message::{ACK, DISCOVER, Message, OFFER, REQUEST, Reply, broadcast_frame};

const PAUSE: Duration = Duration::from_millis(20);

/// The address of a scripted server.
pub const SCRIPTED: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);

/// What a server does with a message: frames to send, put together with [`Wire::frame`].
type Script = dyn FnMut(&Message, &Wire) -> Vec<Vec<u8>> + Send;

/// The server's end of the segment.
#[derive(Debug)]
pub struct Wire {
    socket: OwnedFd,
    mac: [u8; 6],
}

impl Wire {
    /// The frame that carries a message of the server to everybody.
    pub fn frame(&self, message: &[u8]) -> Vec<u8> {
        broadcast_frame(self.mac, SCRIPTED, message)
    }

    /// Sends a frame.
    ///
    /// # Panics
    /// When it is too long for the link.
    pub fn send(&self, frame: &[u8]) {
        send(self.socket.as_raw_fd(), frame, MsgFlags::empty()).expect("send a frame");
    }
}

/// A running scripted server at `10.9.0.1`; it ends with this value.
pub struct ScriptedServer {
    /// Its namespace.
    pub machine: Container,
    /// What it sends on, for frames that nobody asked for.
    pub wire: Arc<Wire>,
    heard: Arc<Mutex<Vec<Message>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl ScriptedServer {
    /// Starts it.
    pub fn start(
        segment: &Segment,
        script: impl FnMut(&Message, &Wire) -> Vec<Vec<u8>> + Send + 'static,
    ) -> Self {
        let machine = segment.machine("scripted", &["10.9.0.1/24"]);
        let capture = machine.capture();
        let wire = Arc::new(machine.inside(open));
        let heard = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = {
            let (wire, heard, stop) = (wire.clone(), heard.clone(), stop.clone());
            let mut script: Box<Script> = Box::new(script);
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let frame = capture.wait_for(PAUSE, |frame| !frame.outgoing);
                    let Some(message) = frame.as_ref().and_then(Message::of) else {
                        continue;
                    };
                    if message.op != 1 {
                        continue;
                    }
                    let frames = script(&message, &wire);
                    heard.lock().expect("no panic under the lock").push(message);
                    for frame in frames {
                        wire.send(&frame);
                    }
                }
            })
        };
        let thread = Some(thread);
        Self {
            machine,
            wire,
            heard,
            stop,
            thread,
        }
    }

    /// The messages of clients so far.
    ///
    /// # Panics
    /// When the script has panicked.
    pub fn heard(&self) -> MutexGuard<'_, Vec<Message>> {
        self.heard.lock().expect("the script does not panic")
    }

    /// How many messages of a type it heard.
    pub fn count(&self, kind: u8) -> usize {
        self.heard()
            .iter()
            .filter(|message| message.kind() == kind)
            .count()
    }
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(
                ended.is_ok() || std::thread::panicking(),
                "the script panicked"
            );
        }
    }
}

/// The answer of a good server that gives this address for this many seconds, before its end.
pub fn good_answer(message: &Message, address: Ipv4Addr, seconds: u32) -> Option<Reply> {
    let kind = match message.kind() {
        DISCOVER => OFFER,
        REQUEST => ACK,
        _ => return None,
    };
    Some(
        Reply::to(message, kind, SCRIPTED)
            .giving(address)
            .lasting(seconds),
    )
}

fn open() -> Wire {
    let socket = socket(
        AddressFamily::Packet,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::EthAll,
    );
    let socket = socket.expect("open a packet socket as root");
    let link = link_address();
    bind(socket.as_raw_fd(), &link).expect("bind a packet socket to a link");
    let mac = link.addr().expect("eth0 has a hardware address");
    Wire { socket, mac }
}

/// The address of `eth0` in the thread's namespace.
fn link_address() -> LinkAddr {
    let mut all = getifaddrs().expect("list interfaces");
    let link = all.find_map(|entry| {
        let named = entry.interface_name == "eth0";
        entry.address.filter(|_| named)?.as_link_addr().copied()
    });
    link.expect("eth0 exists")
}
