//! Connections of plugins.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use cni_types::{Code, Error};
use log::{debug, warn};
use nix::unistd::geteuid;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task;
use tokio::time::{sleep, timeout};

use super::keeper::Keeper;
use crate::protocol::{LONGEST_QUERY, Message, Query, Reply, VERSION};

/// How many connections are served at once; further ones wait.
const MOST_CONNECTIONS: usize = 512;
/// How long a query may take to arrive, and an answer to be taken.
const LINE_TIME: Duration = Duration::from_secs(5);
/// The pause after a connection that could not be accepted, as when files have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves connections until the process ends.
pub(super) async fn serve(listener: UnixListener, keeper: Rc<Keeper>) {
    let connections = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        // The semaphore is never closed.
        let Ok(permit) = Arc::clone(&connections).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let keeper = Rc::clone(&keeper);
                task::spawn_local(async move {
                    if let Err(error) = handle(stream, &keeper).await {
                        debug!("connection: {error}");
                    }
                    drop(permit);
                });
            }
            Err(error) => {
                warn!("cannot accept a connection: {error}");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn handle(stream: UnixStream, keeper: &Keeper) -> std::io::Result<()> {
    let peer = stream.peer_cred()?;
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    if peer.uid() != 0 && peer.uid() != geteuid().as_raw() {
        warn!(
            "user {} was refused: only root may use this socket",
            peer.uid()
        );
        let refused = Error::new(Code::Io, "only root may use the dhcp daemon");
        // The kernel takes the answer back if something is left unread.
        let mut unread = [0; 4096];
        while read
            .get_ref()
            .try_read(&mut unread)
            .is_ok_and(|length| length > 0)
        {}
        return answer(&mut write, &failed(refused)).await;
    }
    let mut line = Vec::new();
    let mut bounded = (&mut read).take(LONGEST_QUERY);
    let whole = timeout(LINE_TIME, bounded.read_until(b'\n', &mut line)).await;
    let query = match whole {
        Ok(Ok(_)) if line.ends_with(b"\n") => understand(&line),
        // A connection that ends without a word, as one that only probes.
        Ok(Ok(0)) => return Ok(()),
        Ok(Ok(_)) => Err(Error::new(
            Code::Io,
            "the query is too long, or was cut off",
        )),
        Ok(Err(error)) => return Err(error),
        Err(_) => Err(Error::new(Code::Io, "no query came")),
    };
    match query {
        Ok(query) => serve_query(query, &mut read, &mut write, keeper).await,
        Err(error) => answer(&mut write, &failed(error)).await,
    }
}

/// What every version of the protocol begins with.
#[derive(serde::Deserialize)]
struct Version {
    #[serde(rename = "ferruleDhcp")]
    version: u32,
}

pub(super) fn understand(line: &[u8]) -> Result<Query, Error> {
    let refused = |why: &str| {
        Error::new(
            Code::Io,
            format!("the dhcp daemon does not understand the plugin: {why}"),
        )
        .details("restart the daemon, so that it is of the same release as the plugin")
    };
    let version: Version =
        serde_json::from_slice(line).map_err(|_| refused("it speaks another protocol"))?;
    if version.version != VERSION {
        return Err(refused("it speaks another version of the protocol"));
    }
    let message: Message =
        serde_json::from_slice(line).map_err(|error| refused(&error.to_string()))?;
    Ok(message.query)
}

async fn serve_query(
    query: Query,
    read: &mut BufReader<OwnedReadHalf>,
    write: &mut OwnedWriteHalf,
    keeper: &Keeper,
) -> std::io::Result<()> {
    let reply = match query {
        Query::Ping => Reply::Done,
        Query::Acquire(query) => {
            answer(write, &Reply::Pending(keeper.longest_add())).await?;
            let key = query.key.clone();
            let (reply, is_new) = match keeper.acquire(query, hang_up(read)).await {
                Ok((lease, is_new)) => (Reply::Granted { lease, is_new }, is_new),
                Err(error) => (failed(error), false),
            };
            let told = answer(write, &reply).await;
            if let (Err(_), true) = (&told, is_new) {
                // Nobody knows of it.
                if let Err(error) = keeper.release(&key).await {
                    warn!("{key}: {error}");
                }
            }
            return told;
        }
        Query::Release(key) => match keeper.release(&key).await {
            Ok(()) => Reply::Done,
            Err(error) => failed(error),
        },
        Query::Lookup(key) => Reply::Held(keeper.lookup(&key)),
        Query::List => Reply::Leases(keeper.list()),
    };
    answer(write, &reply).await
}

/// Completes when the plugin is gone; it sends nothing more while it waits.
async fn hang_up(read: &mut BufReader<OwnedReadHalf>) {
    let mut rest = [0; 64];
    while !matches!(read.read(&mut rest).await, Ok(0) | Err(_)) {}
}

fn failed(error: Error) -> Reply {
    Reply::Failed {
        code: error.code,
        message: error.msg,
        details: error.details,
    }
}

async fn answer(write: &mut OwnedWriteHalf, reply: &Reply) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(reply).map_err(std::io::Error::other)?;
    line.push(b'\n');
    match timeout(LINE_TIME, write.write_all(&line)).await {
        Ok(written) => written,
        Err(_) => Err(std::io::ErrorKind::TimedOut.into()),
    }
}
