//! DHCP messages as they are on the wire (RFC 2131, RFC 2132), read and written apart from the
//! plugin's own code.

use std::net::Ipv4Addr;

use ferrule_testkit::Frame;

/// Message types of option 53.
pub const DISCOVER: u8 = 1;
/// See [`DISCOVER`].
pub const OFFER: u8 = 2;
/// See [`DISCOVER`].
pub const REQUEST: u8 = 3;
/// See [`DISCOVER`].
pub const DECLINE: u8 = 4;
/// See [`DISCOVER`].
pub const ACK: u8 = 5;
/// See [`DISCOVER`].
pub const NAK: u8 = 6;
/// See [`DISCOVER`].
pub const RELEASE: u8 = 7;

const COOKIE: [u8; 4] = [99, 130, 83, 99];
/// Offset of the options in a message.
const OPTIONS: usize = 240;
const SERVER_PORT: u16 = 67;
const CLIENT_PORT: u16 = 68;

/// A message, with the addresses of the packet that carried it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Hardware address the frame was sent to.
    pub destination_mac: String,
    /// Address the packet was sent from.
    pub source: Ipv4Addr,
    /// Address the packet was sent to.
    pub destination: Ipv4Addr,
    /// 1 from a client, 2 from a server.
    pub op: u8,
    /// The transaction.
    pub xid: u32,
    /// Seconds since the client began.
    pub secs: u16,
    /// Whether the client asks for answers by broadcast.
    pub broadcast: bool,
    /// The client's address, once it has one.
    pub ciaddr: Ipv4Addr,
    /// The address given to the client.
    pub yiaddr: Ipv4Addr,
    /// The client's hardware address.
    pub chaddr: [u8; 6],
    /// Length of the message.
    pub length: usize,
    /// The options in their order, without padding and end.
    pub options: Vec<(u8, Vec<u8>)>,
}

impl Message {
    /// The DHCP message in a frame, if there is a whole one.
    pub fn of(frame: &Frame) -> Option<Self> {
        let bytes = frame.bytes.as_slice();
        if frame.ethertype() != 0x0800 || *bytes.get(23)? != 17 {
            return None;
        }
        let packet = bytes.get(14..)?;
        let header = usize::from(packet.first()? & 0xf) * 4;
        let udp = packet.get(header..)?;
        let ports = [number(udp.get(0..2)?), number(udp.get(2..4)?)];
        if !ports.contains(&SERVER_PORT) && !ports.contains(&CLIENT_PORT) {
            return None;
        }
        let length = usize::from(number(udp.get(4..6)?));
        let message = udp.get(8..length)?;
        if message.get(236..OPTIONS)? != COOKIE {
            return None;
        }
        Some(Self {
            destination_mac: frame.destination(),
            source: address(packet.get(12..16)?),
            destination: address(packet.get(16..20)?),
            op: *message.first()?,
            xid: u32::from_be_bytes(message.get(4..8)?.try_into().ok()?),
            secs: number(message.get(8..10)?),
            broadcast: message.get(10)? & 0x80 != 0,
            ciaddr: address(message.get(12..16)?),
            yiaddr: address(message.get(16..20)?),
            chaddr: message.get(28..34)?.try_into().ok()?,
            length: message.len(),
            options: options(message.get(OPTIONS..)?)?,
        })
    }

    /// Its type, 0 where it has none.
    pub fn kind(&self) -> u8 {
        self.option(53)
            .and_then(|bytes| bytes.first().copied())
            .unwrap_or(0)
    }

    /// The bytes of an option.
    pub fn option(&self, code: u8) -> Option<&[u8]> {
        let mut options = self.options.iter();
        let (_, bytes) = options.find(|(known, _)| *known == code)?;
        Some(bytes)
    }

    /// Codes of the options, in their order.
    pub fn codes(&self) -> Vec<u8> {
        self.options.iter().map(|(code, _)| *code).collect()
    }

    /// The address it asks for: the requested one, or the one it has.
    pub fn asked(&self) -> Ipv4Addr {
        self.option(50).map_or(self.ciaddr, address)
    }
}

/// A message of a server.
#[derive(Debug, Clone)]
pub struct Reply {
    /// 2; a client drops anything else.
    pub op: u8,
    /// The transaction of the client's message.
    pub xid: u32,
    /// The hardware address of the client.
    pub chaddr: [u8; 6],
    /// The address given to the client.
    pub yiaddr: Ipv4Addr,
    /// Bytes from the start of the options on; [`Reply::option`] appends to them.
    pub options: Vec<u8>,
}

impl Reply {
    /// A message of this type to who sent `message`, from the server of this address.
    pub fn to(message: &Message, kind: u8, server: Ipv4Addr) -> Self {
        Self {
            op: 2,
            xid: message.xid,
            chaddr: message.chaddr,
            yiaddr: Ipv4Addr::UNSPECIFIED,
            options: Vec::new(),
        }
        .option(53, &[kind])
        .option(54, &server.octets())
    }

    /// The same for this address, in a /24.
    #[must_use]
    pub fn giving(mut self, address: Ipv4Addr) -> Self {
        self.yiaddr = address;
        self.option(1, &[255, 255, 255, 0])
    }

    /// The same for this many seconds.
    #[must_use]
    pub fn lasting(self, seconds: u32) -> Self {
        self.option(51, &seconds.to_be_bytes())
    }

    /// The same with an option, of at most 255 bytes.
    #[must_use]
    pub fn option(self, code: u8, bytes: &[u8]) -> Self {
        let length = u8::try_from(bytes.len()).expect("an option has at most 255 bytes");
        self.bytes(&[code, length]).bytes(bytes)
    }

    /// The same with these bytes where the next option goes.
    #[must_use]
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.options.extend_from_slice(bytes);
        self
    }

    /// The message with the end of the options.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.encode_without_end();
        bytes.push(255);
        bytes.resize(bytes.len().max(300), 0);
        bytes
    }

    /// The message as far as it was written.
    pub fn encode_without_end(&self) -> Vec<u8> {
        let mut bytes = vec![self.op, 1, 6, 0];
        bytes.extend(self.xid.to_be_bytes());
        bytes.extend([0; 8]);
        bytes.extend(self.yiaddr.octets());
        bytes.extend([0; 8]);
        bytes.extend(self.chaddr);
        bytes.resize(236, 0);
        bytes.extend(COOKIE);
        bytes.extend_from_slice(&self.options);
        bytes
    }
}

/// A frame with a packet from a server to everybody.
pub fn broadcast_frame(mac: [u8; 6], server: Ipv4Addr, message: &[u8]) -> Vec<u8> {
    let size = |length: usize| {
        u16::try_from(length)
            .expect("a packet fits a frame")
            .to_be_bytes()
    };
    let mut header = vec![0x45, 0];
    header.extend(size(28 + message.len()));
    header.extend([0, 0, 0, 0, 64, 17, 0, 0]);
    header.extend(server.octets());
    header.extend([255; 4]);
    let sum = checksum(&header).to_be_bytes();
    header[10..12].copy_from_slice(&sum);
    let mut frame = vec![255; 6];
    frame.extend(mac);
    frame.extend([8, 0]);
    frame.extend(header);
    frame.extend(SERVER_PORT.to_be_bytes());
    frame.extend(CLIENT_PORT.to_be_bytes());
    frame.extend(size(8 + message.len()));
    frame.extend([0, 0]); // no checksum, which IPv4 allows
    frame.extend(message);
    frame
}

fn checksum(bytes: &[u8]) -> u16 {
    let sum: u32 = bytes.chunks(2).map(|pair| u32::from(number(pair))).sum();
    !u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap_or(0)
}

fn options(mut bytes: &[u8]) -> Option<Vec<(u8, Vec<u8>)>> {
    let mut options = Vec::new();
    loop {
        match *bytes.first()? {
            0 => bytes = bytes.get(1..)?,
            255 => return Some(options),
            code => {
                let length = usize::from(*bytes.get(1)?);
                options.push((code, bytes.get(2..2 + length)?.to_vec()));
                bytes = bytes.get(2 + length..)?;
            }
        }
    }
}

fn number(bytes: &[u8]) -> u16 {
    bytes
        .iter()
        .fold(0, |number, byte| number << 8 | u16::from(*byte))
}

fn address(bytes: &[u8]) -> Ipv4Addr {
    let bytes: [u8; 4] = bytes.try_into().unwrap_or_default();
    Ipv4Addr::from(bytes)
}
