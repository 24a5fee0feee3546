//! The daemon: keeps the leases of all containers of the node.

mod acquire;
mod args;
mod keeper;
mod listen;
mod logger;
mod server;
mod slot;
mod turn;

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use ferrule_file::{FileLock, create_private_folder, io_text};
use log::{error, info, warn};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use sd_notify::NotifyState;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::LocalSet;

use args::Flags;
use keeper::Keeper;
use listen::Listener;

use crate::protocol::state_folder;
use crate::state::State;

/// How many threads enter namespaces at once, and how long an idle one stays.
const THREADS: usize = 2;
const THREAD_LIFE: Duration = Duration::from_secs(2);
/// How long an earlier daemon may take to stop.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// Runs the daemon until it is told to stop.
pub(crate) fn run(args: &[OsString]) -> ExitCode {
    let flags = match args::parse(args.iter().cloned()) {
        Ok(Some(flags)) => flags,
        Ok(None) => {
            let _ = io::stderr().write_all(args::USAGE.as_bytes());
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            let _ = write!(io::stderr(), "{error}\n{}", args::USAGE);
            return ExitCode::from(2);
        }
    };
    logger::start(flags.log_level);
    match start(&flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("dhcp daemon: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start(flags: &Flags) -> Result<(), String> {
    let activated = listen::activated()?;
    let path = socket_path(flags, activated.as_ref());
    listen::create_folder(&path)?;
    let _lock = lock(&path)?;
    if let Some(pid_file) = &flags.pid_file {
        write_pid(pid_file)?;
    }
    let files = getrlimit(Resource::RLIMIT_NOFILE);
    // The soft limit is for programs that use select(2).
    if let Err(error) = files.and_then(|(_, most)| setrlimit(Resource::RLIMIT_NOFILE, most, most)) {
        warn!("cannot raise the number of open files: {error}");
    }
    let runtime = Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(THREADS)
        .thread_keep_alive(THREAD_LIFE)
        .build()
        .map_err(|error| format!("cannot start: {}", io_text(&error)))?;
    let keeper = Keeper::new(flags.settings, flags.host_prefix.clone(), State::of(&path));
    let count = keeper.resume().map_err(|error| error.to_string())?;
    let listener = match activated {
        Some(socket) => Listener { socket, own: None },
        None => Listener::bind(&path)?,
    };
    info!("listening on {}, {count} leases taken up", path.display());
    let served = runtime.block_on(LocalSet::new().run_until(serve(listener.socket, keeper)));
    // Threads that wait for the kernel are not waited for.
    runtime.shutdown_background();
    let files = [listener.own.as_ref(), flags.pid_file.as_ref()];
    for file in files.into_iter().flatten() {
        let _ = fs::remove_file(file);
    }
    served
}

async fn serve(
    socket: std::os::unix::net::UnixListener,
    keeper: std::rc::Rc<Keeper>,
) -> Result<(), String> {
    let failed = |error: io::Error| format!("cannot start: {}", io_text(&error));
    socket.set_nonblocking(true).map_err(failed)?;
    let socket = tokio::net::UnixListener::from_std(socket).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    // Without systemd there is nobody to tell.
    let _ = sd_notify::notify(&[NotifyState::Ready]);
    tokio::select! {
        () = server::serve(socket, std::rc::Rc::clone(&keeper)) => {}
        () = keeper.run() => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    info!("stopping; the leases stay as they are");
    let _ = sd_notify::notify(&[NotifyState::Stopping]);
    Ok(())
}

/// Where the daemon listens, as its own mount namespace has it.
fn socket_path(flags: &Flags, activated: Option<&std::os::unix::net::UnixListener>) -> PathBuf {
    let address = activated.and_then(|socket| socket.local_addr().ok());
    let bound = address.as_ref().and_then(|address| address.as_pathname());
    bound.map_or_else(
        || prefixed(&flags.host_prefix, &flags.socket),
        Path::to_owned,
    )
}

/// Reads a plugin's query.
pub(crate) fn read_query(line: &[u8]) {
    let _ = server::understand(line);
}

/// A path of the host as this process sees it.
pub(crate) fn prefixed(prefix: &str, path: &Path) -> PathBuf {
    let mut whole = OsString::from(prefix);
    whole.push(path);
    whole.into()
}

/// Keeps a second daemon off the same leases.
fn lock(socket: &Path) -> Result<FileLock, String> {
    let folder = state_folder(socket);
    let failed = |error: io::Error| {
        format!(
            "cannot use the state folder {}: {}",
            folder.display(),
            io_text(&error)
        )
    };
    create_private_folder(&folder).map_err(failed)?;
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).map_err(failed)?;
    let path = folder.join("lock");
    let mut options = fs::OpenOptions::new();
    let file = options
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(failed)?;
    FileLock::take(file, &path, LOCK_WAIT).map_err(|error| format!("another daemon runs: {error}"))
}

fn write_pid(path: &Path) -> Result<(), String> {
    let failed = |error: io::Error| format!("cannot write {}: {}", path.display(), io_text(&error));
    let mut options = fs::OpenOptions::new();
    let file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o644)
        .open(path);
    file.and_then(|mut file| file.write_all(std::process::id().to_string().as_bytes()))
        .map_err(failed)
}
