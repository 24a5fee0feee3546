//! The firewalld back end: the addresses become sources of a zone that accepts all packets.

use std::net::IpAddr;
use std::time::Duration;

use cni_types::Error;

use ferrule_net::NetError;

use crate::dbus::{Call, Connection, DbusError, Reply, of_system_bus};
use crate::error::mismatch;

/// firewalld's name on the bus, its object, and the interface of its zones.
const NAME: &str = "org.fedoraproject.FirewallD1";
const PATH: &str = "/org/fedoraproject/FirewallD1";
const ZONES: &str = "org.fedoraproject.FirewallD1.zone";

/// The beginnings of firewalld's errors. The Go plugin also treats the first as success.
const ALREADY_THERE: &str = "ZONE_ALREADY_SET";
const NOT_THERE: [&str; 3] = ["UNKNOWN_SOURCE", "INVALID_ZONE", "ZONE_CONFLICT"];

/// The interface of firewalld's zones.
pub(crate) trait Zones {
    /// Calls a method with zone and source.
    fn call(&mut self, method: &str, zone: &str, source: &str) -> Result<Reply, DbusError>;
}

/// A connection to firewalld.
#[derive(Debug)]
pub(crate) struct Firewalld(Connection);

impl Firewalld {
    /// Connects to firewalld. The bus starts it if it is configured to.
    pub(crate) fn connect(timeout: Duration) -> Result<Self, DbusError> {
        Ok(Self(Connection::open(&of_system_bus(), timeout)?))
    }

    /// Connects to firewalld if it runs. It is an error if the bus does not answer in time: firewalld
    /// may run then.
    pub(crate) fn connect_if_running(timeout: Duration) -> Result<Option<Self>, DbusError> {
        Self::connect_if_running_at(&of_system_bus(), timeout)
    }

    fn connect_if_running_at(address: &str, timeout: Duration) -> Result<Option<Self>, DbusError> {
        let connect = || {
            let mut bus = Connection::open(address, timeout)?;
            Ok(bus.has_owner(NAME)?.then_some(Self(bus)))
        };
        match connect() {
            Err(error) if !DbusError::is_timeout(&error) => Ok(None),
            outcome => outcome,
        }
    }

    /// Fails if firewalld does not run, or does not know the zone. A late answer is no failure:
    /// firewalld may be busy.
    pub(crate) fn probe(mut self, zone: &str) -> Result<(), NetError> {
        let bus = &mut self.0;
        if !bus.has_owner(NAME)? {
            let msg = format!("firewalld is not running: nobody has the bus name {NAME}");
            let hint = "start firewalld, or set the key backend to another one";
            return Err(Error::internal(msg).details(hint).into());
        }
        // The question about an unused address (RFC 5737) fails if there is no such zone.
        match self.call("querySource", zone, "192.0.2.1/32") {
            Err(error) if error.is_timeout() => Ok(()),
            outcome => Ok(outcome.map(drop)?),
        }
    }
}

impl Zones for Firewalld {
    fn call(&mut self, method: &str, zone: &str, source: &str) -> Result<Reply, DbusError> {
        self.0.call(&Call {
            destination: NAME,
            path: PATH,
            interface: ZONES,
            method,
            arguments: &[zone, source],
        })
    }
}

/// Adds addresses to the sources of a zone.
pub(crate) fn add(
    zones: &mut impl Zones,
    zone: &str,
    addresses: &[IpAddr],
) -> Result<(), NetError> {
    for address in addresses {
        let address = source(*address);
        match zones.call("addSource", zone, &address) {
            Err(error) if says(&error, ALREADY_THERE) => {}
            Err(error) => return Err(refused(&address, zone, &error)),
            Ok(_) => {}
        }
    }
    Ok(())
}

fn refused(address: &str, zone: &str, error: &DbusError) -> NetError {
    let refused = Error::internal(format_args!(
        "failed to add the address {address} to {zone} zone: {error}"
    ));
    let hint = if says(error, "ZONE_CONFLICT") {
        "the address is bound to another zone of firewalld: remove it there"
    } else {
        ""
    };
    refused.details(hint).into()
}

/// Removes addresses from the sources of a zone, as far as they are there.
pub(crate) fn remove(
    zones: &mut impl Zones,
    zone: &str,
    addresses: &[IpAddr],
) -> Result<(), NetError> {
    for address in addresses {
        match zones.call("removeSource", zone, &source(*address)) {
            Err(error) if NOT_THERE.iter().any(|text| says(&error, text)) => {}
            outcome => _ = outcome?,
        }
    }
    Ok(())
}

/// Fails for the first address that is no source of the zone.
pub(crate) fn check(
    zones: &mut impl Zones,
    zone: &str,
    addresses: &[IpAddr],
) -> Result<(), NetError> {
    for address in addresses {
        let source = source(*address);
        if zones.call("querySource", zone, &source)? != Reply::Flag(true) {
            let place = format!("zone {zone} of firewalld");
            return Err(mismatch("source not found", place, source));
        }
    }
    Ok(())
}

fn source(address: IpAddr) -> String {
    let prefix = if address.is_ipv4() { 32 } else { 128 };
    format!("{address}/{prefix}")
}

fn says(error: &DbusError, text: &str) -> bool {
    error.answer().is_some_and(|answer| answer.contains(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers every call alike and records it.
    struct Fake {
        answer: Result<Reply, &'static str>,
        calls: Vec<String>,
    }

    impl Fake {
        fn new(answer: Result<Reply, &'static str>) -> Self {
            let calls = Vec::new();
            Self { answer, calls }
        }
    }

    impl Zones for Fake {
        fn call(&mut self, method: &str, zone: &str, source: &str) -> Result<Reply, DbusError> {
            self.calls.push(format!("{method} {zone} {source}"));
            self.answer.clone().map_err(|text| DbusError::Answer {
                doing: method.into(),
                name: "org.fedoraproject.FirewallD1.Exception".into(),
                text: text.into(),
            })
        }
    }

    fn addresses() -> [IpAddr; 2] {
        ["10.1.2.3".parse().unwrap(), "fd00::3".parse().unwrap()]
    }

    #[test]
    fn addresses_are_sources_one_by_one() {
        let mut fake = Fake::new(Ok(Reply::Text("trusted".into())));
        add(&mut fake, "trusted", &addresses()).unwrap();
        remove(&mut fake, "trusted", &addresses()).unwrap();
        assert_eq!(
            fake.calls,
            [
                "addSource trusted 10.1.2.3/32",
                "addSource trusted fd00::3/128",
                "removeSource trusted 10.1.2.3/32",
                "removeSource trusted fd00::3/128",
            ]
        );
    }

    #[test]
    fn what_is_so_already_is_no_error() {
        let mut fake = Fake::new(Err("ZONE_ALREADY_SET: '10.1.2.3/32' already bound to 'z'"));
        add(&mut fake, "z", &addresses()).unwrap();
        assert!(remove(&mut fake, "z", &addresses()).is_err());
        for text in ["UNKNOWN_SOURCE: x", "INVALID_ZONE: z", "ZONE_CONFLICT: x"] {
            let mut fake = Fake::new(Err(text));
            remove(&mut fake, "z", &addresses()).unwrap();
            let error = add(&mut fake, "z", &addresses()).unwrap_err().to_string();
            assert!(
                error.starts_with("failed to add the address 10.1.2.3/32 to z zone: "),
                "{error}"
            );
        }
    }

    #[test]
    fn a_late_bus_is_an_error_and_a_missing_one_means_that_firewalld_does_not_run() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bus");
        let address = format!("unix:path={}", path.display());
        let running = || Firewalld::connect_if_running_at(&address, Duration::from_millis(50));
        assert!(running().unwrap().is_none());
        // Accepts connections, and never answers.
        let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let error = running().unwrap_err();
        assert!(error.is_timeout(), "{error}");
    }

    #[test]
    fn check_believes_the_answer() {
        for (answer, ok) in [
            (Ok(Reply::Flag(true)), true),
            (Ok(Reply::Flag(false)), false),
            (Ok(Reply::Other), false),
            (Err("INVALID_ZONE: z"), false),
        ] {
            let mut fake = Fake::new(answer);
            assert_eq!(check(&mut fake, "z", &addresses()).is_ok(), ok);
        }
    }
}
