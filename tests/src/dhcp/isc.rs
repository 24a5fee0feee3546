//! ISC dhcpd.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::IpAddr;
use std::path::Path;

use crate::dhcp::server::copy_executable;
use crate::dhcp::{Pool, ServerLease, hexadecimal};

/// Logged once it listens.
pub(crate) const STARTED: &str = "Server starting service.";

pub(crate) fn command(folder: &Path, pool: &Pool) -> Vec<String> {
    let path = |name: &str| folder.join(name).display().to_string();
    std::fs::write(folder.join("config"), config(pool)).expect("write a configuration");
    // It does not start without the file.
    let file = folder.join("leases");
    if !file.exists() {
        File::create(file).expect("create the file of leases");
    }
    let executable = copy_executable("dhcpd", folder);
    let family = if pool.ipv6 { "-6" } else { "-4" };
    let mut words = vec![executable, family.to_owned()];
    words.extend(["-f", "-d", "-cf"].map(str::to_owned));
    words.extend([path("config"), "-lf".to_owned(), path("leases")]);
    words.extend(["-pf".to_owned(), path("pid"), "eth0".to_owned()]);
    words
}

fn config(pool: &Pool) -> String {
    let [first, last, own] = pool.ends();
    let extra = pool.extra.join("\n");
    let seconds = pool.seconds;
    let common = format!(
        "default-lease-time {seconds};\nmin-lease-time {seconds};\nmax-lease-time {seconds};\n\
         authoritative;\nping-check false;\ndhcp-cache-threshold 0;\n"
    );
    if pool.ipv6 {
        let (renew, rebind) = (seconds / 2, seconds * 4 / 5);
        format!(
            "{common}option dhcp-renewal-time {renew};\noption dhcp-rebinding-time {rebind};\n\
             preferred-lifetime {seconds};\n\
             subnet6 fd00:9::/64 {{\nrange6 {first} {last};\n{extra}\n}}\n"
        )
    } else {
        format!(
            "{common}subnet 10.9.0.0 netmask 255.255.255.0 {{\n\
             range {first} {last};\noption routers {own};\n{extra}\n}}\n"
        )
    }
}

/// The file is a log of blocks, the last one about an address being true.
pub(crate) fn leases(text: &str) -> Vec<ServerLease> {
    let mut held: BTreeMap<IpAddr, ServerLease> = BTreeMap::new();
    let mut address: Option<IpAddr> = None;
    let mut client = String::new();
    for line in text.lines() {
        let words: Vec<&str> = line
            .trim()
            .trim_end_matches(';')
            .split_whitespace()
            .collect();
        match words.as_slice() {
            ["lease" | "iaaddr", of, "{"] => address = of.parse().ok(),
            ["ia-na", ..] => client.clear(),
            ["uid", ..] => {
                let quoted = line.trim().trim_start_matches("uid ").trim_end_matches(';');
                client = hex_of_quoted(quoted);
                if let Some(lease) = address.and_then(|address| held.get_mut(&address)) {
                    lease.client.clone_from(&client);
                }
            }
            ["binding", "state", state] => {
                let Some(address) = address else { continue };
                held.remove(&address);
                if *state == "active" {
                    let client = String::new();
                    held.insert(address, ServerLease { address, client });
                }
            }
            _ => {}
        }
    }
    held.into_values().collect()
}

/// The bytes of a quoted string with octal escapes, in hexadecimal digits.
fn hex_of_quoted(text: &str) -> String {
    let mut bytes = text.trim_matches('"').bytes().peekable();
    let mut found = Vec::new();
    while let Some(byte) = bytes.next() {
        let mut value = byte;
        if byte == b'\\' {
            let digit = |byte: &u8| (b'0'..=b'7').contains(byte);
            let mut octal = None;
            for _ in 0..3 {
                let Some(next) = bytes.next_if(digit) else {
                    break;
                };
                octal = Some(octal.unwrap_or(0_u8).wrapping_mul(8) + (next - b'0'));
            }
            value = octal.unwrap_or_else(|| bytes.next().unwrap_or(0));
        }
        found.push(value);
    }
    hexadecimal(&found)
}
