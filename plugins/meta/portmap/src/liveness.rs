//! Whether the container of a mapping still runs.
//!
//! The rules carry what identifies it: the host's end of its veth pair, and its network namespace by
//! inode number and path. The path may be invisible if namespaces are mounted in the mount namespace
//! of a container runtime only. The host's end is always visible, and the kernel removes it together
//! with the namespace of its peer. Without a host's end, a missing path counts only in the mount
//! namespace that the rule names. In doubt a container counts as running.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use cni_types::{CniResult, Request};
use ferrule_net::Host;

/// The mount namespace of this process.
const MOUNTS: &str = "/proc/self/ns/mnt";
/// How long one call waits for host's ends to disappear. The kernel removes the links of a namespace
/// some time after its last user (`cleanup_net`, a work queue), and the call holds the lock of the
/// host's namespace meanwhile.
const WAIT: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(5);
/// The end of the call's wait: [`WAIT`] after its beginning.
static DEADLINE: OnceLock<Instant> = OnceLock::new();

/// The marks by which a container is found again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traces {
    /// The index of the host's end of its pair. The kernel reuses indexes only after the counter has
    /// wrapped around.
    pub(crate) link: Option<u32>,
    pub(crate) netns: Option<NetnsTrace>,
}

/// A network namespace at the time of the ADD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NetnsTrace {
    pub(crate) inode: u64,
    /// The inode number of the mount namespace in which the path is valid.
    pub(crate) mounts: u64,
    pub(crate) path: String,
}

impl Traces {
    /// The traces of the container of a request.
    pub(crate) fn of(request: &Request, result: &CniResult) -> Self {
        let path = request.netns.to_str().unwrap_or_default();
        // A rule of iptables is one line.
        let netns = path.starts_with('/') && !path.contains(char::is_control);
        Self {
            link: host_end(result),
            netns: netns.then(|| NetnsTrace::at(path)).flatten(),
        }
    }

    /// The traces in at most `room` bytes, each behind a blank.
    pub(crate) fn text(&self, room: usize) -> String {
        let link = self.link.map(|index| format!(" link:{index}"));
        let netns = self.netns.as_ref().map(NetnsTrace::text);
        let mut text = String::new();
        for part in [link, netns].into_iter().flatten() {
            if text.len() + part.len() <= room {
                text.push_str(&part);
            }
        }
        text
    }

    /// Reads the traces at the end of a note.
    fn parse(note: &str) -> Self {
        let mut traces = Self::default();
        let (mut inode, mut mounts) = (None, None);
        let mut rest = note;
        while let Some((word, behind)) = rest.split_once(' ') {
            if let Some(number) = word.strip_prefix("link:") {
                traces.link = number.parse().ok();
            } else if let Some(number) = word.strip_prefix("ns:") {
                inode = number.parse().ok();
            } else if let Some(number) = word.strip_prefix("mnt:") {
                mounts = number.parse().ok();
            }
            rest = behind;
            if rest.starts_with('/') {
                break;
            }
        }
        if let Some(number) = rest.strip_prefix("link:") {
            traces.link = number.parse().ok();
        }
        if let (Some(inode), Some(mounts), true) = (inode, mounts, rest.starts_with('/')) {
            let path = rest.to_owned();
            traces.netns = Some(NetnsTrace {
                inode,
                mounts,
                path,
            });
        }
        traces
    }
}

impl NetnsTrace {
    pub(crate) fn at(path: &str) -> Option<Self> {
        Some(Self {
            inode: inode(path)?,
            mounts: inode(MOUNTS)?,
            path: path.to_owned(),
        })
    }

    fn text(&self) -> String {
        format!(" ns:{} mnt:{} {}", self.inode, self.mounts, self.path)
    }

    fn is_there(&self) -> bool {
        inode(&self.path) == Some(self.inode)
    }
}

/// Whether the container of a note runs, or may run.
pub(crate) fn is_alive(note: &str) -> bool {
    let traces = Traces::parse(note);
    let netns = traces.netns.as_ref();
    if netns.is_some_and(NetnsTrace::is_there) {
        return true;
    }
    match (traces.link, netns) {
        (Some(index), _) => !is_gone_soon(index),
        (None, Some(netns)) => inode(MOUNTS) != Some(netns.mounts),
        (None, None) => true,
    }
}

/// Whether the host's end of a pair is gone, or disappears within [`WAIT`].
fn is_gone_soon(index: u32) -> bool {
    let Ok(host) = Host::open() else { return false };
    let deadline = *DEADLINE.get_or_init(|| Instant::now() + WAIT);
    loop {
        match host.link_by_index(index) {
            Ok(Some(link)) if link.is_kind("veth") => {}
            Ok(_) => return true,
            Err(_) => return false,
        }
        if Instant::now() >= deadline {
            return false;
        }
        sleep(PAUSE);
    }
}

/// The index of the host's end of the container's pair, if the result names one.
fn host_end(result: &CniResult) -> Option<u32> {
    let mut names = result
        .interfaces
        .iter()
        .filter(|interface| interface.sandbox.is_empty() && !interface.name.is_empty())
        .map(|interface| interface.name.as_str())
        // A bridge precedes the pair.
        .rev()
        .peekable();
    names.peek()?;
    let host = Host::open().ok()?;
    names.find_map(|name| {
        let link = host.link_by_name(name).ok()??;
        let leads_out = link.is_kind("veth") && link.link_netnsid.is_some();
        leads_out.then_some(link.index)
    })
}

fn inode(path: &str) -> Option<u64> {
    fs::metadata(path).ok().map(|data| data.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn netns(path: &str) -> NetnsTrace {
        NetnsTrace {
            inode: inode(path).unwrap_or(7),
            mounts: inode(MOUNTS).unwrap(),
            path: path.to_owned(),
        }
    }

    fn note(link: Option<u32>, netns: Option<NetnsTrace>) -> String {
        let traces = Traces { link, netns };
        let note = format!("tag{}", traces.text(200));
        assert_eq!(Traces::parse(&note), traces, "{note}");
        note
    }

    #[test]
    fn traces_are_read_as_they_were_written() {
        let text = note(Some(12), Some(netns("/run/netns/a b")));
        assert!(text.starts_with("tag link:12 ns:7 mnt:") && text.ends_with("/run/netns/a b"));
        assert_eq!(note(Some(12), None), "tag link:12");
        assert_eq!(note(None, None), "tag");
        let traces = Traces {
            link: Some(12),
            netns: Some(netns(&format!("/{}", "n".repeat(200)))),
        };
        assert_eq!(traces.text(200), " link:12");
        assert_eq!(traces.text(5), "");
        // A note of another form has no traces.
        assert_eq!(Traces::parse("tag 7 /run/netns/x"), Traces::default());
    }

    #[test]
    fn whoever_cannot_be_judged_is_alive() {
        let gone = netns("/run/netns/no-such-container");
        assert!(is_alive(&note(None, None)));
        assert!(is_alive("tag 7 /run/netns/no-such-container"));
        assert!(is_alive(&note(None, Some(netns("/proc/self/exe")))));
        assert!(!is_alive(&note(None, Some(gone.clone()))));
        let recycled = NetnsTrace {
            inode: 1,
            ..netns("/proc/self/exe")
        };
        assert!(!is_alive(&note(None, Some(recycled))));
        let elsewhere = NetnsTrace {
            mounts: 1,
            ..gone.clone()
        };
        assert!(is_alive(&note(None, Some(elsewhere.clone()))));
        // No link has this index; the path counts all the same if it is there.
        let index = Some(i32::MAX.unsigned_abs());
        assert!(!is_alive(&note(index, Some(elsewhere))));
        assert!(!is_alive(&note(index, None)));
        assert!(is_alive(&note(index, Some(netns("/proc/self/exe")))));
    }
}
