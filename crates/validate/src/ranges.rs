//! The ranges that `host-local` hands out addresses from.

use std::net::IpAddr;

use cni_types::{Cidr, parse_address};
use jsonc_parser::ast::{Object, Value};

use crate::document::{Document, Place, entry, join, text};
use crate::{Finding, Report};

/// A network whose addresses are handed out, and where it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subnet {
    pub(crate) network: Cidr,
    first: IpAddr,
    last: IpAddr,
    set: usize,
    pub(crate) place: Finding,
}

impl Subnet {
    /// Whether the two hand out an address in common.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.first.is_ipv4() == other.first.is_ipv4()
            && self.first <= other.last
            && other.first <= self.last
    }
}

/// Checks the ranges of one `ipam`, and adds them to the report.
pub(crate) fn check(document: &Document<'_>, ipam: &Object<'_>, path: &str, report: &mut Report) {
    let mut subnets: Vec<Subnet> = Vec::new();
    let mut range =
        |object: &Object<'_>, set: usize, path: &str| match subnet(document, object, set, path) {
            Ok(subnet) => subnets.extend(subnet),
            Err(finding) => report.findings.push(finding),
        };
    let has_single = text(ipam, "subnet").is_some();
    if has_single {
        range(ipam, 0, path);
    }
    let mut empty = Vec::new();
    if let Some(Value::Array(sets)) = entry(ipam, "ranges").map(|entry| &entry.value) {
        for (index, set) in sets.elements.iter().enumerate() {
            let path = format!("{}[{index}]", join(path, "ranges"));
            match set {
                Value::Array(ranges) if !ranges.elements.is_empty() => {
                    for (at, element) in ranges.elements.iter().enumerate() {
                        if let Value::Object(object) = element {
                            range(object, index + 1, &format!("{path}[{at}]"));
                        }
                    }
                }
                Value::Array(_) => {
                    empty.push(document.place(set).error(&path, "the list is empty"));
                }
                _ => {}
            }
        }
    }
    report.findings.extend(empty);
    for (index, one) in subnets.iter().enumerate() {
        for other in subnets.iter().skip(index + 1) {
            let Finding {
                line, column, path, ..
            } = &other.place;
            let place = Place {
                line: *line,
                column: *column,
            };
            if one.overlaps(other) {
                let text = format!(
                    "the range {}-{} overlaps with {}-{} of {}",
                    other.first, other.last, one.first, one.last, one.place.path
                );
                report.findings.push(place.error(path, text));
            } else if one.set == other.set && one.first.is_ipv4() != other.first.is_ipv4() {
                let text = "IPv4 and IPv6 in one set: a container gets one address of each set, so \
                            write them as two";
                report.findings.push(place.error(path, text));
            }
        }
    }
    report.subnets.extend(subnets);
}

/// The addresses of one range; nothing where a value is no address, which the schema reports.
fn subnet(
    document: &Document<'_>,
    object: &Object<'_>,
    set: usize,
    path: &str,
) -> Result<Option<Subnet>, Finding> {
    let Some(property) = entry(object, "subnet") else {
        return Err(document
            .place(object)
            .error(path, "the key \"subnet\" is missing"));
    };
    let place = document.place(property);
    let subnet_path = join(path, "subnet");
    let Some(network) = text(object, "subnet").and_then(|text| text.parse::<Cidr>().ok()) else {
        return Ok(None);
    };
    let bits = if network.is_ipv4() { 32 } else { 128 };
    if network.prefix() > bits - 2 {
        return Err(place.error(
            &subnet_path,
            format!("{network} is too small to hand out addresses of"),
        ));
    }
    if network.masked() != network {
        let text = format!(
            "{network} is an address in the network {}",
            network.masked()
        );
        return Err(place
            .error(&subnet_path, text)
            .meant(network.masked().to_string()));
    }
    let (lowest, highest) = (network.network().network(), network.network().broadcast());
    let end = |key: &str, default: IpAddr| {
        let Some(property) = entry(object, key) else {
            return Ok(default);
        };
        let Some(address) = text(object, key).and_then(|text| parse_address(text).ok()) else {
            return Ok(default);
        };
        if network.contains(address) {
            return Ok(address);
        }
        let text = format!("{address} is not in the network {network}");
        Err(document.place(property).error(&join(path, key), text))
    };
    let (first, last) = (end("rangeStart", lowest)?, end("rangeEnd", highest)?);
    if first > last {
        let text = format!("the range begins at {first}, behind its end {last}");
        return Err(place.error(path, text));
    }
    let place = place.warning(&subnet_path, "");
    Ok(Some(Subnet {
        network,
        first,
        last,
        set,
        place,
    }))
}
