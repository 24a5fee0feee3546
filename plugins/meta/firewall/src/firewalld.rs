//! Letting packets through by firewalld: containers' addresses become sources of a zone whose
//! sources may send anything anywhere.

use std::net::IpAddr;
use std::time::Duration;

use crate::bus::{Bus, BusError, Call, Reply};
use crate::error::FirewallError;

/// firewalld's name on the bus, its object, and the interface of its zones.
const NAME: &str = "org.fedoraproject.FirewallD1";
const PATH: &str = "/org/fedoraproject/FirewallD1";
const ZONES: &str = "org.fedoraproject.FirewallD1.zone";

/// What firewalld's errors begin with. The Go plugin takes the first for success, too.
const ALREADY_THERE: &str = "ZONE_ALREADY_SET";
const NOT_THERE: [&str; 3] = ["UNKNOWN_SOURCE", "INVALID_ZONE", "ZONE_CONFLICT"];

/// Asks firewalld about the sources of its zones.
pub(crate) trait Zones {
    /// Calls a method with zone and source.
    fn call(&mut self, method: &str, zone: &str, source: &str) -> Result<Reply, BusError>;
}

/// A connection to firewalld.
#[derive(Debug)]
pub(crate) struct Firewalld(Bus);

impl Firewalld {
    /// Connects to firewalld, which is started if the bus knows how.
    pub(crate) fn connect(patience: Duration) -> Result<Self, BusError> {
        Ok(Self(Bus::system(patience)?))
    }

    /// Connects to firewalld if it runs. A bus that does not answer tells nothing about it.
    pub(crate) fn connect_if_running(patience: Duration) -> Result<Option<Self>, BusError> {
        let connect = || {
            let mut bus = Bus::system(patience)?;
            Ok(bus.has_owner(NAME)?.then_some(Self(bus)))
        };
        match connect() {
            Err(error) if !BusError::is_timeout(&error) => Ok(None),
            outcome => outcome,
        }
    }

    /// Fails if firewalld does not run, or does not know the zone.
    /// That it takes long to answer, with much to do, speaks against neither.
    pub(crate) fn probe(mut self, zone: &str) -> Result<(), FirewallError> {
        let bus = &mut self.0;
        if !bus.has_owner(NAME)? {
            return Err(FirewallError::NotRunning);
        }
        // Whether an address that nobody has (RFC 5737) is a source of it tells if it is there.
        match self.call("querySource", zone, "192.0.2.1/32") {
            Err(error) if error.is_timeout() => Ok(()),
            outcome => Ok(outcome.map(drop)?),
        }
    }
}

impl Zones for Firewalld {
    fn call(&mut self, method: &str, zone: &str, source: &str) -> Result<Reply, BusError> {
        self.0.call(&Call {
            destination: NAME,
            path: PATH,
            interface: ZONES,
            method,
            arguments: &[zone, source],
        })
    }
}

/// Makes addresses sources of a zone.
pub(crate) fn add(
    zones: &mut impl Zones,
    zone: &str,
    addresses: &[IpAddr],
) -> Result<(), FirewallError> {
    for address in addresses {
        let address = source(*address);
        match zones.call("addSource", zone, &address) {
            Err(error) if says(&error, ALREADY_THERE) => {}
            Err(source) => {
                let zone = zone.to_owned();
                return Err(FirewallError::Source {
                    address,
                    zone,
                    source,
                });
            }
            Ok(_) => {}
        }
    }
    Ok(())
}

/// Takes addresses out of a zone; that they are not in it is no error.
pub(crate) fn remove(
    zones: &mut impl Zones,
    zone: &str,
    addresses: &[IpAddr],
) -> Result<(), FirewallError> {
    for address in addresses {
        match zones.call("removeSource", zone, &source(*address)) {
            Err(error) if NOT_THERE.iter().any(|text| says(&error, text)) => {}
            outcome => _ = outcome?,
        }
    }
    Ok(())
}

/// The first address that is no source of the zone is an error.
pub(crate) fn check(
    zones: &mut impl Zones,
    zone: &str,
    addresses: &[IpAddr],
) -> Result<(), FirewallError> {
    for address in addresses {
        let source = source(*address);
        if zones.call("querySource", zone, &source)? != Reply::Flag(true) {
            return Err(FirewallError::Mismatch {
                what: "source not found",
                place: format!("zone {zone} of firewalld"),
                rule: source,
            });
        }
    }
    Ok(())
}

fn source(address: IpAddr) -> String {
    let prefix = if address.is_ipv4() { 32 } else { 128 };
    format!("{address}/{prefix}")
}

fn says(error: &BusError, text: &str) -> bool {
    error.answer().is_some_and(|answer| answer.contains(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers every call alike and remembers it.
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
        fn call(&mut self, method: &str, zone: &str, source: &str) -> Result<Reply, BusError> {
            self.calls.push(format!("{method} {zone} {source}"));
            self.answer.clone().map_err(|text| BusError::Answer {
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
