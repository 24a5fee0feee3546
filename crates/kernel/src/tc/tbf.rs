//! The token bucket filter (tc-tbf(8)): a limit of a link's egress rate.

use netlink_packet_core::DefaultNla;
use netlink_packet_route::tc::{TcAttribute, TcOption};
use nix::libc::RTM_NEWQDISC;

use super::qdisc::EXCLUSIVE;
use super::{ROOT, ROOT_HANDLE, at};
use crate::netlink::{Attribute, Message, u32_at};

/// A tick of the packet scheduler is 64 ns (`PSCHED_SHIFT` of `include/net/pkt_sched.h`, since
/// kernel 2.6.31): 125 ticks are 8 µs.
pub const TICKS_PER_8_MICROSECONDS: u64 = 125;

const TCA_TBF_PARMS: u16 = 1;
const TCA_TBF_RATE64: u16 = 4;

/// Length of `struct tc_ratespec`, of which `struct tc_tbf_qopt` begins with two.
const RATE_SPEC: usize = 12;

/// A token bucket filter.
///
/// The bucket holds the bytes of `buffer` ticks at the rate. Larger packets are segmented if they can
/// be (GSO), else dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tbf {
    /// Rate in bytes per second.
    pub rate: u64,
    /// Limit of the queue in bytes.
    pub limit: u32,
    /// Size of the bucket, as the time to fill it, in ticks of 64 ns.
    pub buffer: u32,
}

impl Tbf {
    /// The kernel's name of the kind.
    pub const KIND: &'static str = "tbf";

    /// The message that creates the filter at the root of a link. A root queueing discipline other
    /// than the default is an error
    /// ([`NetlinkError::is_exists`](crate::netlink::NetlinkError::is_exists)).
    pub fn create(&self, index: u32) -> Message {
        let mut body = at(index, ROOT, ROOT_HANDLE);
        body.attributes = vec![
            TcAttribute::Kind(Self::KIND.to_owned()),
            TcAttribute::Options(self.options()),
        ];
        let step = format!("create tbf qdisc on link {index}");
        Message::new(step, RTM_NEWQDISC, EXCLUSIVE, &body)
    }

    fn options(&self) -> Vec<TcOption> {
        let option = |kind, value| TcOption::Other(DefaultNla::new(kind, value));
        // The kernel ignores this 32-bit field if TCA_TBF_RATE64 is present.
        let rate = u32::try_from(self.rate).unwrap_or(u32::MAX);
        let parameters = [
            rate_spec(rate).as_slice(),
            &rate_spec(0), // no limit of the peak rate
            &self.limit.to_ne_bytes(),
            &self.buffer.to_ne_bytes(),
            &0_u32.to_ne_bytes(), // bucket of the peak rate
        ]
        .concat();
        let mut options = vec![option(TCA_TBF_PARMS, parameters)];
        if u32::try_from(self.rate).is_err() {
            options.push(option(TCA_TBF_RATE64, self.rate.to_ne_bytes().to_vec()));
        }
        options
    }
}

/// `struct tc_ratespec` with the rate alone.
fn rate_spec(rate: u32) -> [u8; RATE_SPEC] {
    let mut spec = [0; RATE_SPEC];
    if let Some(field) = spec.last_chunk_mut() {
        *field = rate.to_ne_bytes();
    }
    spec
}

/// Reads `TCA_OPTIONS` of a token bucket filter.
pub(super) fn read(options: Attribute<'_>) -> Option<Tbf> {
    let find = |kind| options.nested().find(|found| found.kind == kind);
    let parameters = find(TCA_TBF_PARMS)?.value;
    let number = |offset| u32_at(parameters, offset);
    let wide = find(TCA_TBF_RATE64)
        .and_then(|found| found.value.first_chunk().copied())
        .map(u64::from_ne_bytes);
    Some(Tbf {
        rate: wide.or(number(RATE_SPEC - 4).map(u64::from))?,
        limit: number(2 * RATE_SPEC)?,
        buffer: number(2 * RATE_SPEC + 4)?,
    })
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::{Emitable as _, Nla as _};

    use super::*;

    fn bytes(tbf: Tbf) -> Vec<u8> {
        let options = tbf.options();
        let mut bytes = vec![0; options.as_slice().buffer_len()];
        options.as_slice().emit(&mut bytes);
        bytes
    }

    #[test]
    fn a_filter_reads_back_as_written() {
        for rate in [1000, u64::from(u32::MAX), 1 << 32, u64::MAX] {
            let tbf = Tbf {
                rate,
                limit: 35,
                buffer: 156_250,
            };
            let value = bytes(tbf);
            let read = read(Attribute {
                kind: 2,
                value: &value,
            });
            assert_eq!(read, Some(tbf));
            assert_eq!(tbf.options().len(), 1 + usize::from(rate >= 1 << 32));
            assert_eq!(tbf.options()[0].value_len(), 36);
        }
    }

    #[test]
    fn truncated_options_are_no_filter() {
        let value = [8, 0, 1, 0, 0, 0, 0, 0];
        assert_eq!(
            read(Attribute {
                kind: 2,
                value: &value
            }),
            None
        );
    }
}
