//! The administrator's allow-list of sysctls.

use std::io::ErrorKind;
use std::path::Path;

use cni_types::{Code, Error};
use ferrule_file::io_text;
use regex_lite::Regex;

use crate::sysctl::Sysctl;

/// Path of the list. Without the file every sysctl is allowed.
const FILE: &str = "/etc/cni/tuning/allowlist.conf";

/// Fails unless the name of each setting, as configured, matches a line of the list.
pub(crate) fn check(sysctls: &[Sysctl]) -> Result<(), Error> {
    if sysctls.is_empty() {
        return Ok(());
    }
    match ferrule_file::read_text(Path::new(FILE)) {
        Ok(text) => allow(&text, sysctls),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(refused(format!("cannot read {FILE}: {}", io_text(&error)))
            .details("without the file every setting is allowed")),
    }
}

/// Each line is a regular expression that matches anywhere in a name; there are no comments.
fn allow(text: &str, sysctls: &[Sysctl]) -> Result<(), Error> {
    let mut others: Vec<&Sysctl> = sysctls.iter().collect();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    for line in lines {
        if others.is_empty() {
            return Ok(());
        }
        let expression = Regex::new(line).map_err(|error| {
            refused(format!(
                "{FILE}: invalid regular expression {line:?}: {error}"
            ))
        })?;
        others.retain(|sysctl| !expression.is_match(&sysctl.key));
    }
    others.first().map_or(Ok(()), |sysctl| {
        let msg = format!("sysctl {:?} is not allowed on this node", sysctl.key);
        Err(refused(msg).details(format!("no line of {FILE} matches it")))
    })
}

fn refused(msg: String) -> Error {
    Error::new(Code::InvalidConfig, msg)
}
