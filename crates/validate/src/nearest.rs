//! What a misspelt word was to be.

use strsim::osa_distance;

/// The longest word that is compared; none that is known is nearly as long.
const LONGEST: usize = 64;

/// The candidate that is most like `word`, regardless of case, hyphens and underscores; none if every
/// one needs changes to more than a third of the word.
pub fn nearest<C: AsRef<str>>(word: &str, candidates: impl IntoIterator<Item = C>) -> Option<C> {
    let plain = |word: &str| word.to_lowercase().replace(['-', '_', ' '], "");
    if word.len() > LONGEST {
        return None;
    }
    let word = plain(word);
    let length = word.chars().count();
    candidates
        .into_iter()
        .map(|candidate| (osa_distance(&word, &plain(candidate.as_ref())), candidate))
        // A word of one or two letters is near to too many.
        .filter(|(changes, _)| *changes <= (length / 3).max(1) && *changes < length)
        .min_by_key(|(changes, _)| *changes)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_other_words_are_not() {
        let known = ["isGateway", "ipMasq", "ipam", "mtu", "hairpinMode", "vlan"];
        for (word, meant) in [
            ("isGatway", Some("isGateway")),
            ("is_gateway", Some("isGateway")),
            ("IPMASQ", Some("ipMasq")),
            ("hairpinmod", Some("hairpinMode")),
            ("mut", Some("mtu")),
            ("ipma", Some("ipam")),
            ("x", None),
            ("", None),
            ("comment", None),
            ("promiscMode", None),
        ] {
            assert_eq!(nearest(word, known), meant, "{word}");
        }
        let plugins = ["bandwidth", "bridge", "host-local", "portmap"];
        for (word, meant) in [
            ("brigde", Some("bridge")),
            ("hostlocal", Some("host-local")),
            ("PortMap", Some("portmap")),
            ("calico", None),
        ] {
            assert_eq!(nearest(word, plugins), meant, "{word}");
        }
        assert_eq!(nearest(&"x".repeat(1 << 20), known), None);
    }
}
