//! The grammar of `CNI_ARGS`.

use std::collections::BTreeMap;
use std::fmt::Display;

use crate::{Code, Error};

/// The pairs of `CNI_ARGS` that a plugin knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Args(BTreeMap<String, String>);

impl Args {
    /// Splits `text` into pairs, of which only those named in `known` are kept.
    ///
    /// Keys match exactly, the last of a repeated key wins, nothing is trimmed. Other keys are an
    /// error unless `IgnoreUnknown` is true somewhere in the text.
    pub fn parse(text: &str, known: &[&str]) -> Result<Self, Error> {
        let mut args = BTreeMap::new();
        let mut unknown = Vec::new();
        let mut ignore_unknown = false;
        for pair in text.split(';').filter(|_| !text.is_empty()) {
            let (key, value) = pair
                .split_once('=')
                .filter(|(_, value)| !value.contains('='))
                .ok_or_else(|| {
                    wrong(format_args!(
                        "invalid pair {pair:?}: expected KEY=VALUE pairs separated by semicolons"
                    ))
                })?;
            if key == "IgnoreUnknown" {
                ignore_unknown = match value.to_lowercase().as_str() {
                    "1" | "true" => true,
                    "0" | "false" => false,
                    _ => {
                        return Err(wrong(format_args!(
                            "IgnoreUnknown is {value:?}: expected 1, true, 0 or false"
                        )));
                    }
                };
            } else if known.contains(&key) {
                args.insert(key.to_owned(), value.to_owned());
            } else {
                unknown.push(pair.to_owned());
            }
        }
        if unknown.is_empty() || ignore_unknown {
            Ok(Self(args))
        } else {
            Err(wrong(format_args!(
                "unknown args {unknown:?}: add IgnoreUnknown=1 if other plugins need them"
            )))
        }
    }

    /// The value of a known key; an empty value counts as absent.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.0
            .get(key)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }
}

fn wrong(problem: impl Display) -> Error {
    Error::new(Code::InvalidEnvironment, format!("CNI_ARGS: {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_keys_are_kept_and_the_last_one_wins() {
        let args = Args::parse("IP=1;MAC=;IP=2", &["IP", "MAC"]).unwrap();
        assert_eq!((args.value("IP"), args.value("MAC")), (Some("2"), None));
        assert_eq!(Args::parse("", &["IP"]), Ok(Args::default()));
    }

    #[test]
    fn unknown_keys_need_ignore_unknown_anywhere() {
        assert_eq!(
            Args::parse("A=1;IP=2;ip=3", &["IP"]),
            Err(wrong(
                r#"unknown args ["A=1", "ip=3"]: add IgnoreUnknown=1 if other plugins need them"#
            ))
        );
        assert!(Args::parse("A=1;IgnoreUnknown=TRUE", &[]).is_ok());
        assert!(Args::parse("IgnoreUnknown=1;A=1;IgnoreUnknown=0", &[]).is_err());
        assert_eq!(
            Args::parse("IgnoreUnknown=yes", &[]),
            Err(wrong(
                r#"IgnoreUnknown is "yes": expected 1, true, 0 or false"#
            ))
        );
    }

    #[test]
    fn every_piece_has_exactly_one_equals_sign() {
        for bad in ["A", "A=b=c", "IP=1;", ";", "IP=1,MAC=2=3"] {
            let error = Args::parse(bad, &["IP"]).unwrap_err();
            assert!(error.msg.starts_with("CNI_ARGS: invalid pair "), "{bad}");
        }
    }
}
