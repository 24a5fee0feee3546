//! What a misspelt word was probably meant to be.

use strsim::damerau_levenshtein;

/// The candidate that is most like `word`, regardless of case; none if every one needs changes to
/// more than a third of the word.
pub(crate) fn nearest<C: AsRef<str>>(
    word: &str,
    candidates: impl IntoIterator<Item = C>,
) -> Option<C> {
    let word = word.to_lowercase();
    let most = word.chars().count().div_ceil(3);
    candidates
        .into_iter()
        .map(|candidate| {
            let changes = damerau_levenshtein(&word, &candidate.as_ref().to_lowercase());
            (changes, candidate)
        })
        .filter(|(changes, _)| *changes <= most)
        .min_by_key(|(changes, _)| *changes)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_that_are_alike_are_suggested() {
        let plugins = ["bandwidth", "bridge", "host-local", "portmap"];
        for (word, expected) in [
            ("brigde", Some("bridge")),
            ("hostlocal", Some("host-local")),
            ("PortMap", Some("portmap")),
            ("calico", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, plugins), expected, "{word}");
        }
    }
}
