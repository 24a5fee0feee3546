//! Rules as iptables words.

use std::fmt;

use ipnetwork::IpNetwork;

use super::shell_words;

/// A rule without its chain: what follows `-A CHAIN`.
///
/// The methods add words in the order of their calls. The tools print addresses and interfaces
/// first, then matches, then the target; a rule written in that order equals what is listed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rule {
    words: Vec<String>,
}

impl Rule {
    /// A rule that matches everything and does nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// A rule of these words.
    pub fn from_words<W: Into<String>>(words: impl IntoIterator<Item = W>) -> Self {
        Self::new().words(words)
    }

    /// Adds any words: matches and targets this type has no method for.
    #[must_use]
    pub fn words<W: Into<String>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.words.extend(words.into_iter().map(Into::into));
        self
    }

    /// Matches packets from a network or address; host bits of a network do not count.
    #[must_use]
    pub fn source(self, network: IpNetwork) -> Self {
        self.words(["-s".to_owned(), network_text(network)])
    }

    /// Matches packets to a network or address; host bits of a network do not count.
    #[must_use]
    pub fn destination(self, network: IpNetwork) -> Self {
        self.words(["-d".to_owned(), network_text(network)])
    }

    /// Matches packets to all other destinations.
    #[must_use]
    pub fn destination_outside(self, network: IpNetwork) -> Self {
        self.words(["!"]).destination(network)
    }

    /// Adds a comment. iptables keeps 255 bytes of it.
    #[must_use]
    pub fn comment(self, text: &str) -> Self {
        self.words(["-m", "comment", "--comment", text])
    }

    /// Jumps to a chain or a target.
    #[must_use]
    pub fn jump(self, target: &str) -> Self {
        self.words(["-j", target])
    }

    pub(super) fn as_words(&self) -> &[String] {
        &self.words
    }
}

impl fmt::Display for Rule {
    /// As the tools print it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shell_words::join(self.words.iter().map(String::as_str)))
    }
}

/// A network without host bits, as the tools print it.
fn network_text(network: IpNetwork) -> String {
    format!("{}/{}", network.network(), network.prefix())
}

/// A rule of a chain that dispatches to other chains by port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The chain it jumps to; `None` for a rule that jumps to none.
    pub target: Option<String>,
    /// The destination ports it matches (`-m multiport`); `None` if they are not listed one by one.
    pub ports: Option<Vec<u16>>,
    /// Its comment.
    pub comment: Option<String>,
}

impl From<&ListedRule> for Entry {
    fn from(rule: &ListedRule) -> Self {
        let ports = rule.option("--dports").map(|text| text.split(','));
        let ports = ports.map(|ports| ports.map(str::parse).collect::<Result<_, _>>());
        Self {
            target: rule.target().map(str::to_owned),
            ports: ports.and_then(Result::ok),
            comment: rule.comment().map(str::to_owned),
        }
    }
}

/// A rule as a tool lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedRule {
    /// The chain it is in.
    pub chain: String,
    /// The rule.
    pub rule: Rule,
}

impl ListedRule {
    /// Reads a line of `iptables -S`; `None` for chains and policies.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let mut words = shell_words::split(line).into_iter();
        if words.next()? != "-A" {
            return None;
        }
        Some(Self {
            chain: words.next()?,
            rule: Rule {
                words: words.collect(),
            },
        })
    }

    /// The chain or target it jumps to.
    pub fn target(&self) -> Option<&str> {
        self.option("-j").or_else(|| self.option("-g"))
    }

    /// The comment on it.
    pub fn comment(&self) -> Option<&str> {
        self.option("--comment")
    }

    /// The value of an option, unless the option is negated.
    pub fn option(&self, name: &str) -> Option<&str> {
        let words = self.rule.as_words();
        let place = words.iter().position(|word| word == name)?;
        let before = place.checked_sub(1).and_then(|before| words.get(before));
        if before.is_some_and(|word| word == "!") {
            return None;
        }
        words.get(place + 1).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_the_words_of_the_tools() {
        let rule = Rule::new()
            .source("10.1.2.3/32".parse().unwrap())
            .destination_outside("10.1.2.3/24".parse().unwrap())
            .comment("a b")
            .jump("MASQUERADE");
        let listed = ListedRule::parse(
            r#"-A POSTROUTING -s 10.1.2.3/32 ! -d 10.1.2.0/24 -m comment --comment "a b" -j MASQUERADE"#,
        )
        .unwrap();
        assert_eq!(
            (listed.chain.as_str(), &listed.rule),
            ("POSTROUTING", &rule)
        );
        assert_eq!(listed.target(), Some("MASQUERADE"));
        assert_eq!(listed.comment(), Some("a b"));
        assert_eq!(listed.option("-s"), Some("10.1.2.3/32"));
        assert_eq!(listed.option("-d"), None);
        assert_eq!(listed.option("-i"), None);
    }

    #[test]
    fn entries_name_their_ports() {
        let entry = |line: &str| Entry::from(&ListedRule::parse(line).unwrap());
        let found =
            entry(r#"-A D -p tcp -m comment --comment "c d" -m multiport --dports 1,65535 -j X"#);
        assert_eq!(found.ports, Some(vec![1, 65535]));
        assert_eq!(
            (found.target.as_deref(), found.comment.as_deref()),
            (Some("X"), Some("c d"))
        );
        for other in ["--dports 1:9 -j X", "! --dports 1 -j X", "--sports 1 -j X"] {
            assert_eq!(
                entry(&format!("-A D -p tcp -m multiport {other}")).ports,
                None,
                "{other}"
            );
        }
    }

    #[test]
    fn ipv6_networks_are_printed_short() {
        let rule = Rule::new().destination("ff00::1/8".parse().unwrap());
        assert_eq!(rule.as_words(), ["-d", "ff00::/8"]);
    }

    #[test]
    fn only_rules_are_rules() {
        assert_eq!(ListedRule::parse("-P INPUT ACCEPT"), None);
        assert_eq!(ListedRule::parse("-N CNI-x"), None);
        assert_eq!(ListedRule::parse(""), None);
        assert_eq!(ListedRule::parse("-A"), None);
    }
}
