//! A private piece of kernel for every test.

#![allow(dead_code, reason = "each test executable uses its own part of this")]

use std::os::fd::AsFd as _;
use std::process::Command;

use ferrule_kernel::{Bridge, Link, LinkChange, Mac, Netns, RtnlSocket, VethPair};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::geteuid;

/// Puts the calling thread, which runs one test, into network and mount namespaces of its own and
/// opens a socket in it.
pub(crate) fn private() -> RtnlSocket {
    assert!(
        geteuid().is_root(),
        "this test makes network namespaces: run it as root"
    );
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).unwrap();
    let nowhere: Option<&str> = None;
    mount(
        nowhere,
        "/",
        nowhere,
        MsFlags::MS_REC | MsFlags::MS_PRIVATE,
        nowhere,
    )
    .unwrap();
    RtnlSocket::open().unwrap()
}

/// Another new network namespace, which the calling thread is not in.
pub(crate) fn another() -> Netns {
    std::thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        Netns::current().unwrap()
    })
    .join()
    .unwrap()
}

/// The parts of a small network: a pair of links, both ends up, one of them in `there`.
pub(crate) struct Pair {
    pub(crate) here: Link,
    pub(crate) there: Link,
    pub(crate) remote: RtnlSocket,
}

/// Makes `name` here and `peer` in another namespace, and switches both on.
pub(crate) fn pair(route: &RtnlSocket, netns: &Netns, name: &str, peer: &str) -> Pair {
    let remote = netns.run(RtnlSocket::open).unwrap().unwrap();
    route.execute(veth(name, peer, netns).create()).unwrap();
    remote
        .execute(LinkChange::of_name(peer).up().message())
        .unwrap();
    Pair {
        here: link(route, name),
        there: link(&remote, peer),
        remote,
    }
}

/// A pair with nothing special about it.
pub(crate) fn veth<'a>(name: &'a str, peer: &'a str, netns: &'a Netns) -> VethPair<'a> {
    VethPair {
        name,
        peer,
        peer_netns: netns.as_fd(),
        mtu: None,
        peer_mac: None,
        master: None,
        group: 0,
        up: true,
    }
}

/// A bridge with nothing special about it, switched on.
pub(crate) fn bridge(route: &RtnlSocket, name: &str) -> Link {
    route
        .execute(
            Bridge {
                name,
                mtu: None,
                mac: None,
                vlan_filtering: false,
            }
            .create(),
        )
        .unwrap();
    route
        .execute(LinkChange::of_name(name).up().message())
        .unwrap();
    link(route, name)
}

/// The link of this name, which is there.
pub(crate) fn link(route: &RtnlSocket, name: &str) -> Link {
    route
        .link_by_name(name)
        .unwrap()
        .unwrap_or_else(|| panic!("no link {name}"))
}

pub(crate) fn mac(text: &str) -> Mac {
    text.parse().unwrap()
}

/// What iproute2 says, so that this crate does not only agree with itself.
pub(crate) fn ip(arguments: &str) -> String {
    let output = Command::new("ip")
        .args(arguments.split(' '))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "ip {arguments}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
