//! The executable `ferrule`: every plugin in one file.
//!
//! It is the plugin by whose name it is started, usually a link: `bridge` leads to `ferrule`.
//! `ferrule NAME ARGUMENT...` does the same without a link.

use std::env;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

type Main = fn() -> ExitCode;

/// Every plugin. A new one has its line here.
const PLUGINS: &[(&str, Main)] = &[
    ("bandwidth", cni_bandwidth::main),
    ("bridge", cni_bridge::main),
    ("dhcp", cni_dhcp::main),
    ("dummy", cni_dummy::main),
    ("firewall", cni_firewall::main),
    ("flannel", cni_flannel::main),
    ("host-device", cni_host_device::main),
    ("host-local", cni_host_local::main),
    ("ipvlan", cni_ipvlan::main),
    ("loopback", cni_loopback::main),
    ("macvlan", cni_macvlan::main),
    ("portmap", cni_portmap::main),
    ("ptp", cni_ptp::main),
    ("sbr", cni_sbr::main),
    ("static", cni_static::main),
    ("tap", cni_tap::main),
    ("tuning", cni_tuning::main),
    ("vlan", cni_vlan::main),
    ("vrf", cni_vrf::main),
];

/// The exit status of wrong arguments.
const WRONG_USAGE: u8 = 2;

fn main() -> ExitCode {
    let mut arguments = env::args_os();
    let own = arguments.next().unwrap_or_default();
    if let Some(plugin) = Path::new(&own).file_name().and_then(find) {
        return plugin();
    }
    let Some(first) = arguments.next() else {
        return usage();
    };
    if find(&first).is_some() {
        // Once more by that name, so that the plugin finds its arguments where it looks for them.
        let mut plugin = Command::new("/proc/self/exe");
        let error = plugin.arg0(&first).args(arguments).exec();
        print(
            io::stderr(),
            &format!("ferrule: error starting /proc/self/exe: {error}"),
        );
        return ExitCode::FAILURE;
    }
    match first.to_str() {
        Some("-V" | "--version") => {
            print(io::stdout(), concat!("Ferrule ", env!("CARGO_PKG_VERSION")));
        }
        Some("--list") => print(io::stdout(), &names().join("\n")),
        _ => return usage(),
    }
    ExitCode::SUCCESS
}

fn find(name: &OsStr) -> Option<Main> {
    let mut plugins = PLUGINS.iter();
    plugins
        .find(|plugin| name == plugin.0)
        .map(|plugin| plugin.1)
}

fn names() -> Vec<&'static str> {
    PLUGINS.iter().map(|plugin| plugin.0).collect()
}

fn usage() -> ExitCode {
    let text = format!(
        "This is every plugin of Ferrule in one file. Start it by a link named as a plugin, or as\n\
         ferrule NAME [ARGUMENT...], with one of these names:\n{}",
        names().join(" ")
    );
    print(io::stderr(), &text);
    ExitCode::from(WRONG_USAGE)
}

fn print(mut stream: impl Write, text: &str) {
    // There is nobody to tell if it cannot be written.
    let _ = writeln!(stream, "{text}");
}
