//! The plugin: each verb is one question to the daemon.

use std::path::{Path, absolute};

use cni_types::{Attachments, CniResult, Code, Error};
use ferrule_plugin::{Call, Plugin, Subcommand, Undo, log, not_available};

use crate::client::{ClientError, Daemon};
use crate::config::Config;
use crate::interface::result;
use crate::lease::{Lease, LeaseKey, Protocol};
use crate::protocol::{Acquire, Query, Reply};
use crate::state::State;
use crate::{daemon, leases};

/// The plugin `dhcp`.
pub struct Dhcp;

impl Plugin for Dhcp {
    type Config = Config;

    const NAME: &'static str = "dhcp";

    const SUBCOMMANDS: &'static [Subcommand] = &[
        Subcommand {
            name: "daemon",
            about: "keep the leases of this node (-help for its flags)",
            run: daemon::run,
        },
        Subcommand {
            name: "leases",
            about: "list the leases that the daemon keeps (--json)",
            run: leases::run,
        },
    ];

    fn add(&self, call: &Call<Config>, undo: &mut Undo) -> Result<CniResult, Error> {
        let request = &call.request;
        let netns = absolute(&request.netns).map_err(|error| {
            Error::new(
                Code::InvalidEnvironment,
                format!("CNI_NETNS {}: {error}", request.netns.display()),
            )
        })?;
        let query = |protocol| {
            Ok(Acquire {
                key: LeaseKey::new(request, protocol),
                netns: netns.clone(),
                client: call.config.client(request, protocol)?,
            })
        };
        // All of the configuration before anything is asked for.
        let queries = call.config.protocols()?.into_iter().map(query);
        let queries = queries.collect::<Result<Vec<Acquire>, Error>>()?;
        let mut leases = Vec::with_capacity(queries.len());
        for query in queries {
            let (socket, key) = (call.config.socket(), query.key.clone());
            match Daemon::at(&socket).ask(Query::Acquire(query))? {
                Reply::Granted { lease, is_new } => {
                    if is_new {
                        undo.push("release the lease", move || release(&socket, &key));
                    }
                    leases.push(lease);
                }
                _ => return Err(unexpected()),
            }
        }
        Ok(result(&leases))
    }

    fn del(&self, call: &Call<Config>) -> Result<(), Error> {
        // Whatever the configuration says by now.
        let keys = Protocol::ALL.map(|protocol| LeaseKey::new(&call.request, protocol));
        release_all(&call.config.socket(), keys)
    }

    fn check(&self, call: &Call<Config>) -> Result<(), Error> {
        let shown = call.required_prev_result()?;
        for protocol in call.config.protocols()? {
            let key = LeaseKey::new(&call.request, protocol);
            match Daemon::at(&call.config.socket()).ask(Query::Lookup(key.clone()))? {
                Reply::Held(Some(lease)) => compare(&key, &lease, &shown)?,
                Reply::Held(None) => {
                    return Err(Error::internal(format!(
                        "dhcp: the daemon holds no {protocol} lease for {key}"
                    ))
                    .details(
                        "it has expired and no server gives another, or DEL has released it",
                    ));
                }
                _ => return Err(unexpected()),
            }
        }
        Ok(())
    }

    fn status(&self, call: &Call<Config>) -> Result<(), Error> {
        match Daemon::at(&call.config.socket()).ask(Query::Ping) {
            Ok(Reply::Done) => Ok(()),
            Ok(_) => Err(not_available(unexpected())),
            Err(error) => {
                let mut error = Error::from(error);
                error.code = Code::NotAvailable as u32;
                Err(error)
            }
        }
    }

    fn gc(&self, call: &Call<Config>, keep: &Attachments) -> Result<(), Error> {
        let socket = call.config.socket();
        let keys = match Daemon::at(&socket).ask(Query::List) {
            Ok(Reply::Leases(leases)) => leases.into_iter().map(|lease| lease.key).collect(),
            Ok(_) => return Err(unexpected()),
            Err(error) if error.is_away() => {
                let records = State::of(&socket).records()?;
                records
                    .into_iter()
                    .map(|record| record.key)
                    .collect::<Vec<LeaseKey>>()
            }
            Err(error) => return Err(error.into()),
        };
        let is_stale = |key: &LeaseKey| {
            key.network == call.request.network && !keep.contains(&key.container_id, &key.ifname)
        };
        release_all(&socket, keys.into_iter().filter(is_stale))
    }
}

/// Releases leases, each even if another cannot be released.
fn release_all(socket: &Path, keys: impl IntoIterator<Item = LeaseKey>) -> Result<(), Error> {
    Error::join(keys.into_iter().map(|key| release(socket, &key)))
}

/// Releases a lease. A daemon that is away finds a note of it when it is back.
fn release(socket: &Path, key: &LeaseKey) -> Result<(), Error> {
    match Daemon::at(socket).ask(Query::Release(key.clone())) {
        Ok(Reply::Done) => Ok(()),
        Ok(_) => Err(unexpected()),
        Err(error) if error.is_away() => note(socket, key, &error),
        Err(error) => Err(error.into()),
    }
}

fn note(socket: &Path, key: &LeaseKey, error: &ClientError) -> Result<(), Error> {
    let state = State::of(socket);
    if state.has(key)? {
        state.note_release(key)?;
        log(format_args!(
            "dhcp: {key} is released when the daemon runs again: {error}"
        ));
    }
    Ok(())
}

/// Fails if the previous result does not show the lease.
fn compare(key: &LeaseKey, lease: &Lease, shown: &CniResult) -> Result<(), Error> {
    let address = lease.address.address();
    if shown.ips.iter().any(|ip| ip.address.address() == address) {
        return Ok(());
    }
    Err(Error::internal(format!(
        "dhcp: the lease of {key} is of {address}, which prevResult does not show"
    ))
    .details("the server gave another address when the lease was renewed; the interface has it"))
}

fn unexpected() -> Error {
    Error::internal("the dhcp daemon answers something else")
        .details("restart it, so that it is of the same release as the plugin")
}

#[test]
fn the_schema_is_current() {
    ferrule_schema::assert_current::<Dhcp>(ferrule_schema::Role::Ipam);
}
