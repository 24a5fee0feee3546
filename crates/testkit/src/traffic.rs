//! Traffic: ping, and TCP and UDP exchanges.

use std::fmt::Display;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::namespace::Namespace;

/// Deadline of an exchange.
const TIMEOUT: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(5);
const GREETING: &[u8] = b"ferrule";

impl Namespace {
    /// Whether an address (IPv4 or IPv6, with `%link` if need be) answers a ping within two seconds.
    pub fn ping(&self, address: impl Display) -> bool {
        self.answers(&format!("ping {address}"))
    }

    /// As [`Namespace::ping`], over IPv6 only.
    pub fn ping6(&self, address: impl Display) -> bool {
        self.answers(&format!("ping -6 {address}"))
    }

    /// Waits for one reply to echo requests every 0.2 seconds, as the first packet may be lost during
    /// neighbour discovery.
    fn answers(&self, command: &str) -> bool {
        self.exec(format!("{command} -n -q -c 1 -i 0.2 -w 2"))
            .status
            .success()
    }

    /// Listens for TCP on `address:port` (`[address]:port`); port 0 chooses a free one.
    ///
    /// # Panics
    /// If the address cannot be bound.
    #[track_caller]
    pub fn listen_tcp(&self, address: &str) -> TcpServer {
        let opened = self.inside(|| TcpListener::bind(address));
        TcpServer(opened.unwrap_or_else(|error| panic!("listen for TCP on {address}: {error}")))
    }

    /// Receives UDP on `address:port` (`[address]:port`); port 0 chooses a free one.
    ///
    /// # Panics
    /// If the address cannot be bound.
    #[track_caller]
    pub fn listen_udp(&self, address: &str) -> UdpServer {
        let opened = self.inside(|| UdpSocket::bind(address));
        UdpServer(opened.unwrap_or_else(|error| panic!("receive UDP on {address}: {error}")))
    }
}

/// Runs `ask` in `client` and `answer` at the same time, and returns the address of the client as
/// `answer` saw it, or the error of `ask`. Then the flag stops `answer` from waiting.
fn exchange(
    client: &Namespace,
    destination: impl Display,
    ask: impl FnOnce(&str) -> io::Result<()> + Send,
    answer: impl FnOnce(&AtomicBool) -> io::Result<SocketAddr> + Send,
) -> io::Result<SocketAddr> {
    let destination = destination.to_string();
    let given_up = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let server = scope.spawn(|| answer(&given_up));
        let asked = client.inside(|| ask(&destination));
        given_up.store(asked.is_err(), Ordering::Relaxed);
        let answered = server.join().expect("the answering thread does not panic");
        asked.and(answered)
    })
}

/// A listening TCP socket in some namespace.
#[derive(Debug)]
pub struct TcpServer(TcpListener);

impl TcpServer {
    /// The address and port that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.0.local_addr().expect("a bound socket has an address")
    }

    /// Connects from `client` to `destination` and sends data both ways. Returns the client's address
    /// as the server sees it, after address translation.
    ///
    /// # Errors
    /// If there is no connection within two seconds, or it is refused.
    pub fn reached_from(
        &self,
        client: &Namespace,
        destination: impl Display,
    ) -> io::Result<SocketAddr> {
        exchange(client, destination, dial, |given_up| {
            self.answer_one(given_up)
        })
    }

    fn answer_one(&self, given_up: &AtomicBool) -> io::Result<SocketAddr> {
        self.0.set_nonblocking(true)?;
        let deadline = Instant::now() + TIMEOUT;
        let (mut stream, peer) = loop {
            match self.0.accept() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if given_up.load(Ordering::Relaxed) || Instant::now() > deadline {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                    std::thread::sleep(PAUSE);
                }
                accepted => break accepted?,
            }
        };
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        let mut text = [0; GREETING.len()];
        stream.read_exact(&mut text)?;
        stream.write_all(&text)?;
        Ok(peer)
    }
}

fn dial(destination: &str) -> io::Result<()> {
    let address = destination
        .to_socket_addrs()?
        .next()
        .ok_or(io::ErrorKind::AddrNotAvailable)?;
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.write_all(GREETING)?;
    let mut text = [0; GREETING.len()];
    stream.read_exact(&mut text)?;
    if text == GREETING {
        Ok(())
    } else {
        Err(io::ErrorKind::InvalidData.into())
    }
}

/// A receiving UDP socket in some namespace.
#[derive(Debug)]
pub struct UdpServer(UdpSocket);

impl UdpServer {
    /// The address and port that it receives on.
    pub fn address(&self) -> SocketAddr {
        self.0.local_addr().expect("a bound socket has an address")
    }

    /// Sends a datagram from `client` to `destination` and one back. Returns the client's address as
    /// the server sees it, after address translation.
    ///
    /// # Errors
    /// If no reply arrives within two seconds, or the destination refuses.
    pub fn reached_from(
        &self,
        client: &Namespace,
        destination: impl Display,
    ) -> io::Result<SocketAddr> {
        exchange(client, destination, ask, |_| self.answer_one())
    }

    fn answer_one(&self) -> io::Result<SocketAddr> {
        self.0.set_read_timeout(Some(TIMEOUT))?;
        let mut text = [0; GREETING.len()];
        let (length, peer) = self.0.recv_from(&mut text)?;
        self.0
            .send_to(text.get(..length).unwrap_or_default(), peer)?;
        Ok(peer)
    }
}

fn ask(destination: &str) -> io::Result<()> {
    let any = if destination.starts_with('[') {
        "[::]:0"
    } else {
        "0.0.0.0:0"
    };
    let socket = UdpSocket::bind(any)?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    // Connected, so that only a reply from the destination is received.
    socket.connect(destination)?;
    socket.send(GREETING)?;
    let mut text = [0; GREETING.len()];
    let length = socket.recv(&mut text)?;
    if text.get(..length) == Some(GREETING) {
        Ok(())
    } else {
        Err(io::ErrorKind::InvalidData.into())
    }
}
