//! Files that other processes use as well: locks, reading with a bound, atomic writing, and texts of
//! the operating system's errors.

pub mod lock;
mod os_text;
mod read;
mod write;

pub use lock::{FileLock, LockError, LockOwner};
pub use os_text::{errno_text, io_text, os_text};
pub use read::{read, read_own, read_text};
pub use write::{TEMP_SUFFIX, create_private_folder, temp_path, write, write_synced};
