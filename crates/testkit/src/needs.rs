//! Requirements of tests on the kernel and the machine, which are probed.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{LazyLock, Mutex};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use crate::binaries::{self, PEER_FOLDER};
use crate::lab;

/// A requirement of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Need {
    /// Links of kind `ipvlan`.
    Ipvlan,
    /// Links of kind `macvlan`.
    Macvlan,
    /// Links of kind `vlan` (802.1Q).
    Vlan8021q,
    /// Links of kind `dummy`.
    Dummy,
    /// Links of kind `vxlan`.
    Vxlan,
    /// Links of kind `vrf`.
    Vrf,
    /// Links of kind `ifb`.
    Ifb,
    /// `tap` links, made through `/dev/net/tun`.
    Tun,
    /// Bridges that filter VLANs.
    BridgeVlanFiltering,
    /// The packet filter sees IPv4 packets on bridges (`br_netfilter`).
    BridgeNetfilter,
    /// The token bucket filter, `tc qdisc … tbf`.
    TokenBucketFilter,
    /// Redirection of a link's ingress: `ingress`, `u32`, `mirred`.
    IngressRedirect,
    /// IPv6.
    Ipv6,
    /// `nf_tables` with the `inet` family, address translation and sets.
    Nftables,
    /// The command `iptables` with address translation, with either back end.
    Iptables,
    /// The command `ip6tables` with address translation, with either back end.
    Ip6tables,
    /// `iptables-legacy` and `ip6tables-legacy`.
    LegacyIptables,
    /// `SELinux`.
    Selinux,
    /// A spare network device, `eth0` of the initial namespace: that of the lab kernel. The kernel
    /// returns hardware to that namespace only.
    SpareHardware,
    /// Debian's Go plugins, package `containernetworking-plugins`.
    PeerPlugins,
    /// A plugin in the folder of Go plugins for interoperation tests.
    PeerPlugin(&'static str),
    /// Go plugins in that folder that support nftables, as they do since 1.1.0.
    PeerNftables,
    /// A plugin in the folder under test.
    Plugin(&'static str),
    /// Our executables have a build id, as after `make build` and `make test`.
    NamedBuild,
    /// A command on the search path.
    Tool(&'static str),
}

impl Need {
    /// The needs that depend on the kernel, which the lab kernel may meet.
    pub const OF_KERNEL: &[Self] = &[
        Self::Ipvlan,
        Self::Macvlan,
        Self::Vlan8021q,
        Self::Dummy,
        Self::Vxlan,
        Self::Vrf,
        Self::Ifb,
        Self::Tun,
        Self::BridgeVlanFiltering,
        Self::BridgeNetfilter,
        Self::TokenBucketFilter,
        Self::IngressRedirect,
        Self::Ipv6,
        Self::Nftables,
        Self::Iptables,
        Self::Ip6tables,
        Self::LegacyIptables,
        Self::Selinux,
        Self::SpareHardware,
    ];

    /// Whether the running kernel and machine meet it. Probed once per process.
    ///
    /// # Panics
    /// Without root.
    pub fn is_met(self) -> bool {
        static KNOWN: LazyLock<Mutex<HashMap<Need, bool>>> = LazyLock::new(Mutex::default);
        let known = KNOWN
            .lock()
            .expect("probing does not panic")
            .get(&self)
            .copied();
        known.unwrap_or_else(|| {
            let met = self.probe();
            KNOWN
                .lock()
                .expect("probing does not panic")
                .insert(self, met);
            met
        })
    }

    /// Whether it depends on the kernel.
    pub fn is_of_kernel(self) -> bool {
        Self::OF_KERNEL.contains(&self)
    }

    fn probe(self) -> bool {
        match self {
            Self::PeerPlugins => Path::new(PEER_FOLDER).join("bridge").is_file(),
            Self::PeerPlugin(name) => binaries::peer_folder().join(name).is_file(),
            Self::PeerNftables => {
                let mut command = Command::new(binaries::peer_folder().join("bridge"));
                let command = command.env_clear().env("CNI_COMMAND", "VERSION");
                let answer = command.stdin(Stdio::null()).output();
                answer.is_ok_and(|answer| String::from_utf8_lossy(&answer.stdout).contains("1.1.0"))
            }
            Self::Plugin(name) => binaries::has_plugin(name),
            Self::NamedBuild => binaries::is_named_build(),
            Self::Tool(name) => is_on_search_path(name),
            Self::Ipv6 => Path::new("/proc/sys/net/ipv6/conf/all").is_dir(),
            Self::SpareHardware => {
                lab::is_here() && succeeds("nsenter --net=/proc/1/ns/net ip link set eth0 up")
            }
            Self::Selinux => std::fs::read_to_string("/proc/filesystems")
                .is_ok_and(|systems| systems.contains("\tselinuxfs\n")),
            _ => in_throw_away_namespace(self.commands()),
        }
    }

    /// Commands that all succeed in an empty namespace if the need is met. Links are created on a
    /// veth pair, which every supported kernel has.
    fn commands(self) -> &'static [&'static str] {
        const MASTER: &str = "ip link add pa type veth peer name pb";
        match self {
            Self::Ipvlan => &[MASTER, "ip link add l0 link pa type ipvlan"],
            Self::Macvlan => &[MASTER, "ip link add l0 link pa type macvlan"],
            Self::Vlan8021q => &[MASTER, "ip link add l0 link pa type vlan id 5"],
            Self::Dummy => &["ip link add l0 type dummy"],
            Self::Vxlan => &["ip link add l0 type vxlan id 5 dstport 4789"],
            Self::Vrf => &["ip link add l0 type vrf table 10"],
            Self::Ifb => &["ip link add l0 type ifb"],
            Self::Tun => &["ip tuntap add l0 mode tap"],
            Self::BridgeVlanFiltering => &["ip link add l0 type bridge vlan_filtering 1"],
            Self::BridgeNetfilter => &[
                "ip link add l0 type bridge",
                "sysctl net.bridge.bridge-nf-call-iptables",
            ],
            Self::TokenBucketFilter => &[
                MASTER,
                "tc qdisc add dev pa root tbf rate 1mbit burst 10k latency 10ms",
            ],
            Self::IngressRedirect => &[
                MASTER,
                "tc qdisc add dev pa ingress",
                "tc filter add dev pa parent ffff: u32 match u32 0 0 action mirred egress redirect dev pb",
            ],
            Self::Nftables => &[
                "nft add table inet t",
                "nft add chain inet t c { type nat hook postrouting priority 100 ; }",
                "nft add set inet t s { type ipv4_addr ; }",
                "nft add rule inet t c ip saddr @s masquerade",
            ],
            Self::Iptables => &[
                "iptables -w -t nat -A POSTROUTING -m comment --comment c -j MASQUERADE",
                "iptables -w -A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT",
            ],
            Self::Ip6tables => &[
                "ip6tables -w -t nat -A POSTROUTING -m comment --comment c -j MASQUERADE",
                "ip6tables -w -A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT",
            ],
            Self::LegacyIptables => &[
                "iptables-legacy -w -A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT",
                "ip6tables-legacy -w -A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT",
            ],
            Self::Ipv6
            | Self::Selinux
            | Self::SpareHardware
            | Self::PeerPlugins
            | Self::PeerPlugin(_)
            | Self::PeerNftables
            | Self::Plugin(_)
            | Self::NamedBuild
            | Self::Tool(_) => &[],
        }
    }
}

impl fmt::Display for Need {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tool(name) => write!(out, "the command {name}"),
            Self::PeerPlugins => write!(out, "the Go plugins in {PEER_FOLDER}"),
            Self::PeerPlugin(name) => {
                write!(
                    out,
                    "the plugin {name} in {}",
                    binaries::peer_folder().display()
                )
            }
            Self::PeerNftables => {
                write!(
                    out,
                    "Go plugins that know nftables in {}",
                    binaries::peer_folder().display()
                )
            }
            Self::Plugin(name) => write!(out, "the plugin {name} in the folder under test"),
            Self::NamedBuild => write!(out, "executables that `make test` has built"),
            feature => write!(out, "{feature:?}"),
        }
    }
}

/// Whether a command of this name is on the search path.
pub(crate) fn is_on_search_path(name: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(name).is_file()))
}

/// The needs among these that are not met here.
pub(crate) fn unmet(needs: &[Need]) -> Vec<Need> {
    needs
        .iter()
        .copied()
        .filter(|need| !need.is_met())
        .collect()
}

fn in_throw_away_namespace(commands: &[&str]) -> bool {
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS)
                .expect("the tests need root (they make network and mount namespaces)");
            let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
            mount(None::<&str>, "/", None::<&str>, private, None::<&str>).expect("private mounts");
            // A private lock of iptables.
            mount(
                Some("tmpfs"),
                "/run",
                Some("tmpfs"),
                MsFlags::empty(),
                None::<&str>,
            )
            .expect("mount a private /run");
            commands.iter().all(|command| succeeds(command))
        });
        worker
            .join()
            .expect("a probe needs root: run the tests as root")
    })
}

fn succeeds(command: &str) -> bool {
    let mut words = command.split_whitespace();
    let mut process = Command::new(words.next().unwrap_or_default());
    process
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    process.status().is_ok_and(|status| status.success())
}
