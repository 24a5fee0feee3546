//! Files that several processes work with: locks on them, and the operating system's error texts.

pub mod lock;
mod os_error;

pub use lock::{FileLock, LockError, LockHolder};
pub use os_error::{errno_text, io_text};
