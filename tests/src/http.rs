//! Whether a web server answers.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use ferrule_testkit::Namespace;

/// Whether a web server answers there, which may need a moment to start.
///
/// # Panics
/// When `address` is none.
pub fn is_served(namespace: &Namespace, address: &str, port: u16) -> bool {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(10) {
        if answers_http(namespace, address, port) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    false
}

/// Whether a web server answers there now.
///
/// # Panics
/// When `address` is none.
pub fn answers_http(namespace: &Namespace, address: &str, port: u16) -> bool {
    let address: IpAddr = address.parse().expect("an address");
    let answer = namespace.inside(|| {
        let address = SocketAddr::new(address, port);
        let mut server = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
        server.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
        server.write_all(b"GET /none HTTP/1.0\r\n\r\n").ok()?;
        let mut answer = String::new();
        server.read_to_string(&mut answer).ok()?;
        Some(answer)
    });
    answer.is_some_and(|answer| answer.starts_with("HTTP/1."))
}
