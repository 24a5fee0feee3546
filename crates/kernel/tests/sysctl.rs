//! Kernel settings.

use std::os::unix::fs::symlink;

use crate::lab::{another, pair, private};
use ferrule_kernel::{Netns, sysctl};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

#[test]
fn interface_names_may_have_dots() {
    let (route, netns) = (private(), another());
    pair(&route, &netns, "eth0.100", "eth0");
    let setting = "net/ipv4/conf/eth0.100/arp_notify";
    assert_eq!(sysctl::read(setting).unwrap(), "0");
    sysctl::write(setting, "1").unwrap();
    assert_eq!(sysctl::read(setting).unwrap(), "1");
}

#[test]
fn enabling_writes_only_when_needed() {
    private();
    let setting = "net/ipv4/ip_forward";
    assert!(sysctl::enable(setting).unwrap());
    assert!(!sysctl::enable(setting).unwrap());
    assert_eq!(sysctl::read(setting).unwrap(), "1");
}

#[test]
fn refused_values_name_the_setting() {
    private();
    let error = sysctl::write("net/ipv4/ip_forward", "many").unwrap_err();
    assert!(!error.is_not_found());
    assert_eq!(
        error.to_string(),
        "cannot set sysctl \"net/ipv4/ip_forward\" to \"many\": invalid argument (os error 22)"
    );
    let error = sysctl::write("net/ipv4/conf/absent0/arp_notify", "1").unwrap_err();
    assert!(error.is_not_found());
    assert!(Netns::current().is_ok());
}

#[test]
fn a_link_among_the_settings_is_not_followed() {
    private();
    let setting = "net/unix/max_dgram_qlen";
    sysctl::write_net(setting, "77").unwrap();
    assert_eq!(sysctl::read_net(setting).unwrap(), "77");
    // Somebody who can mount could put links there.
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
    mount(
        none,
        "/proc/sys/net/unix",
        Some("tmpfs"),
        MsFlags::empty(),
        none,
    )
    .unwrap();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("file"), "mine").unwrap();
    symlink(outside.path(), "/proc/sys/net/unix/folder").unwrap();
    symlink(outside.path().join("file"), "/proc/sys/net/unix/link").unwrap();
    for setting in ["net/unix/folder/file", "net/unix/link"] {
        assert!(sysctl::read(setting).is_ok());
        assert!(sysctl::read_net(setting).is_err());
        assert!(sysctl::write_net(setting, "theirs").is_err());
    }
    assert_eq!(
        std::fs::read_to_string(outside.path().join("file")).unwrap(),
        "mine"
    );
}
