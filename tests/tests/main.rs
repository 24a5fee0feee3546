//! The built executables, seen from outside: a module per plugin, and some for what several share.

mod bandwidth;
mod bridge;
mod chain;
mod cnitool;
mod conf;
mod conformance;
mod containerd;
mod dhcp;
mod dummy;
mod firewall;
mod flannel;
mod host_device;
mod host_local;
mod install;
mod interop;
mod ipvlan;
mod lifecycle;
mod locks;
mod loopback;
mod macvlan;
mod masquerade;
mod multicall;
mod podman;
mod portmap;
mod protocol;
mod ptp;
mod sbr;
mod static_ipam;
mod tap;
mod testkit;
mod tuning;
mod validate;
mod vlan;
mod vrf;

ferrule_testkit::main!();
