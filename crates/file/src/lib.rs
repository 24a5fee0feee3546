//! Files that others work with as well: locks on them, reading within bounds, atomic writing, and
//! the operating system's error texts.

pub mod lock;
mod os_text;
mod read;
mod write;

pub use lock::{FileLock, LockError, LockOwner};
pub use os_text::{errno_text, io_text, os_text};
pub use read::{read, read_own, read_text};
pub use write::{TEMP_SUFFIX, create_private_folder, temp_path, write};
