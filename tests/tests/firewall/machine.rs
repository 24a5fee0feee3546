//! What runs on a node beside the plugin.

use std::time::{Duration, Instant};

use ferrule_testkit::{Host, Running};
use serde_json::json;

/// A bus that anybody may use, as nobody else is on it, and that starts no services.
const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/>
  </policy>
</busconfig>"#;

/// A running firewalld and the bus it is on. Both end with this value.
pub(crate) struct Firewalld {
    bus: Running,
    firewalld: Running,
}

impl Firewalld {
    /// Starts bus and firewalld, and waits until they work.
    pub(crate) fn start(host: &Host) -> Self {
        let _ = std::fs::remove_dir_all("/run/dbus");
        std::fs::create_dir("/run/dbus").unwrap();
        let file = host.work_folder().join("bus.conf");
        std::fs::write(&file, BUS).unwrap();
        let config = format!("--config-file={}", file.display());
        let bus = host.start(["dbus-daemon", &config, "--nofork", "--nopidfile"]);
        let deadline = Instant::now() + Duration::from_secs(60);
        let wait_for = |is_there: &dyn Fn() -> bool| {
            while !is_there() {
                assert!(Instant::now() < deadline, "firewalld does not start");
                std::thread::sleep(Duration::from_millis(50));
            }
        };
        wait_for(&|| std::path::Path::new("/run/dbus/system_bus_socket").exists());
        let firewalld = host.start("firewalld --nofork --nopid");
        let started = Self { bus, firewalld };
        let status = host.plugin("firewall").config(json!({
            "cniVersion": "1.1.0", "name": "net", "type": "firewall", "backend": "firewalld",
        }));
        wait_for(&|| status.status().status.success());
        started
    }
}

impl Drop for Firewalld {
    fn drop(&mut self) {
        self.firewalld.kill();
        self.bus.kill();
    }
}

/// Has iptables write to the kernel's older tables on this host.
pub(crate) fn use_legacy_iptables(host: &Host) {
    host.exec("mount -t tmpfs tmpfs /etc/alternatives")
        .succeeds();
    for tool in ["iptables", "ip6tables"] {
        for job in ["", "-restore", "-save"] {
            let link = format!("/etc/alternatives/{tool}{job}");
            std::os::unix::fs::symlink("/usr/sbin/xtables-legacy-multi", link).unwrap();
        }
    }
}
