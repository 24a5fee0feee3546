//! Opening and entering network namespaces.

use std::fs::{self, File};
use std::path::Path;

use crate::lab::{another, bridge, private};
use ferrule_kernel::{Netns, NetnsError, RtnlSocket, sysctl};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

#[test]
fn a_missing_path_is_gone() {
    let error = Netns::open(Path::new("/run/netns/no-such-namespace")).unwrap_err();
    assert!(matches!(error, NetnsError::NotFound { .. }) && error.is_gone());
    assert_eq!(
        error.to_string(),
        "network namespace \"/run/netns/no-such-namespace\" does not exist: \
         no such file or directory"
    );
}

#[test]
fn files_directories_and_pipes_are_no_namespaces() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    File::create(&file).unwrap();
    let pipe = folder.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    for path in [&file, &pipe, folder.path()] {
        let error = Netns::open(path).unwrap_err();
        assert!(matches!(error, NetnsError::NotNamespace { .. }) && error.is_gone());
        assert_eq!(
            error.to_string(),
            format!("{path:?} is not a network namespace")
        );
    }
    let error = Netns::open(&file.join("below")).unwrap_err();
    assert!(
        matches!(error, NetnsError::NotFound { .. }) && error.is_gone(),
        "{error}"
    );
}

#[test]
fn other_files_of_the_process_file_system_are_found_out_on_entering() {
    private();
    for path in ["/proc/self/status", "/proc/self/ns/mnt"] {
        let error = Netns::open(Path::new(path))
            .unwrap()
            .run(|| ())
            .unwrap_err();
        assert!(error.is_gone(), "{path}: {error}");
    }
}

#[test]
fn a_mounted_namespace_is_opened_until_it_is_unmounted() {
    private();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("netns");
    File::create(&path).unwrap();
    let nothing: Option<&str> = None;
    mount(
        Some("/proc/thread-self/ns/net"),
        &path,
        nothing,
        MsFlags::MS_BIND,
        nothing,
    )
    .unwrap();
    let mounted = Netns::open(&path).unwrap();
    assert_eq!(mounted.path(), path);
    assert!(mounted.same_as(&Netns::current().unwrap()).unwrap());
    assert!(!mounted.same_as(&another()).unwrap());
    umount2(&path, MntFlags::MNT_DETACH).unwrap();
    assert!(Netns::open(&path).unwrap_err().is_gone());
    assert!(mounted.run(|| ()).is_ok(), "an open namespace stays");
}

#[test]
fn work_happens_inside_and_ends_outside() {
    private();
    let (home, netns) = (Netns::current().unwrap(), another());
    let inside = netns.run(|| Netns::current().unwrap()).unwrap();
    assert!(inside.same_as(&netns).unwrap());
    assert!(Netns::current().unwrap().same_as(&home).unwrap());
}

#[test]
fn an_error_inside_leaves_nobody_inside() {
    private();
    let (home, netns) = (Netns::current().unwrap(), another());
    let failed: Result<(), _> = netns
        .run(|| {
            fs::read("/no/such/file")?;
            Ok::<_, std::io::Error>(())
        })
        .unwrap();
    assert!(failed.is_err());
    assert!(Netns::current().unwrap().same_as(&home).unwrap());
}

#[test]
fn a_panic_inside_leaves_nobody_inside() {
    private();
    let (home, netns) = (Netns::current().unwrap(), another());
    let work = || netns.run(|| panic!("on purpose"));
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err());
    assert!(Netns::current().unwrap().same_as(&home).unwrap());
}

#[test]
fn sockets_and_settings_are_those_of_the_namespace() {
    let route = private();
    bridge(&route, "br0");
    let netns = another();
    let remote = netns.run(RtnlSocket::open).unwrap().unwrap();
    assert!(remote.link_by_name("br0").unwrap().is_none());
    bridge(&remote, "br1");
    assert!(route.link_by_name("br1").unwrap().is_none());
    let setting = "net/ipv4/ip_forward";
    assert!(netns.run(|| sysctl::enable(setting)).unwrap().unwrap());
    assert_eq!(netns.run(|| sysctl::read(setting)).unwrap().unwrap(), "1");
    assert_eq!(sysctl::read(setting).unwrap(), "0");
}

#[test]
fn a_namespace_made_on_a_file_holds_links_and_goes_with_the_mount() {
    let route = private();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("transit");
    let home = Netns::current().unwrap();
    let made = Netns::create_mounted(&path).unwrap();
    assert!(!made.same_as(&home).unwrap());
    assert!(Netns::current().unwrap().same_as(&home).unwrap());
    let inside = made.run(RtnlSocket::open).unwrap().unwrap();
    assert_eq!(inside.links().unwrap().len(), 1, "lo alone");
    drop((made, inside));
    let again = Netns::open(&path).unwrap();
    let identity = again.identity().unwrap();
    assert_ne!(identity, home.identity().unwrap());
    let refused = Netns::create_mounted(&path).unwrap_err();
    assert!(refused.to_string().contains("file exists"), "{refused}");
    assert_eq!(Netns::open(&path).unwrap().identity().unwrap(), identity);
    drop((again, route));
    assert!(Netns::unmount(&path).unwrap());
    assert!(!path.exists() && !Netns::unmount(&path).unwrap());
}

#[test]
fn a_half_made_namespace_is_taken_away() {
    private();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("transit");
    // What a process leaves that is killed before it mounts.
    File::create(&path).unwrap();
    assert!(Netns::unmount(&path).unwrap() && !path.exists());
    let missing = folder.path().join("missing/transit");
    let refused = Netns::create_mounted(&missing).unwrap_err();
    assert!(matches!(refused, NetnsError::Io { .. }), "{refused}");
}
