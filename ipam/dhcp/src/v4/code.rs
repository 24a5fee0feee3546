//! Codes of the options that are used here (RFC 2132, RFC 3397, RFC 3442).

/// Subnet mask.
pub(crate) const SUBNET_MASK: u8 = 1;
/// Routers.
pub(crate) const ROUTERS: u8 = 3;
/// Name servers.
pub(crate) const NAME_SERVERS: u8 = 6;
/// Host name.
pub(crate) const HOST_NAME: u8 = 12;
/// Domain name.
pub(crate) const DOMAIN: u8 = 15;
/// MTU of the interface.
pub(crate) const MTU: u8 = 26;
/// Static routes, by class of network.
pub(crate) const STATIC_ROUTES: u8 = 33;
/// Requested address.
pub(crate) const REQUESTED_ADDRESS: u8 = 50;
/// Life of the lease in seconds.
pub(crate) const LIFE: u8 = 51;
/// Which header fields carry options.
pub(crate) const OVERLOAD: u8 = 52;
/// Message type.
pub(crate) const MESSAGE_TYPE: u8 = 53;
/// Server identifier.
pub(crate) const SERVER: u8 = 54;
/// Parameter request list.
pub(crate) const PARAMETERS: u8 = 55;
/// Text of a refusal.
pub(crate) const MESSAGE: u8 = 56;
/// Largest message.
pub(crate) const MAX_SIZE: u8 = 57;
/// Renewal time T1 in seconds.
pub(crate) const T1: u8 = 58;
/// Rebinding time T2 in seconds.
pub(crate) const T2: u8 = 59;
/// Vendor class identifier.
pub(crate) const VENDOR_CLASS: u8 = 60;
/// Client identifier.
pub(crate) const CLIENT_ID: u8 = 61;
/// User class.
pub(crate) const USER_CLASS: u8 = 77;
/// Domain search list.
pub(crate) const SEARCH: u8 = 119;
/// Static routes without classes.
pub(crate) const CLASSLESS_ROUTES: u8 = 121;
/// As [`CLASSLESS_ROUTES`], by Microsoft.
pub(crate) const CLASSLESS_ROUTES_MS: u8 = 249;
