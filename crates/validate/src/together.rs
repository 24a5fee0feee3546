//! Networks of one node against each other.

use crate::document::Place;
use crate::{Finding, Report};

/// A file's report under the file's name.
pub type Named<'r> = (&'r str, &'r Report);

/// What is wrong with files that are on one node, each finding with the index of its file: names
/// that are there twice, and addresses that two networks hand out.
pub fn check_together(files: &[Named<'_>]) -> Vec<(usize, Finding)> {
    let mut findings = Vec::new();
    for (index, (_, report)) in files.iter().enumerate() {
        let before = files.iter().take(index);
        if let Some((other, _)) = before
            .clone()
            .find(|(_, before)| before.name == report.name && !report.name.is_empty())
        {
            let text = format!(
                "{other} has a network {:?}, too: a runtime takes one of the two",
                report.name
            );
            findings.push((index, Place { line: 1, column: 1 }.error("name", text)));
            continue;
        }
        for subnet in &report.subnets {
            let overlap = before.clone().find_map(|(file, before)| {
                let other = before.subnets.iter().find(|other| other.overlaps(subnet))?;
                Some((file, before, other))
            });
            if let Some((file, before, other)) = overlap {
                let Finding {
                    line, column, path, ..
                } = &subnet.place;
                let text = format!(
                    "{} overlaps with {} of the network {:?} in {file}: two containers may get one address",
                    subnet.network, other.network, before.name
                );
                findings.push((
                    index,
                    Place {
                        line: *line,
                        column: *column,
                    }
                    .warning(path, text),
                ));
            }
        }
    }
    findings
}
