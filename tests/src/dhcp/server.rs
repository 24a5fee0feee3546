//! Real DHCP servers, each in a namespace of its own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use ferrule_testkit::{Container, Service};
use nix::sys::signal::Signal;

use crate::dhcp::{Segment, dnsmasq, isc, kea};

/// How long a server may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerKind {
    /// `dnsmasq`; its leases last two minutes at least.
    Dnsmasq,
    /// `dhcpd` of ISC.
    Isc,
    /// `kea-dhcp4` and `kea-dhcp6`.
    Kea,
}

impl ServerKind {
    /// The kind of this name: `dnsmasq`, `dhcpd`, `kea-dhcp4`.
    ///
    /// # Panics
    /// For other names.
    pub fn of(name: &str) -> Self {
        match name {
            "dnsmasq" => Self::Dnsmasq,
            "dhcpd" => Self::Isc,
            "kea-dhcp4" | "kea-dhcp6" => Self::Kea,
            other => panic!("no server {other}"),
        }
    }
}

/// What a server gives.
#[derive(Debug, Clone)]
pub struct Pool {
    /// Addresses are of `10.9.0.0/24`, or of `fd00:9::/64`.
    pub ipv6: bool,
    /// The last number of the server's own address.
    pub server: u8,
    /// The last number of the first address given.
    pub first: u8,
    /// The last number of the last address given.
    pub last: u8,
    /// How long a lease lasts.
    pub seconds: u32,
    /// More lines of the server's own configuration: arguments of dnsmasq, statements of the
    /// subnet of ISC dhcpd, members of the subnet of Kea.
    pub extra: Vec<String>,
}

impl Pool {
    /// Addresses 100 to 199 of `10.9.0.0/24` for this many seconds, from the server at `10.9.0.1`,
    /// which is the router.
    pub fn new(seconds: u32) -> Self {
        Self {
            ipv6: false,
            server: 1,
            first: 100,
            last: 199,
            seconds,
            extra: Vec::new(),
        }
    }

    /// The same addresses of `fd00:9::/64`, written in decimal.
    pub fn v6(seconds: u32) -> Self {
        Self {
            ipv6: true,
            ..Self::new(seconds)
        }
    }

    /// The same with other addresses.
    #[must_use]
    pub fn range(self, first: u8, last: u8) -> Self {
        Self {
            first,
            last,
            ..self
        }
    }

    /// The same from a server at another address.
    #[must_use]
    pub fn from_server(self, server: u8) -> Self {
        Self { server, ..self }
    }

    /// The same with one more line of configuration.
    #[must_use]
    pub fn with(mut self, line: impl Into<String>) -> Self {
        self.extra.push(line.into());
        self
    }

    /// The address with this last number.
    pub fn address(&self, last: u8) -> IpAddr {
        if self.ipv6 {
            // Decimal digits, so that 100 reads `fd00:9::100`.
            let digits = u16::from_str_radix(&last.to_string(), 16).unwrap_or(0);
            Ipv6Addr::new(0xfd00, 9, 0, 0, 0, 0, 0, digits).into()
        } else {
            Ipv4Addr::new(10, 9, 0, last).into()
        }
    }

    /// First and last address of the range, and the server's own.
    pub(crate) fn ends(&self) -> [IpAddr; 3] {
        [self.first, self.last, self.server].map(|last| self.address(last))
    }
}

/// A lease as a server holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerLease {
    /// The address given.
    pub address: IpAddr,
    /// The client: option 61 in hexadecimal digits for IPv4, the DUID for IPv6; empty where the
    /// server's file does not tell.
    pub client: String,
}

/// A running server, or one that was stopped. It is killed when this value is dropped.
#[derive(Debug)]
pub struct Server {
    /// What it gives.
    pub pool: Pool,
    /// Its namespace.
    pub machine: Container,
    kind: ServerKind,
    folder: PathBuf,
    service: Option<Service>,
}

impl Server {
    /// Starts a server in a new namespace `name` on the segment, and waits until it listens.
    pub fn start(segment: &Segment, name: &str, kind: ServerKind, pool: Pool) -> Self {
        let [.., own] = pool.ends();
        let length = if pool.ipv6 { 64 } else { 24 };
        let machine = segment.machine(name, &[&format!("{own}/{length}")]);
        let folder = segment.host.work_folder().join(name);
        std::fs::create_dir(&folder).expect("create the folder of a server");
        let mut server = Self {
            pool,
            machine,
            kind,
            folder,
            service: None,
        };
        server.start_again();
        server
    }

    /// Starts it after [`Server::stop`]; it knows its leases.
    pub fn start_again(&mut self) {
        let words = match self.kind {
            ServerKind::Dnsmasq => dnsmasq::command(&self.folder, &self.pool),
            ServerKind::Isc => isc::command(&self.folder, &self.pool),
            ServerKind::Kea => kea::command(&self.folder, &self.pool),
        };
        let log = self.log_file();
        let starts = self.started();
        let mut service = self.machine.serve(words, &log);
        service.wait_until("listening", PATIENCE, || self.started() > starts);
        self.service = Some(service);
    }

    /// How often it said that it listens.
    fn started(&self) -> usize {
        let mark = match self.kind {
            ServerKind::Dnsmasq => dnsmasq::STARTED,
            ServerKind::Isc => isc::STARTED,
            ServerKind::Kea if self.pool.ipv6 => kea::STARTED_V6,
            ServerKind::Kea => kea::STARTED,
        };
        self.log().matches(mark).count()
    }

    /// Ends it; it keeps its leases.
    pub fn stop(&mut self) {
        if let Some(mut service) = self.service.take() {
            service.signal(Signal::SIGTERM);
            service.wait(PATIENCE);
        }
    }

    /// Ends it and lets it forget every lease.
    pub fn forget(&mut self) {
        self.stop();
        for name in ["leases", "leases.2", "leases~"] {
            let _ = std::fs::remove_file(self.folder.join(name));
        }
    }

    /// Everything it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// The leases it holds, by its file: not those that ended or were released.
    pub fn leases(&self) -> Vec<ServerLease> {
        let text = read(&self.folder.join("leases"));
        let mut leases = match self.kind {
            ServerKind::Dnsmasq => dnsmasq::leases(&text),
            ServerKind::Isc => isc::leases(&text),
            ServerKind::Kea => kea::leases(&text, self.pool.ipv6),
        };
        leases.sort_by_key(|lease| lease.address);
        leases
    }

    /// Whether it holds a lease of this address.
    pub fn holds(&self, address: &str) -> bool {
        let leases = self.leases();
        leases
            .iter()
            .any(|lease| lease.address.to_string() == address)
    }

    /// How many releases of an address it has accepted.
    pub fn releases(&self, address: &str) -> usize {
        let log = self.log();
        let kind = self.kind;
        log.lines()
            .filter(|line| match kind {
                ServerKind::Dnsmasq => {
                    line.contains("DHCPRELEASE")
                        && line.contains(&format!(" {address} "))
                        && !line.contains("unknown lease")
                }
                ServerKind::Isc => {
                    line.contains(&format!("DHCPRELEASE of {address} ")) && line.contains("(found)")
                        || line.contains(&format!("released address {address}"))
                        || line.contains("releases address") && line.contains(address)
                }
                ServerKind::Kea => {
                    (line.contains("DHCP4_RELEASE ") || line.contains("DHCP6_RELEASE_NA "))
                        && line.contains(address)
                }
            })
            .count()
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// Copies a server to this folder: where `AppArmor` confines the packaged one, that may not read the
/// test's files. By a process of its own, so that no other one inherits the open file, which could
/// not be executed then.
pub(crate) fn copy_executable(name: &str, folder: &Path) -> String {
    let copy = folder.join(name);
    let from = Path::new("/usr/sbin").join(name);
    let copied = Command::new("cp").args([&from, &copy]).status();
    assert!(copied.is_ok_and(|status| status.success()), "copy {name}");
    copy.display().to_string()
}
