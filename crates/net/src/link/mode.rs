//! The key `mode` of macvlan and ipvlan.

use cni_types::{Code, Error};

/// The modes of a kind of link with their names in configurations. The first is the default.
pub struct Modes<M: 'static> {
    /// The plugin that has the key.
    pub plugin: &'static str,
    /// Names and modes.
    pub all: &'static [(&'static str, M)],
}

impl<M: Copy + PartialEq + std::fmt::Debug> Modes<M> {
    /// Reads the value of the key `mode`; an empty one is the default.
    pub fn parse(&self, name: &str) -> Result<M, Error> {
        let is_meant = |(known, _): &&(&str, M)| name.is_empty() || *known == name;
        let found = self.all.iter().find(is_meant).map(|(_, mode)| *mode);
        found.ok_or_else(|| {
            Error::new(
                Code::InvalidConfig,
                format!("unknown {} mode: {name:?}", self.plugin),
            )
            .details(format!("set the key mode to {}", self.names()))
        })
    }

    /// The name of a mode in configurations.
    pub fn name(&self, mode: M) -> String {
        let known = self.all.iter().find(|(_, known)| *known == mode);
        known.map_or_else(|| format!("{mode:?}"), |(name, _)| (*name).to_owned())
    }

    /// The values of the key, in the order of the documentation.
    pub fn list(&self) -> Vec<&'static str> {
        self.all.iter().map(|(name, _)| *name).collect()
    }

    fn names(&self) -> String {
        let names = self.list();
        match names.as_slice() {
            [first @ .., last] => format!("{} or {last}", first.join(", ")),
            [] => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODES: Modes<u8> = Modes {
        plugin: "example",
        all: &[("one", 1), ("two", 2), ("three", 3)],
    };

    #[test]
    fn modes_have_names_and_the_first_is_the_default() {
        assert_eq!(MODES.parse("").unwrap(), 1);
        for (name, mode) in MODES.all {
            assert_eq!(MODES.parse(name).unwrap(), *mode);
            assert_eq!(MODES.name(*mode), *name);
        }
        assert_eq!(MODES.name(4), "4");
    }

    #[test]
    fn an_unknown_mode_is_an_error_that_lists_all() {
        let error = MODES.parse("four").unwrap_err();
        assert_eq!(error.code, Code::InvalidConfig as u32);
        assert_eq!(error.msg, "unknown example mode: \"four\"");
        assert_eq!(error.details, "set the key mode to one, two or three");
    }
}
