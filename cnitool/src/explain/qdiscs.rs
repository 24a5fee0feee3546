//! Queueing disciplines of the container's links.

use ferrule_kernel::tc::{Qdisc, TICKS_PER_8_MICROSECONDS};
use ferrule_kernel::{Link, RtnlSocket};
use serde_json::Value;

use super::links::{CONTAINER, HOST};
use super::section::Section;
use super::subject::Subject;

pub(super) fn section(subject: &Subject) -> Section {
    let mut section = Section::new(
        "queueingDisciplines",
        &[
            "where",
            "interface",
            "place",
            "kind",
            "bitsPerSecond",
            "burstBytes",
            "redirectsTo",
        ],
    );
    for link in &subject.host_links {
        let socket = &subject.host.socket;
        of_link(&mut section, HOST, socket, link, |index| {
            subject.host.by_index(index)
        });
    }
    for known in &subject.attachments {
        if let (Ok(sandbox), Some(link)) = (&known.sandbox, &known.link) {
            of_link(&mut section, CONTAINER, &sandbox.socket, link, |_| None);
        }
    }
    section
}

fn of_link<'l>(
    section: &mut Section,
    place: &str,
    socket: &RtnlSocket,
    link: &Link,
    by_index: impl Fn(u32) -> Option<&'l Link>,
) {
    if let Some(Some(qdisc)) = section.note(socket.root_qdisc(link.index)) {
        row(section, place, link, "egress", &qdisc, Value::Null);
    }
    if let Some(Some(qdisc)) = section.note(socket.ingress_qdisc(link.index)) {
        let filters = section
            .note(socket.ingress_filters(link.index))
            .unwrap_or_default();
        let targets = filters
            .iter()
            .filter_map(|filter| by_index(filter.redirect?));
        let targets: Vec<String> = targets.map(|target| target.name.clone()).collect();
        row(section, place, link, "ingress", &qdisc, targets.into());
    }
}

fn row(section: &mut Section, place: &str, link: &Link, side: &str, qdisc: &Qdisc, to: Value) {
    // The kernel's own queue, or none, limits nothing.
    if qdisc.kind == "noqueue" {
        return;
    }
    let rate = qdisc.tbf.map(|tbf| tbf.rate.saturating_mul(8));
    let burst = qdisc.tbf.map(|tbf| {
        // The time that filling the bucket takes, in ticks, times the rate in bytes per second.
        let ticks_per_second = u128::from(TICKS_PER_8_MICROSECONDS) * 125_000;
        let bytes = u128::from(tbf.buffer) * u128::from(tbf.rate) / ticks_per_second;
        u64::try_from(bytes).unwrap_or(u64::MAX)
    });
    section.row([
        place.into(),
        link.name.clone().into(),
        side.into(),
        qdisc.kind.clone().into(),
        rate.map_or(Value::Null, Value::from),
        burst.map_or(Value::Null, Value::from),
        to,
    ]);
}
