//! The Linux networking kernel interface, typed, knowing nothing of CNI.
//!
//! A [`RtnlSocket`] is a netlink socket of one network namespace: the one it was opened in. Getting a
//! single object (a link by name, the route to an address) does not dump everything the node has. Changes are values ([`Message`]) made by the
//! modules [`link`], [`addr`], [`route`] and [`tc`]; several of them travel in one [`Batch`], one system
//! call for all. Errors name what was asked, the errno, and the kernel's own explanation.
//!
//! Everything here is synchronous and touches only the calling thread, which matters because a
//! network namespace belongs to a thread ([`Netns::run`]).

pub mod addr;
pub mod hardware;
pub mod link;
pub mod mac;
pub mod name;
pub mod neigh;
pub mod netlink;
pub mod netns;
pub mod packet;
pub mod route;
pub mod rule;
mod syscall;
pub mod sysctl;
pub mod tap;
pub mod tc;
mod text;

pub use addr::{Address, AddressCopy, Family, NewAddress};
pub use ferrule_file::{FileLock, LockError};
pub use hardware::Hardware;
pub use ipnetwork::IpNetwork;
pub use link::bridge::Bridge;
pub use link::bridge_vlan::{PortVlan, VlanFlags, add_vlans, delete_vlans};
pub use link::change::LinkChange;
pub use link::dummy::Dummy;
pub use link::ifb::Ifb;
pub use link::ipvlan::{IpVlanMode, Ipvlan};
pub use link::macvlan::{MacVlanMode, Macvlan};
pub use link::port::{PortSettings, PortState, set_port};
pub use link::query::LinkSelector;
pub use link::veth::VethPair;
pub use link::vlan::Vlan;
pub use link::vrf::Vrf;
pub use link::{DriverSettings, Link, NewLink, OperState};
pub use mac::{Mac, MacError};
pub use name::NameError;
pub use neigh::{announce, ipv6_announcements};
pub use netlink::{Batch, InvalidRequest, Message, NetlinkError, RequestError, RtnlSocket};
pub use netns::{Netns, NetnsError};
pub use nix::errno::Errno;
pub use packet::PacketSocket;
pub use route::{NewRoute, NextHop, RouteCopy, RouteEntry, RouteFilter, RouteMode};
pub use rule::{NewRule, Rule};
pub use sysctl::SysctlError;
pub use tap::{Tap, TapError, TapSettings};
pub use tc::{IngressFilter, Qdisc, Tbf};
pub use text::truncate;
