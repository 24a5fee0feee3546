//! `firewall`, judged by the packets of a node that forwards nothing by default.

mod administrator;
mod cleaning;
mod firewalld;
mod garbage;
mod interoperation;
mod killed;
mod machine;
mod many;
mod node;
mod packets;
mod request;
mod rules;
