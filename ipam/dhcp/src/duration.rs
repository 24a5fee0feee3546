//! Durations as Go's `time.ParseDuration` reads them: `500ms`, `2m30s`, `1.5h`.

use std::time::Duration;

/// Units, longer names before those they begin with; in nanoseconds.
const UNITS: [(&str, f64); 8] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("\u{b5}s", 1e3),
    ("\u{3bc}s", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 60e9),
    ("h", 3600e9),
];

/// Reads a duration. A negative one, or a number without a unit other than 0, is an error.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let invalid = || format!("invalid duration {text:?}: write it as 500ms, 10s or 2m30s");
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    let mut nanoseconds = 0.0;
    if rest.is_empty() {
        return Err(invalid());
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.');
        let (number, after) = rest
            .split_at_checked(end.unwrap_or(rest.len()))
            .ok_or_else(invalid)?;
        if !number.bytes().any(|byte| byte.is_ascii_digit()) {
            return Err(invalid());
        }
        let number: f64 = number.parse().map_err(|_| invalid())?;
        let unit = UNITS.iter().find_map(|(name, factor)| {
            let left = after.strip_prefix(name)?;
            // `m` is not the start of `ms`.
            let whole =
                left.is_empty() || left.starts_with(|c: char| c.is_ascii_digit() || c == '.');
            whole.then_some((*factor, left))
        });
        let (factor, left) = unit.ok_or_else(invalid)?;
        nanoseconds += number * factor;
        rest = left;
    }
    Duration::try_from_secs_f64(nanoseconds / 1e9).map_err(|_| invalid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gos_forms_are_read() {
        for (text, milliseconds) in [
            ("0", 0),
            ("0s", 0),
            ("500ms", 500),
            ("10s", 10_000),
            ("2m30s", 150_000),
            ("1.5h", 5_400_000),
            (".5s", 500),
            ("1h1m1s1ms", 3_661_001),
            ("+3s", 3_000),
            ("1500us", 1),
        ] {
            assert_eq!(parse(text).unwrap().as_millis(), milliseconds, "{text}");
        }
    }

    #[test]
    fn others_are_errors() {
        for text in [
            "",
            "10",
            "s",
            "10 s",
            "10x",
            "-1s",
            "1.2.3s",
            "ms",
            "1e9s",
            "10s5",
            "9999999999999999999999h",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(text in ".*") {
            let _ = parse(&text);
        }

        #[test]
        fn milliseconds_come_back(number in 0u32..10_000_000) {
            proptest::prop_assert_eq!(parse(&format!("{number}ms")).unwrap(), Duration::from_millis(number.into()));
        }
    }
}
