//! Sysctls of the container's network namespace.

use std::fmt;
use std::io::ErrorKind;

use cni_types::{Code, Error};
use ferrule_kernel::sysctl;
use ferrule_net::{NetError, Sandbox};
use ferrule_plugin::Undo;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// Placeholder for the interface's name in a key.
const IFNAME: &str = "IFNAME";

/// Names and values in the order of the document, with duplicates.
#[derive(Debug, Default)]
pub(crate) struct SysctlKeys(Vec<(String, String)>);

/// A setting and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sysctl {
    /// The name as configured.
    pub(crate) key: String,
    /// Its path below `/proc/sys`.
    path: String,
    value: String,
}

/// The settings of both objects; those of `overrides` replace equal ones.
pub(crate) fn merged(
    keys: &SysctlKeys,
    overrides: &SysctlKeys,
    ifname: &str,
) -> Result<Vec<Sysctl>, Error> {
    let mut all = listed("sysctl", keys, ifname)?;
    for over in listed("args.cni.sysctl", overrides, ifname)? {
        match all.iter_mut().find(|one| one.path == over.path) {
            Some(one) => *one = over,
            None => all.push(over),
        }
    }
    Ok(all)
}

/// The settings of one object. Two values for one setting are an error.
fn listed(object: &str, keys: &SysctlKeys, ifname: &str) -> Result<Vec<Sysctl>, Error> {
    let mut all: Vec<Sysctl> = Vec::with_capacity(keys.0.len());
    for (key, value) in &keys.0 {
        let path = path_of(key, ifname).map_err(|why| {
            let msg = format!("key {object}: {key:?} {why}");
            Error::new(Code::InvalidConfig, msg)
                .details("write it as in net.ipv4.conf.IFNAME.arp_notify")
        })?;
        if let Some(other) = all.iter().find(|other| other.path == path) {
            let msg = format!("key {object}: {key:?} is duplicated, as {:?}", other.key);
            return Err(Error::new(Code::InvalidConfig, msg));
        }
        all.push(Sysctl {
            key: key.clone(),
            path,
            value: value.clone(),
        });
    }
    Ok(all)
}

/// The path of a setting below `/proc/sys`: dots separate levels, except those of the interface's name,
/// which replaces the first `IFNAME`.
fn path_of(key: &str, ifname: &str) -> Result<String, &'static str> {
    if key.contains("..") {
        return Err("has two dots in a row");
    }
    if key.contains('\0') {
        return Err("contains a zero byte");
    }
    let path = key.replace('.', "/").replacen(IFNAME, ifname, 1);
    let levels: Vec<&str> = path.split('/').filter(|level| !level.is_empty()).collect();
    match levels[..] {
        ["net", _, ..] => Ok(levels.join("/")),
        _ => Err("is not a setting below net"),
    }
}

/// Writes the settings into the container's namespace.
pub(crate) fn set(sandbox: &Sandbox, all: &[Sysctl], undo: &mut Undo) -> Result<(), NetError> {
    if all.is_empty() {
        return Ok(());
    }
    sandbox.run(|| {
        for one in all {
            // Some are write-only.
            if let Ok(before) = sysctl::read_net(&one.path) {
                let (path, sandbox) = (one.path.clone(), sandbox.clone());
                undo.push(format!("restore sysctl {path:?}"), move || {
                    Ok(sandbox.run(|| restore(&path, &before))??)
                });
            }
            sysctl::write_net(&one.path, &one.value)?;
        }
        Ok(())
    })?
}

/// Writes a value unless the setting has it, as after a write that the kernel refused.
fn restore(path: &str, before: &str) -> Result<(), NetError> {
    if sysctl::read_net(path)? != before {
        sysctl::write_net(path, before)?;
    }
    Ok(())
}

/// Fails if a setting has another value; write-only settings are skipped.
pub(crate) fn check(sandbox: &Sandbox, all: &[Sysctl]) -> Result<(), NetError> {
    if all.is_empty() {
        return Ok(());
    }
    sandbox.run(|| {
        for one in all {
            let found = match sysctl::read_net(&one.path) {
                Err(error) if error.kind() == ErrorKind::PermissionDenied => continue,
                outcome => outcome?,
            };
            if !is_same(&found, &one.value) {
                return Err(NetError::Mismatch(format!(
                    "sysctl {:?} is {found:?}, expected {:?}",
                    one.path, one.value
                )));
            }
        }
        Ok(())
    })?
}

/// Whether the kernel's text of a value equals the written one: the kernel separates by tabs and prints
/// decimal numbers.
fn is_same(found: &str, written: &str) -> bool {
    let (mut found, mut written) = (found.split_whitespace(), written.split_whitespace());
    loop {
        match (found.next(), written.next()) {
            (None, None) => return true,
            (Some(one), Some(other)) if one == other => {}
            (Some(one), Some(other)) if number(one).is_some_and(|n| number(other) == Some(n)) => {}
            _ => return false,
        }
    }
}

/// Parses a number as the kernel does (`proc_get_long` in `kernel/sysctl.c`): decimal, hexadecimal
/// after `0x`, octal after `0`.
fn number(word: &str) -> Option<i128> {
    let (sign, digits) = match word.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, word),
    };
    let (base, digits) = match digits.strip_prefix('0').unwrap_or_default() {
        "" => (10, digits),
        rest => match rest.strip_prefix(['x', 'X']) {
            Some(digits) => (16, digits),
            None => (8, rest),
        },
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let value = u64::from_str_radix(digits, base).ok()?;
    Some(sign * i128::from(value))
}

impl<'de> Deserialize<'de> for SysctlKeys {
    fn deserialize<D: Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        de.deserialize_map(SysctlVisitor)
    }
}

struct SysctlVisitor;

impl<'de> Visitor<'de> for SysctlVisitor {
    type Value = SysctlKeys;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SysctlKeys, A::Error> {
        let mut keys = Vec::new();
        while let Some(pair) = map.next_entry()? {
            keys.push(pair);
        }
        Ok(SysctlKeys(keys))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_and_slashes_separate_levels_but_not_within_the_interfaces_name() {
        for (key, path) in [
            ("net.core.somaxconn", "net/core/somaxconn"),
            ("net/core/somaxconn", "net/core/somaxconn"),
            ("/net.core/somaxconn", "net/core/somaxconn"),
            (
                "net.ipv4.conf.IFNAME.arp_notify",
                "net/ipv4/conf/eth0.7/arp_notify",
            ),
            ("net.ipv4.conf.IFNAME.IFNAME", "net/ipv4/conf/eth0.7/IFNAME"),
        ] {
            assert_eq!(path_of(key, "eth0.7").as_deref(), Ok(path));
        }
    }

    #[test]
    fn nothing_but_net_is_reached() {
        for key in [
            "",
            "net",
            "net.",
            "kernel.hostname",
            "net/../kernel/hostname",
            "net/..",
            "../net.core",
            "network.x",
            "Net.core.somaxconn",
            "net.core\0.x",
            "IFNAME.core.somaxconn",
        ] {
            assert!(path_of(key, "eth0").is_err(), "{key:?}");
        }
    }

    #[test]
    fn values_are_compared_as_the_kernel_understands_them() {
        for (found, written, same) in [
            ("1", "1", true),
            ("1", "01", true),
            ("8", "010", true),
            ("16", "0x10", true),
            ("-1", "-1", true),
            ("32768\t60999", "32768 60999", true),
            ("0", "", false),
            ("10", "010", false),
            ("1 2", "1", false),
            ("cubic", "reno", false),
            ("1", "+1", false),
            ("1", "0+1", false),
        ] {
            assert_eq!(is_same(found, written), same, "{found:?} {written:?}");
        }
    }
}
