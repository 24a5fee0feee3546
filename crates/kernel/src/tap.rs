//! Tap links: Ethernet links whose far end is a process that opens `/dev/net/tun` (the kernel's
//! Documentation/networking/tuntap.rst).

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsFd as _;
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::libc::{IFF_MULTI_QUEUE, IFF_NO_PI, IFF_TAP, IFF_TUN_EXCL, IFF_VNET_HDR};
use thiserror::Error;

use crate::name::{NameError, check};
use crate::netlink::{Attribute, flag};
use crate::syscall::{TunNumber, tun_set_interface, tun_set_number};
use ferrule_file::{errno_text, io_text};

/// The device file by which a process attaches to a tap link.
const DEVICE: &str = "/dev/net/tun";

/// Sets the `SELinux` context of the next program that the thread executes (proc(5)).
const EXEC_LABEL: &str = "/proc/thread-self/attr/exec";

const IFLA_TUN_OWNER: u16 = 1;
const IFLA_TUN_GROUP: u16 = 2;
const IFLA_TUN_MULTI_QUEUE: u16 = 7;

/// A persistent tap link to be created: it exists without an attached process.
#[derive(Debug, Clone, Copy)]
pub struct Tap<'a> {
    /// Name, 1 to 15 bytes.
    pub name: &'a str,
    /// User id that may attach to it.
    pub owner: Option<u32>,
    /// Group id that may attach to it. With neither owner nor group, every process that can open the
    /// device file may attach. A process with `CAP_NET_ADMIN` in the namespace always may.
    pub group: Option<u32>,
    /// Whether several processes or threads may attach at the same time, one queue each. They have to
    /// set the same flag (`IFF_MULTI_QUEUE`).
    pub multi_queue: bool,
}

/// Settings of a tap link, as the driver reports them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TapSettings {
    /// User id that may attach to it.
    pub owner: Option<u32>,
    /// Group id that may attach to it.
    pub group: Option<u32>,
    /// Whether it has several queues.
    pub multi_queue: bool,
}

/// Why a tap link could not be created.
#[derive(Debug, Error)]
pub enum TapError {
    /// The kernel would refuse or change the name.
    #[error("create tap: {0}")]
    Name(#[from] NameError),
    /// The device file is missing or cannot be opened.
    #[error("open {DEVICE}: {}", io_text(.0))]
    Device(io::Error),
    /// The kernel refused.
    #[error("create tap {name:?}: {operation}: {}", errno_text(*errno))]
    Refused {
        /// The link's name.
        name: String,
        /// The ioctl that failed, by its name in `linux/if_tun.h`: `TUNSETIFF` and others.
        operation: &'static str,
        /// The kernel's error number.
        errno: Errno,
    },
    /// The kernel has no `SELinux`, or refuses the context.
    #[error("use the SELinux context {label:?} for a tap: write {EXEC_LABEL}: {}", io_text(.source))]
    Label {
        /// The context.
        label: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// `ip tuntap add`, which creates the link under another context, could not be started.
    #[error("start `ip tuntap add` under the SELinux context {label:?}: {}", io_text(.source))]
    Start {
        /// The context.
        label: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// `ip tuntap add` failed.
    #[error("create tap {name:?}: `ip tuntap add` under the SELinux context {label:?}: {text}")]
    Command {
        /// The link's name.
        name: String,
        /// The context.
        label: String,
        /// Its standard error, or its exit status if it printed nothing.
        text: String,
    },
}

/// Fails if tap links cannot be created: the device file is missing or cannot be opened.
pub fn is_available() -> Result<(), TapError> {
    open().map(drop)
}

impl Tap<'_> {
    /// Creates the link in the calling thread's namespace, down. An existing name is an error
    /// (`EBUSY`), and the link of that name is not changed. Nothing is left on failure.
    ///
    /// Frames have no protocol information in front (`IFF_NO_PI`) and a virtio header
    /// (`IFF_VNET_HDR`), unless the attaching process sets other flags.
    pub fn create(&self) -> Result<(), TapError> {
        check(self.name)?;
        let device = open()?;
        let refused = |operation| {
            move |errno| TapError::Refused {
                name: self.name.to_owned(),
                operation,
                errno,
            }
        };
        let device = device.as_fd();
        tun_set_interface(device, self.name, self.flags()).map_err(refused("TUNSETIFF"))?;
        if let Some(owner) = self.owner {
            tun_set_number(device, TunNumber::Owner, owner).map_err(refused("TUNSETOWNER"))?;
        }
        if let Some(group) = self.group {
            tun_set_number(device, TunNumber::Group, group).map_err(refused("TUNSETGROUP"))?;
        }
        // Until the link is persistent, closing the file removes it: on any failure above.
        tun_set_number(device, TunNumber::Persist, 1).map_err(refused("TUNSETPERSIST"))
    }

    /// As [`Tap::create`], with an `SELinux` context for the link.
    ///
    /// The kernel gives a tap the context of the process that creates it and ignores the one for new
    /// sockets (`selinux_tun_dev_alloc_security` in the kernel's security/selinux/hooks.c). So a
    /// process of that context has to create it: `ip tuntap add`, which sets the same flags and also
    /// refuses existing names.
    pub fn create_labelled(&self, label: &str) -> Result<(), TapError> {
        check(self.name)?;
        let mut command = Command::new("ip");
        command.args([
            "tuntap", "add", "mode", "tap", "name", self.name, "vnet_hdr",
        ]);
        if self.multi_queue {
            command.arg("multi_queue");
        }
        for (word, number) in [("user", self.owner), ("group", self.group)] {
            if let Some(number) = number {
                command.arg(word).arg(number.to_string());
            }
        }
        let output = start_labelled(&mut command, label)?;
        if output.status.success() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&output.stderr);
        Err(TapError::Command {
            name: self.name.to_owned(),
            label: label.to_owned(),
            text: match text.trim() {
                "" => output.status.to_string(),
                text => text.to_owned(),
            },
        })
    }

    fn flags(&self) -> u16 {
        let queues = if self.multi_queue { IFF_MULTI_QUEUE } else { 0 };
        flag(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_TUN_EXCL | queues)
    }
}

fn open() -> Result<File, TapError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .open(DEVICE)
        .map_err(TapError::Device)
}

/// Runs a command under an `SELinux` context, then resets the context of later programs.
fn start_labelled(command: &mut Command, label: &str) -> Result<std::process::Output, TapError> {
    let set = |value: &str| {
        fs::write(EXEC_LABEL, value).map_err(|source| TapError::Label {
            label: label.to_owned(),
            source,
        })
    };
    set(label)?;
    let output = command.stdin(Stdio::null()).output();
    // A line feed alone resets the attribute.
    set("\n")?;
    output.map_err(|source| TapError::Start {
        label: label.to_owned(),
        source,
    })
}

impl TapSettings {
    /// The kernel's name of the kind.
    pub(crate) const KIND: &'static str = "tun";

    /// Reads `IFLA_INFO_DATA` of a tap; kernels before 4.20 send none of it.
    pub(crate) fn read(data: Attribute<'_>) -> Self {
        let mut settings = Self {
            owner: None,
            group: None,
            multi_queue: false,
        };
        for found in data.nested() {
            match found.kind {
                IFLA_TUN_OWNER => settings.owner = found.u32(),
                IFLA_TUN_GROUP => settings.group = found.u32(),
                IFLA_TUN_MULTI_QUEUE => settings.multi_queue = found.u8() == Some(1),
                _ => {}
            }
        }
        settings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One attribute as the kernel sends it, padded.
    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(value.len() + 4).unwrap();
        let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn owner_group_and_queues_are_read() {
        let data = [
            attribute(IFLA_TUN_OWNER, &1000u32.to_ne_bytes()),
            attribute(IFLA_TUN_GROUP, &7u32.to_ne_bytes()),
            attribute(3, &[2]),
            attribute(IFLA_TUN_MULTI_QUEUE, &[1]),
        ]
        .concat();
        let read = |value| TapSettings::read(Attribute { kind: 2, value });
        let expected = TapSettings {
            owner: Some(1000),
            group: Some(7),
            multi_queue: true,
        };
        assert_eq!(read(&data), expected);
        assert_eq!(read(&[]).owner, None);
    }

    #[test]
    fn flags_refuse_an_existing_name() {
        let tap = Tap {
            name: "tap0",
            owner: None,
            group: None,
            multi_queue: false,
        };
        assert_eq!(tap.flags(), 0xd002);
        let wide = Tap {
            multi_queue: true,
            ..tap
        };
        assert_eq!(wide.flags(), 0xd102);
    }
}
