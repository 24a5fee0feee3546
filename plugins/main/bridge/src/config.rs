//! The keys of `bridge`, and the plan they give.

use cni_types::{Code, Error, Request};
use ferrule_kernel::Mac;
use ferrule_net::configured_mac;
use ferrule_net::masquerade::MasqueradeConfig;
use serde::Deserialize;

use crate::vlan::{TrunkEntry, VlanPlan};

/// The configuration as written.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of its own")]
#[expect(clippy::struct_field_names, reason = "runtimeConfig is the key's name")]
pub struct Config {
    /// Name of the bridge; `cni0` if absent.
    bridge: Option<String>,
    /// Add the gateway's address to the bridge and enable forwarding.
    is_gateway: bool,
    /// As `isGateway`, and add a default route through it.
    is_default_gateway: bool,
    /// Replace addresses of the bridge that conflict with the gateway's.
    force_address: bool,
    /// Masquerade what leaves the network.
    ip_masq: bool,
    /// The packet filter that masquerades: `iptables` or `nftables`.
    #[cfg_attr(test, schemars(extend("enum" = ["iptables", "nftables"])))]
    ip_masq_backend: Option<String>,
    /// MTU of a new bridge and of both ends of the pair, in bytes; 0 is the kernel's default.
    mtu: u32,
    /// Let a container reach itself through the bridge.
    hairpin_mode: bool,
    /// Put the bridge into promiscuous mode.
    promisc_mode: bool,
    /// VLAN of the port; 0 is none.
    #[cfg_attr(test, schemars(range(min = 0, max = 4094)))]
    vlan: i64,
    /// Further, tagged VLANs of the port.
    vlan_trunk: Option<Vec<TrunkEntry>>,
    /// Keep the VLAN that the kernel gives a new port.
    preserve_default_vlan: bool,
    /// Drop frames with another source MAC address than the container's.
    macspoofchk: bool,
    /// Detect duplicate IPv6 addresses, and wait for the result.
    enabledad: bool,
    /// Leave the container end down.
    disable_container_interface: bool,
    /// Forward nothing between this port and other isolated ports.
    port_isolation: bool,
    /// `cni.mac`: the MAC address of the container end.
    args: MetadataArgs,
    /// `mac`: the MAC address of the container end.
    runtime_config: RuntimeConfig,
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
struct MetadataArgs {
    cni: RuntimeConfig,
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
struct RuntimeConfig {
    /// The MAC address of the container end.
    #[cfg_attr(test, schemars(extend("format" = "mac")))]
    mac: String,
}

/// The validated configuration: only the kernel can refuse anything in it.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent choices of the user"
)]
pub(crate) struct Plan {
    pub(crate) bridge: String,
    pub(crate) mtu: Option<u32>,
    pub(crate) is_gateway: bool,
    pub(crate) is_default_gateway: bool,
    pub(crate) force_address: bool,
    pub(crate) hairpin: bool,
    pub(crate) promiscuous: bool,
    pub(crate) isolated: bool,
    pub(crate) vlan: VlanPlan,
    pub(crate) detect_duplicates: bool,
    pub(crate) container_up: bool,
    pub(crate) mac: Option<Mac>,
    pub(crate) masquerade: Option<MasqueradeConfig>,
    pub(crate) spoof_check: bool,
}

fn invalid(msg: impl Into<String>) -> Error {
    Error::new(Code::InvalidConfig, msg)
}

impl Plan {
    pub(crate) fn new(config: &Config, request: &Request) -> Result<Self, Error> {
        let has_ipam = !request.ipam_type.is_empty();
        if config.hairpin_mode && config.promisc_mode {
            return Err(invalid(
                "cannot set hairpin mode and promiscuous mode at the same time",
            ));
        }
        if config.disable_container_interface && has_ipam {
            return Err(invalid(
                "cannot use IPAM when disableContainerInterface flag is set",
            ));
        }
        Ok(Self {
            bridge: config.bridge_name().to_owned(),
            mtu: (config.mtu > 0).then_some(config.mtu),
            is_gateway: config.is_gateway || config.is_default_gateway,
            is_default_gateway: config.is_default_gateway,
            force_address: config.force_address,
            hairpin: config.hairpin_mode,
            promiscuous: config.promisc_mode,
            isolated: config.port_isolation,
            vlan: VlanPlan::new(
                config.vlan,
                config.vlan_trunk.as_deref(),
                config.preserve_default_vlan,
            )?,
            detect_duplicates: config.enabledad,
            container_up: !config.disable_container_interface,
            mac: config.mac(request)?,
            // Without addresses there is nothing to masquerade.
            masquerade: MasqueradeConfig::of(
                config.ip_masq && has_ipam,
                config.ip_masq_backend.as_deref(),
            )?,
            spoof_check: config.macspoofchk,
        })
    }
}

impl Config {
    fn bridge_name(&self) -> &str {
        self.bridge.as_deref().unwrap_or("cni0")
    }

    /// The MAC address of the container end: from `runtimeConfig`, else `args.cni`, else `CNI_ARGS`.
    fn mac(&self, request: &Request) -> Result<Option<Mac>, Error> {
        let args = request.cni_args(&["MAC"])?;
        configured_mac([
            ("runtimeConfig.mac", self.runtime_config.mac.as_str()),
            ("args.cni.mac", self.args.cni.mac.as_str()),
            ("CNI_ARGS MAC", args.value("MAC").unwrap_or_default()),
        ])
    }
}
