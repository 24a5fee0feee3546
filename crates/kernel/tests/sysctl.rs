//! Kernel settings.

use crate::lab::{another, pair, private};
use ferrule_kernel::{Netns, SysctlError, sysctl};

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
    assert!(matches!(error, SysctlError::Write { .. }) && !error.is_not_found());
    assert_eq!(
        error.to_string(),
        "cannot set sysctl \"net/ipv4/ip_forward\" to \"many\": invalid argument (os error 22)"
    );
    let error = sysctl::write("net/ipv4/conf/absent0/arp_notify", "1").unwrap_err();
    assert!(error.is_not_found());
    assert!(Netns::current().is_ok());
}
