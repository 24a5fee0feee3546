//! `cnitool validate`, and warnings of misspelt keys from the other commands.

use std::ffi::OsString;
use std::path::PathBuf;

use cni_types::json::to_pretty;
use ferrule_file::os_text;
use ferrule_validate::{Finding, Form, Report, Severity, check, check_together, nearest, plugins};
use libcni::config::{ConfigFolder, NetworkList};
use libcni::exec::find_plugin;
use serde_json::{Value, json};

use crate::arguments::ValidateOptions;
use crate::environment::Environment;
use crate::error::CommandError;

/// The endings of files that runtimes read.
const ENDINGS: [&str; 3] = ["conf", "conflist", "json"];

/// What was found, and whether it is to be the exit status.
pub(crate) struct Outcome {
    pub(crate) output: String,
    pub(crate) is_valid: bool,
}

/// A file and what is wrong with it.
struct Checked {
    file: String,
    report: Report,
}

/// Checks the files, each and together.
pub(crate) fn run(
    options: &ValidateOptions,
    json: bool,
    environment: &Environment,
) -> Result<Outcome, CommandError> {
    let mut checked = Vec::new();
    for path in files(options, environment)? {
        let bytes = ferrule_file::read(&path).map_err(|error| {
            CommandError::new(format!("reading {}: {}", path.display(), os_text(&error)))
        })?;
        let is_list = path.extension().is_some_and(|ending| ending == "conflist");
        let form = if is_list { Form::List } else { Form::Plugin };
        let mut report = check(&bytes, form);
        report
            .findings
            .extend(missing_plugins(&report, &environment.plugin_path));
        checked.push(Checked {
            file: path.display().to_string(),
            report,
        });
    }
    let named: Vec<(&str, &Report)> = checked
        .iter()
        .map(|one| (one.file.as_str(), &one.report))
        .collect();
    for (index, finding) in check_together(&named) {
        if let Some(one) = checked.get_mut(index) {
            one.report.findings.push(finding);
        }
    }
    for one in &mut checked {
        one.report
            .findings
            .sort_by_key(|finding| (finding.line, finding.column));
    }
    let count = |severity| {
        let findings = checked.iter().flat_map(|one| &one.report.findings);
        findings
            .filter(|finding| finding.severity == severity)
            .count()
    };
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    Ok(Outcome {
        output: if json {
            as_json(&checked, errors, warnings)
        } else {
            as_lines(&checked, errors, warnings)
        },
        is_valid: errors == 0 && (warnings == 0 || !options.strict),
    })
}

/// The files that are named, those of folders in the order of runtimes.
fn files(
    options: &ValidateOptions,
    environment: &Environment,
) -> Result<Vec<PathBuf>, CommandError> {
    let default = [PathBuf::from(&environment.config_folder)];
    let paths = if options.files.is_empty() {
        &default
    } else {
        options.files.as_slice()
    };
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let inside = ConfigFolder::new(path).files(&ENDINGS);
        let inside = inside.map_err(|error| CommandError::new(error.to_string()))?;
        if inside.is_empty() {
            let text = format!("there is no network configuration in {}", path.display());
            return Err(CommandError::new(text));
        }
        files.extend(inside);
    }
    Ok(files)
}

/// The plugins that the folders lack. A name that is known nowhere is probably a misspelt one.
fn missing_plugins(report: &Report, folders: &OsString) -> Vec<Finding> {
    let mut findings = Vec::new();
    for reference in &report.references {
        let kind = reference.kind.as_str();
        let is_ours = plugins().any(|name| name == kind);
        if (is_ours && folders.is_empty()) || find_plugin(kind, folders).is_ok() {
            continue;
        }
        let meant = nearest(kind, plugins()).filter(|_| !is_ours);
        if folders.is_empty() && meant.is_none() {
            continue;
        }
        let what = if folders.is_empty() {
            "unknown plugin"
        } else {
            "not in CNI_PATH: plugin"
        };
        findings.push(Finding {
            severity: if meant.is_some() {
                Severity::Error
            } else {
                Severity::Warning
            },
            message: format!("{what} {kind:?}"),
            suggestion: meant.map(str::to_owned),
            ..reference.place.clone()
        });
    }
    findings
}

fn as_lines(checked: &[Checked], errors: usize, warnings: usize) -> String {
    let line = |file: &str, finding: &Finding| {
        let Finding { line, column, .. } = finding;
        let severity = finding.severity.as_str();
        format!(
            "{file}:{line}:{column}: {severity}: {}\n",
            sentence(finding)
        )
    };
    let lines = checked.iter().flat_map(|Checked { file, report }| {
        report
            .findings
            .iter()
            .map(move |finding| line(file, finding))
    });
    let number = |count: usize, what: &str| {
        let ending = if count == 1 { "" } else { "s" };
        format!("{count} {what}{ending}")
    };
    let (files, errors, warnings) = (
        number(checked.len(), "file"),
        number(errors, "error"),
        number(warnings, "warning"),
    );
    lines.collect::<String>() + &format!("{files}: {errors}, {warnings}\n")
}

fn sentence(finding: &Finding) -> String {
    let Finding {
        path,
        message,
        suggestion,
        ..
    } = finding;
    let path = if path.is_empty() {
        String::new()
    } else {
        format!("{path}: ")
    };
    let meant = suggestion
        .as_ref()
        .map(|meant| format!("; did you mean {meant}?"));
    format!("{path}{message}{}", meant.unwrap_or_default())
}

fn as_json(checked: &[Checked], errors: usize, warnings: usize) -> String {
    let finding = |finding: &Finding| {
        json!({
            "severity": finding.severity.as_str(),
            "line": finding.line,
            "column": finding.column,
            "path": finding.path,
            "message": finding.message,
            "suggestion": finding.suggestion,
        })
    };
    let files: Vec<Value> = checked
        .iter()
        .map(|Checked { file, report }| {
            let findings: Vec<Value> = report.findings.iter().map(finding).collect();
            json!({ "file": file, "network": report.name, "findings": findings })
        })
        .collect();
    to_pretty(&json!({ "files": files, "errors": errors, "warnings": warnings })) + "\n"
}

/// Sentences about keys of the network that are probably misspelt. Plugins ignore them, so nobody
/// else says anything.
pub(crate) fn misspelt_keys(network: &NetworkList) -> Vec<String> {
    let findings = check(network.bytes(), Form::List).findings.into_iter();
    let misspelt =
        findings.filter(|finding| finding.is_unknown_key && finding.severity == Severity::Error);
    misspelt.map(|finding| sentence(&finding)).collect()
}
