//! What the node knows of its attachments: the cache of results, the namespaces, the links.

mod host;
mod known;
mod ports;
mod sandbox;

pub(crate) use host::Host;
pub(crate) use known::{Known, add_by_alias, known};
pub(crate) use ports::PublishedPort;

use std::time::Duration;

/// The fewest characters that an id is shortened to.
const SHORTEST_ID: usize = 12;
/// Ids up to this length are never shortened.
const LONGEST_ID: usize = 28;

/// The beginnings of ids that are as long as the digests of runtimes: long enough to tell all of them
/// apart.
pub(crate) fn short_id<'t>(id: &'t str, all: &[&str]) -> &'t str {
    if id.chars().count() <= LONGEST_ID {
        return id;
    }
    let ends = id.char_indices().map(|(end, _)| end).skip(SHORTEST_ID);
    let mut prefixes = ends.filter_map(|end| id.get(..end));
    let is_unique = |prefix: &&str| {
        !all.iter()
            .any(|other| *other != id && other.starts_with(*prefix))
    };
    prefixes.find(is_unique).unwrap_or(id)
}

/// A time span in its two largest units: `3d4h`, `5m12s`, `0s`.
pub(crate) fn span(age: Duration) -> String {
    const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
    let seconds = age.as_secs();
    let Some(first) = UNITS.iter().position(|(_, length)| seconds >= *length) else {
        return "0s".to_owned();
    };
    let mut rest = seconds;
    let parts = UNITS.iter().skip(first).take(2).map(|(unit, length)| {
        let count = rest / length;
        rest %= length;
        (count, unit)
    });
    let parts = parts.filter(|(count, _)| *count > 0);
    parts
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect::<Vec<_>>()
        .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (3_725, "1h2m"),
            (86_400 * 40 + 3_601, "40d1h"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn only_long_ids_are_shortened_and_stay_distinct() {
        let (one, other) = ("a".repeat(64), format!("{}b", "a".repeat(63)));
        let third = "0123456789abcdef".repeat(4);
        let all = [one.as_str(), &other, &third];
        assert_eq!(short_id(&third, &all), "0123456789ab");
        assert_eq!(short_id(&one, &all), one);
        assert_eq!(short_id("cnitool-77383ca0a0715733ca6f", &all).len(), 28);
        assert_eq!(short_id(&"ä".repeat(40), &all), "ä".repeat(12));
    }
}
