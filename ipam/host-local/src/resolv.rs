//! Reading `resolvConf`.

use std::path::Path;

use cni_types::{Code, Dns, Error};
use ferrule_file::os_text;

/// Reads a file in the form of resolv.conf(5) into the result's `dns`.
///
/// Unlike the C library's reader, and as upstream does: any number of name servers is taken as
/// written, and the domains of several `search` lines add up.
pub(crate) fn read(path: &Path) -> Result<Dns, Error> {
    let bytes = ferrule_file::read(path).map_err(|error| {
        let msg = format!("open {}: {}", path.display(), os_text(&error));
        Error::new(Code::Io, msg).details("the key ipam.resolvConf names this file")
    })?;
    Ok(parse(&String::from_utf8_lossy(&bytes)))
}

fn parse(text: &str) -> Dns {
    let (mut nameservers, mut search, mut options) = (Vec::new(), Vec::new(), Vec::new());
    let mut domain = String::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with(['#', ';']) {
            continue;
        }
        let mut words = line.split_whitespace().map(str::to_owned);
        let (Some(keyword), Some(value)) = (words.next(), words.next()) else {
            continue;
        };
        match keyword.as_str() {
            "nameserver" => nameservers.push(value),
            "domain" => domain = value,
            "search" => search.extend([value].into_iter().chain(words)),
            "options" => options.extend([value].into_iter().chain(words)),
            _ => {}
        }
    }
    let list = |list: Vec<String>| (!list.is_empty()).then_some(list);
    Dns {
        nameservers: list(nameservers),
        domain,
        search: list(search),
        options: list(options),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(words: &[&str]) -> Vec<String> {
        words.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn keywords_are_gathered_over_all_lines() {
        let dns = parse(
            "nameserver 192.0.2.0\n  nameserver\t192.0.2.1 ignored\ndomain a.example\n\
             search b.example c.example\r\nsearch d.example\noptions one two\noptions three\n\
             domain e.example\nsortlist 1.2.3.4\nNameserver 192.0.2.9\n",
        );
        assert_eq!(
            dns,
            Dns {
                nameservers: Some(strings(&["192.0.2.0", "192.0.2.1"])),
                domain: "e.example".into(),
                search: Some(strings(&["b.example", "c.example", "d.example"])),
                options: Some(strings(&["one", "two", "three"])),
            }
        );
    }

    #[test]
    fn comments_and_lines_without_a_value_are_skipped() {
        let dns = parse("# x\n; y\n;nameserver 192.0.2.3\n\n  # z\nnameserver\nsearch \ndomain");
        assert!(!dns.is_set());
        // A comment behind a value is none.
        let dns = parse("search a # b");
        assert_eq!(dns.search, Some(strings(&["a", "#", "b"])));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let error = read(Path::new("/nowhere/resolv.conf")).unwrap_err();
        assert_eq!(error.code, 5);
        assert_eq!(
            error.msg,
            "open /nowhere/resolv.conf: no such file or directory"
        );
    }
}
