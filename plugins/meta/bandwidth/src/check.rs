//! CHECK: compares the kernel's values with those of ADD.

use ferrule_kernel::{IngressFilter, Link, Tbf};
use ferrule_net::{AttachmentId, Host, NetError, check};

use crate::egress;
use crate::limit::Limit;

/// Fails unless the egress of a link has this limit, as this plugin or the Go plugin sets it.
pub(crate) fn limit(host: &Host, link: &Link, limit: Limit) -> Result<(), NetError> {
    let name = &link.name;
    let qdisc = host.root_qdisc(link.index)?;
    let Some(found) = qdisc.as_ref().and_then(|qdisc| qdisc.tbf) else {
        let kind = qdisc.map_or_else(|| "none".to_owned(), |qdisc| qdisc.kind);
        return mismatch(format!(
            "Failed to find qdisc: interface {name:?} has {kind}, expected tbf"
        ));
    };
    let expected = limit.tbf();
    if [expected, limit.go_tbf()].contains(&found) {
        return Ok(());
    }
    let figures = |tbf: Tbf| {
        [
            ("Rate", "bytes per second", tbf.rate),
            ("Limit", "bytes", tbf.limit.into()),
            ("Buffer", "ticks", tbf.buffer.into()),
        ]
    };
    let texts = figures(found)
        .into_iter()
        .zip(figures(expected))
        .filter(|(found, expected)| found != expected)
        .map(|((what, unit, found), (.., expected))| {
            format!("{what} doesn't match: {found} {unit}, expected {expected}")
        });
    let texts: Vec<String> = texts.collect();
    mismatch(format!("interface {name:?}: {}", texts.join("; ")))
}

/// Fails unless packets from the container go through an IFB link that has this limit.
pub(crate) fn egress(
    host: &Host,
    host_end: &Link,
    id: &AttachmentId,
    expected: Limit,
) -> Result<(), NetError> {
    let found = egress::find(host, id)?;
    let Some(ifb) = found.first() else {
        let [name, _] = id.ifb_names();
        return mismatch(format!(
            "get ifb device: link {name:?} of kind ifb not found on the host"
        ));
    };
    check::up(ifb, "the host")?;
    limit(host, ifb, expected)?;
    let name = &host_end.name;
    if host.ingress_qdisc(host_end.index)?.is_none() {
        return mismatch(format!("interface {name:?} has no ingress qdisc"));
    }
    let redirection = IngressFilter {
        matches_all: true,
        redirect: Some(ifb.index),
    };
    if host.ingress_filters(host_end.index)?.first() != Some(&redirection) {
        return mismatch(format!(
            "interface {name:?} does not redirect its ingress to {:?}",
            ifb.name
        ));
    }
    Ok(())
}

fn mismatch(text: String) -> Result<(), NetError> {
    Err(NetError::Mismatch(text))
}
