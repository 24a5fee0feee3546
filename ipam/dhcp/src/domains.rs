//! Domains that servers name, as far as a resolver's configuration can have them.

/// Name servers and search domains beyond these are not used by any resolver.
pub(crate) const MOST_ENTRIES: usize = 32;

/// Whether the text can stand in a resolver's configuration.
pub(crate) fn is_domain(text: &str) -> bool {
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=253).contains(&text.len()) && text.bytes().all(is_fit)
}

/// The search list of names as the codec writes them, with a dot at the end; none if there is no
/// usable one.
pub(crate) fn search_list(names: impl Iterator<Item = String>) -> Option<Vec<String>> {
    let names = names.map(|name| name.trim_end_matches('.').to_owned());
    let names: Vec<String> = names
        .filter(|name| is_domain(name))
        .take(MOST_ENTRIES)
        .collect();
    (!names.is_empty()).then_some(names)
}
