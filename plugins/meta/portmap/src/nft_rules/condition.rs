//! `conditionsV4` and `conditionsV6` in the syntax of nftables.
//!
//! The Go plugin passes them to the `nft` tool. Here no tool is started, so a part of the syntax is
//! parsed: comparisons of addresses, interfaces and the packet mark.
//!
//! ```text
//! ip saddr != { 10.0.0.0/8, 192.0.2.1 }    ip6 daddr fd00::/64    iifname "eth0"    meta mark 0x10
//! ```

use std::iter::Peekable;
use std::vec::IntoIter;

use cni_types::{Code, Error};
use ferrule_kernel::{Family, IpNetwork};
use ferrule_netfilter::nft::{self, Rule};

/// What a comparison is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    Source,
    Destination,
    InInterface,
    Mark,
}

/// The beginnings of rules for one family, one of which matches each packet that meets the conditions:
/// a set of values makes several alternatives. The words may be split anyhow.
pub(crate) fn rules(words: &[String], family: Family) -> Result<Vec<Rule>, Error> {
    let mut rules = vec![Rule::new(nft::Family::of(family))];
    let mut tokens = tokens(words).into_iter().peekable();
    while tokens.peek().is_some() {
        let reader = Reader {
            tokens: &mut tokens,
            family,
        };
        rules = reader.condition(&rules).map_err(|what| {
            let msg = format!("condition {:?}: {what}", words.join(" "));
            Error::new(Code::UnsupportedField, msg).details(
                "conditions for nftables compare ip or ip6 saddr and daddr, iifname, and meta mark",
            )
        })?;
    }
    Ok(rules)
}

/// Splits the words at blanks; braces and commas are tokens.
fn tokens(words: &[String]) -> Vec<String> {
    let mut tokens = Vec::new();
    for word in words.iter().flat_map(|word| word.split_whitespace()) {
        let mut rest = word;
        while let Some(place) = rest.find(['{', '}', ',']) {
            let (before, from) = rest.split_at(place);
            let (mark, behind) = from.split_at(1);
            tokens.extend([before, mark].map(str::to_owned));
            rest = behind;
        }
        tokens.push(rest.to_owned());
    }
    tokens.retain(|token| !token.is_empty());
    tokens
}

struct Reader<'a> {
    tokens: &'a mut Peekable<IntoIter<String>>,
    family: Family,
}

impl Reader<'_> {
    /// Reads one comparison and adds it to the rules.
    fn condition(mut self, rules: &[Rule]) -> Result<Vec<Rule>, String> {
        let subject = self.subject()?;
        let negated = self.tokens.next_if(|token| token == "!=").is_some();
        if !negated {
            let _ = self.tokens.next_if(|token| token == "==");
        }
        let values = self.values()?;
        let compared =
            |rule: &Rule, value: &String| self.compared(rule.clone(), subject, negated, value);
        // None of the values, or one of them.
        if negated {
            let all = |rule: &Rule| {
                let mut values = values.iter();
                values.try_fold(rule.clone(), |rule, value| compared(&rule, value))
            };
            return rules.iter().map(all).collect();
        }
        let each = |rule| values.iter().map(move |value| (rule, value));
        let pairs = rules.iter().flat_map(each);
        pairs.map(|(rule, value)| compared(rule, value)).collect()
    }

    fn subject(&mut self) -> Result<Subject, String> {
        let first = self.word()?;
        let own = match self.family {
            Family::V4 => "ip",
            Family::V6 => "ip6",
        };
        match first.as_str() {
            "iifname" | "iif" => Ok(Subject::InInterface),
            "mark" => Ok(Subject::Mark),
            "meta" => match self.word()?.as_str() {
                "iifname" | "iif" => Ok(Subject::InInterface),
                "mark" => Ok(Subject::Mark),
                other => Err(format!("unknown word {other:?} behind meta")),
            },
            name if name == own => match self.word()?.as_str() {
                "saddr" => Ok(Subject::Source),
                "daddr" => Ok(Subject::Destination),
                other => Err(format!("unknown word {other:?} behind {own}")),
            },
            other => Err(format!("unknown word {other:?}")),
        }
    }

    fn values(&mut self) -> Result<Vec<String>, String> {
        if self.tokens.next_if(|token| token == "{").is_none() {
            return Ok(vec![self.word()?]);
        }
        let mut values = Vec::new();
        loop {
            values.push(self.word()?);
            match self.word()?.as_str() {
                "," => {}
                "}" => return Ok(values),
                other => return Err(format!("{other:?} where a comma or brace was expected")),
            }
        }
    }

    /// The rule with one comparison more.
    fn compared(
        &self,
        rule: Rule,
        subject: Subject,
        negated: bool,
        text: &str,
    ) -> Result<Rule, String> {
        let wrong = || format!("{text:?} is not understood");
        match subject {
            Subject::Source | Subject::Destination => {
                let network: IpNetwork = text.parse().map_err(|_| wrong())?;
                if Family::of(network.ip()) != self.family {
                    return Err(format!("{text:?} is of the other family"));
                }
                Ok(match (subject, negated) {
                    (Subject::Source, false) => rule.source(network),
                    (Subject::Source, true) => rule.source_outside(network),
                    (_, false) => rule.destination(network),
                    (_, true) => rule.destination_outside(network),
                })
            }
            Subject::InInterface => {
                let name = text.trim_matches('"');
                if name.ends_with('*') || cni_types::check_interface_name(name).is_err() {
                    return Err(wrong());
                }
                Ok(if negated {
                    rule.in_interface_other_than(name)
                } else {
                    rule.in_interface(name)
                })
            }
            Subject::Mark if negated => Err("marks cannot be compared with !=".to_owned()),
            Subject::Mark => {
                let number = match text.strip_prefix("0x") {
                    Some(digits) => u32::from_str_radix(digits, 16),
                    None => text.parse(),
                };
                Ok(rule.mark(number.map_err(|_| wrong())?, u32::MAX))
            }
        }
    }

    fn word(&mut self) -> Result<String, String> {
        self.tokens
            .next()
            .ok_or_else(|| "it ends too early".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(words: &[&str], family: Family) -> Result<Vec<Rule>, String> {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        super::rules(&words, family).map_err(|error| {
            assert_eq!(error.code, 2);
            error.msg
        })
    }

    fn start(family: Family) -> Rule {
        Rule::new(nft::Family::of(family))
    }

    fn network(text: &str) -> IpNetwork {
        text.parse().unwrap()
    }

    #[test]
    fn no_conditions_are_one_rule_without_any() {
        assert_eq!(rules(&[], Family::V4), Ok(vec![start(Family::V4)]));
        assert_eq!(rules(&["", " "], Family::V4), Ok(vec![start(Family::V4)]));
    }

    #[test]
    fn comparisons_follow_one_another() {
        let expected = start(Family::V4)
            .source_outside(network("10.0.0.0/8"))
            .destination(network("192.0.2.1"))
            .in_interface("eth0")
            .mark(16, u32::MAX);
        let words = [
            "ip",
            "saddr",
            "!=",
            "10.0.0.0/8",
            "ip daddr 192.0.2.1",
            "iifname",
            "\"eth0\"",
            "meta",
            "mark",
            "0x10",
        ];
        assert_eq!(rules(&words, Family::V4), Ok(vec![expected]));
        let expected = start(Family::V6).destination(network("fd00::/64"));
        assert_eq!(
            rules(&["ip6 daddr == fd00::/64"], Family::V6),
            Ok(vec![expected])
        );
    }

    #[test]
    fn sets_are_alternatives_and_their_negation_is_not() {
        let (a, b) = (network("10.0.0.0/8"), network("192.0.2.1"));
        let either = rules(&["ip saddr {10.0.0.0/8,192.0.2.1} iif eth0"], Family::V4);
        let with = |source| start(Family::V4).source(source).in_interface("eth0");
        assert_eq!(either, Ok(vec![with(a), with(b)]));
        let neither = rules(
            &["ip", "saddr", "!=", "{", "10.0.0.0/8,", "192.0.2.1 }"],
            Family::V4,
        );
        let expected = start(Family::V4).source_outside(a).source_outside(b);
        assert_eq!(neither, Ok(vec![expected]));
    }

    #[test]
    fn what_is_not_understood_is_refused_and_told() {
        for (words, family, told) in [
            ("ip saddr", Family::V4, "it ends too early"),
            ("ip6 saddr fd00::1", Family::V4, "unknown word \"ip6\""),
            ("ip saddr fd00::1", Family::V4, "is of the other family"),
            (
                "ip saddr 10.0.0.1-10.0.0.9",
                Family::V4,
                "is not understood",
            ),
            ("ip saddr { 10.0.0.1", Family::V4, "it ends too early"),
            (
                "ip saddr { 10.0.0.1 10.0.0.2 }",
                Family::V4,
                "where a comma or brace",
            ),
            ("iifname \"veth*\"", Family::V4, "is not understood"),
            ("meta mark != 1", Family::V4, "cannot be compared with !="),
            (
                "meta skuid 0",
                Family::V4,
                "unknown word \"skuid\" behind meta",
            ),
            (
                "ip protocol tcp",
                Family::V4,
                "unknown word \"protocol\" behind ip",
            ),
            ("tcp sport 80", Family::V6, "unknown word \"tcp\""),
        ] {
            let error = rules(&[words], family).unwrap_err();
            assert!(error.contains(told), "{words}: {error}");
        }
    }
}
