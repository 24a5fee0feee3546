//! Tap links on the running kernel.

use crate::lab::{ip, link, private};
use ferrule_kernel::{DriverSettings, Tap, TapError, TapSettings};
use nix::errno::Errno;

const PLAIN: Tap<'_> = Tap {
    name: "tap0",
    owner: None,
    group: None,
    multi_queue: false,
};

/// Makes one and returns what the kernel and iproute2 say about it.
fn made(tap: Tap<'_>) -> (TapSettings, String) {
    let route = private();
    tap.create().unwrap();
    let link = link(&route, tap.name);
    assert!(link.is_kind("tun") && !link.up);
    let Some(DriverSettings::Tap(settings)) = link.settings else {
        panic!("a tap tells its settings: {link:?}")
    };
    (settings, ip("-d -j link show tap0"))
}

#[test]
fn a_plain_one_stays_and_belongs_to_nobody() {
    let (settings, told) = made(PLAIN);
    let expected = TapSettings {
        owner: None,
        group: None,
        multi_queue: false,
    };
    assert_eq!(settings, expected);
    for part in [
        r#""type":"tap""#,
        r#""pi":false"#,
        r#""vnet_hdr":true"#,
        r#""multi_queue":false"#,
        r#""persist":true"#,
    ] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    assert!(
        !told.contains("user") && !told.contains(r#""group":1"#),
        "{told}"
    );
}

#[test]
fn owner_group_and_queues_are_set() {
    let tap = Tap {
        owner: Some(54321),
        group: Some(0),
        multi_queue: true,
        ..PLAIN
    };
    let (settings, told) = made(tap);
    let expected = TapSettings {
        owner: Some(54321),
        group: Some(0),
        multi_queue: true,
    };
    assert_eq!(settings, expected);
    assert!(told.contains(r#""multi_queue":true"#), "{told}");
    assert!(told.contains(r#""user":54321"#), "{told}");
}

#[test]
fn a_taken_name_is_refused_and_its_link_left_alone() {
    let route = private();
    ip("link add tap0 type veth peer name other");
    let before = link(&route, "tap0");
    let refused = PLAIN.create().unwrap_err();
    assert!(
        matches!(
            &refused,
            TapError::Refused {
                errno: Errno::EBUSY | Errno::EINVAL,
                ..
            }
        ),
        "{refused}"
    );
    assert_eq!(link(&route, "tap0"), before);
    ip("link del tap0");
    PLAIN.create().unwrap();
    let index = link(&route, "tap0").index;
    let refused = PLAIN.create().unwrap_err();
    assert_eq!(
        refused.to_string(),
        "create tap \"tap0\": TUNSETIFF: device or resource busy (os error 16)"
    );
    assert_eq!(link(&route, "tap0").index, index);
}

#[test]
fn a_setting_that_is_refused_leaves_nothing() {
    let route = private();
    // No user has this id: it stands for "none".
    let tap = Tap {
        owner: Some(u32::MAX),
        ..PLAIN
    };
    let refused = tap.create().unwrap_err();
    assert!(refused.to_string().contains("TUNSETOWNER"), "{refused}");
    assert_eq!(route.link_by_name("tap0").unwrap(), None);
    let nameless = Tap { name: "", ..PLAIN };
    assert!(matches!(nameless.create(), Err(TapError::Name(_))));
}

/// Where the kernel has `SELinux` the label is taken (without a policy, any is); elsewhere the error
/// says what was to be done. Either way nothing is left of it for programs started later.
#[test]
fn a_label_is_used_or_refused() {
    let route = private();
    let outcome = PLAIN.create_labelled("system_u:system_r:container_t:s0");
    let link = route.link_by_name("tap0").unwrap();
    let selinux = std::fs::read_to_string("/proc/filesystems")
        .unwrap()
        .contains("selinuxfs");
    if selinux {
        outcome.unwrap();
        assert!(link.is_some_and(|link| link.is_kind("tun")));
    } else {
        let text = outcome.unwrap_err().to_string();
        assert!(
            text.contains("SELinux context \"system_u:system_r:container_t:s0\""),
            "{text}"
        );
        assert_eq!(link, None);
    }
    let left = std::fs::read_to_string("/proc/thread-self/attr/exec").unwrap_or_default();
    assert_eq!(left, "");
}
