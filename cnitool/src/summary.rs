//! A result for human eyes.

use cni_types::{CniResult, Dns, Interface, IpConfig, Route, address_text};

use crate::table::Table;

/// Interfaces, addresses, routes and name resolution of a result, as tables.
pub(crate) fn text(result: &CniResult) -> String {
    let parts = [
        interfaces(result),
        addresses(result),
        routes(&result.routes),
        dns(&result.dns),
    ];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    if parts.is_empty() {
        return "the result is empty\n".to_owned();
    }
    parts.join("\n")
}

fn interfaces(result: &CniResult) -> String {
    let mut table = Table::new(&["INTERFACE", "IN", "MAC", "MTU", "DEVICE"]);
    for interface in &result.interfaces {
        let place = if interface.sandbox.is_empty() {
            "host"
        } else {
            "container"
        };
        table.row(vec![
            interface.name.clone(),
            place.to_owned(),
            interface.mac.clone(),
            shown(interface.mtu),
            device(interface),
        ]);
    }
    table.text()
}

fn device(interface: &Interface) -> String {
    let parts = [&interface.pci_id, &interface.socket_path];
    let parts: Vec<&str> = parts
        .into_iter()
        .map(String::as_str)
        .filter(|p| !p.is_empty())
        .collect();
    parts.join(" ")
}

fn addresses(result: &CniResult) -> String {
    let on = |ip: &IpConfig| {
        result
            .interface_of(ip)
            .map(|interface| interface.name.clone())
    };
    let mut table = Table::new(&["ADDRESS", "ON", "GATEWAY"]);
    for ip in &result.ips {
        table.row(vec![
            ip.address.to_string(),
            on(ip).unwrap_or_default(),
            ip.gateway.map(address_text).unwrap_or_default(),
        ]);
    }
    table.text()
}

fn routes(routes: &[Route]) -> String {
    let mut table = Table::new(&["ROUTE", "VIA", "MTU", "MSS", "METRIC", "TABLE", "SCOPE"]);
    for route in routes {
        table.row(vec![
            destination(route),
            route.gw.map(address_text).unwrap_or_default(),
            shown(route.mtu),
            shown(route.advmss),
            shown(route.priority),
            route
                .table
                .map(|table| table.to_string())
                .unwrap_or_default(),
            route.scope.map(scope).unwrap_or_default(),
        ]);
    }
    table.text()
}

fn destination(route: &Route) -> String {
    match (route.is_default(), route.dst.is_ipv4()) {
        (true, true) => "default".to_owned(),
        (true, false) => "default (IPv6)".to_owned(),
        (false, _) => route.dst.to_string(),
    }
}

/// The names that `ip route` uses.
fn scope(number: u8) -> String {
    match number {
        0 => "global".to_owned(),
        253 => "link".to_owned(),
        254 => "host".to_owned(),
        other => other.to_string(),
    }
}

fn dns(dns: &Dns) -> String {
    let list = |list: &Option<Vec<String>>| list.as_deref().unwrap_or_default().join(" ");
    let mut table = Table::new(&["NAME SERVERS", "DOMAIN", "SEARCH", "OPTIONS"]);
    table.row(vec![
        list(&dns.nameservers),
        dns.domain.clone(),
        list(&dns.search),
        list(&dns.options),
    ]);
    table.text()
}

/// A number of which 0 means that nothing was said.
fn shown(number: u32) -> String {
    if number == 0 {
        String::new()
    } else {
        number.to_string()
    }
}

#[cfg(test)]
mod tests {
    use cni_types::SpecVersion;

    use super::*;

    fn show(json: &str) -> String {
        text(
            &CniResult::read(json.as_bytes(), SpecVersion::LATEST)
                .unwrap()
                .1,
        )
    }

    #[test]
    fn a_full_result_fits_on_a_screen() {
        let json = r#"{
            "interfaces": [
                {"name": "cni0", "mac": "02:00:00:00:00:01"},
                {"name": "eth0", "mac": "02:00:00:00:00:02", "mtu": 1500, "sandbox": "/run/netns/a"}],
            "ips": [
                {"address": "10.1.0.2/24", "gateway": "10.1.0.1", "interface": 1},
                {"address": "fd00::2/64", "interface": 7}],
            "routes": [{"dst": "0.0.0.0/0"}, {"dst": "10.2.0.0/16", "gw": "10.1.0.9", "scope": 253}],
            "dns": {"nameservers": ["1.1.1.1", "9.9.9.9"], "search": ["example.org"]}}"#;
        assert_eq!(
            show(json),
            "\
INTERFACE  IN         MAC                MTU
cni0       host       02:00:00:00:00:01
eth0       container  02:00:00:00:00:02  1500

ADDRESS      ON    GATEWAY
10.1.0.2/24  eth0  10.1.0.1
fd00::2/64

ROUTE        VIA       SCOPE
default
10.2.0.0/16  10.1.0.9  link

NAME SERVERS     SEARCH
1.1.1.1 9.9.9.9  example.org
"
        );
    }

    #[test]
    fn parts_without_content_are_left_out() {
        assert_eq!(show("{}"), "the result is empty\n");
        assert_eq!(
            show(r#"{"ips": [{"address": "10.1.0.2/24"}]}"#),
            "ADDRESS\n10.1.0.2/24\n"
        );
    }
}
