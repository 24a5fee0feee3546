//! Declaration, listing and running of tests.
//!
//! Tests run under `libtest-mimic`, as the standard harness cannot ignore a test for a reason that is
//! found at run time. A test whose needs no kernel meets is listed as ignored, so that `cargo nextest`
//! counts it as skipped, not as passed.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use nix::unistd::geteuid;

use crate::host::Host;
use crate::lab;
use crate::needs::{Need, unmet};

/// Every version of the CNI specification, oldest first, for tests that run once per version.
pub const VERSIONS: &[&str] = &[
    "0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0",
];

/// Path of a file that gets one line per test that is skipped or runs on the lab kernel.
const REPORT_VARIABLE: &str = "FERRULE_REPORT";

/// A declared test, created by [`test!`](crate::test).
#[derive(Debug)]
pub struct Test {
    /// Its module path, including the crate.
    pub module: &'static str,
    /// The function's name.
    pub name: &'static str,
    /// Its needs.
    pub needs: &'static [Need],
    /// Further needs of a case.
    pub needs_of_case: fn(&str) -> &'static [Need],
    /// Its cases, one run each; empty for a test without cases.
    pub cases: &'static [&'static str],
    /// The body; its second argument is the case, or an empty string.
    pub body: fn(&Host, &str),
}

inventory::collect!(Test);

/// Declares a test, which gets a private [`Host`](crate::Host). If the running kernel does not meet
/// its needs, it runs on the lab kernel; if that one does not either, it is listed as ignored.
///
/// ```ignore
/// ferrule_testkit::test! {
///     /// What the test asserts.
///     fn one(host) { host.ip("link show"); }
/// }
/// ferrule_testkit::test! { fn two(host) needs [Ipvlan, Tool("dnsmasq")] { /* … */ } }
/// ferrule_testkit::test! { fn three(host, version in VERSIONS) { /* once per version */ } }
/// // needs_of: fn(&str) -> &'static [Need]
/// ferrule_testkit::test! { fn four(host, case in CASES => needs_of) needs [Iptables] { /* … */ } }
/// ```
#[macro_export]
macro_rules! test {
    (@needs_of_case) => { |_| &[] };
    (@needs_of_case $needs_of_case:expr) => { $needs_of_case };
    ($(#[$meta:meta])* fn $name:ident(
        $host:pat $(, $case:ident in $cases:expr $(=> $more:expr)?)?
    ) $body:block) => {
        $crate::test! {
            $(#[$meta])* fn $name($host $(, $case in $cases $(=> $more)?)?) needs [] $body
        }
    };
    ($(#[$meta:meta])* fn $name:ident($host:pat)
        needs [$($need:expr),* $(,)?] $body:block) => {
        $crate::test! { $(#[$meta])* fn $name($host, _case in []) needs [$($need),*] $body }
    };
    ($(#[$meta:meta])* fn $name:ident($host:pat, $case:ident in $cases:expr $(=> $more:expr)?)
        needs [$($need:expr),* $(,)?] $body:block) => {
        $(#[$meta])*
        fn $name($host: &$crate::Host, $case: &str) $body

        $crate::inventory::submit! {
            $crate::Test {
                module: module_path!(),
                name: stringify!($name),
                needs: {
                    #[allow(unused_imports, reason = "a test may need nothing")]
                    use $crate::Need::*;
                    &[$($need),*]
                },
                needs_of_case: $crate::test!(@needs_of_case $($more)?),
                cases: {
                    #[allow(unused_imports, reason = "cases may be spelt out")]
                    use $crate::VERSIONS;
                    &$cases
                },
                body: $name,
            }
        }
    };
}

/// The `main` of a test executable, at the end of its root file, and a test that every file below the
/// package's `tests/` is a module.
#[macro_export]
macro_rules! main {
    () => {
        $crate::test! {
            fn every_file_is_a_module(_host) {
                $crate::assert_every_file_is_a_module(env!("CARGO_MANIFEST_DIR"));
            }
        }

        fn main() -> std::process::ExitCode {
            $crate::run_tests()
        }
    };
}

/// Lists or runs the tests of this executable, according to its arguments.
pub fn run_tests() -> ExitCode {
    if lab::is_probe() {
        lab::answer_probe();
        return ExitCode::SUCCESS;
    }
    let arguments = Arguments::from_args();
    let tests = inventory::iter::<Test>.into_iter().flat_map(cases);
    // Probes start processes, so only the needs of selected tests are probed.
    let wanted = tests.filter(|(name, ..)| match &arguments.filter {
        Some(filter) if arguments.exact => filter == name,
        Some(filter) => name.contains(filter.as_str()),
        None => true,
    });
    let trials = wanted
        .map(|(name, case, test)| trial(name, case, test, &arguments))
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn cases(test: &'static Test) -> Vec<(String, &'static str, &'static Test)> {
    // As in the standard harness, without the crate.
    let name = match test.module.split_once("::") {
        Some((_, module)) => format!("{module}::{}", test.name),
        None => test.name.to_owned(),
    };
    if test.cases.is_empty() {
        return vec![(name, "", test)];
    }
    test.cases
        .iter()
        .map(|case| (format!("{name}::{case}"), *case, test))
        .collect()
}

fn trial(name: String, case: &'static str, test: &'static Test, arguments: &Arguments) -> Trial {
    let plan = plan(&[test.needs, (test.needs_of_case)(case)].concat());
    if let Plan::Skip(reason) = &plan {
        report_skipped(&name, reason, arguments);
    }
    let skipped = matches!(plan, Plan::Skip(_));
    let label = name.clone();
    Trial::test(name, move || match plan {
        Plan::Here => run_here(&label, case, test.body),
        Plan::Lab(reason) => {
            say(&format!("{label} {reason}: running it on the lab kernel"));
            report("lab", &label, &reason);
            lab::run_test(&label)
        }
        Plan::Skip(reason) => Err(Failed::from(format!("cannot run: it {reason}"))),
    })
    .with_ignored_flag(skipped)
}

/// Where a test runs, with the reason if not here.
enum Plan {
    Here,
    Lab(String),
    Skip(String),
}

fn plan(needs: &[Need]) -> Plan {
    // Nothing can be probed without root; the test fails with a message that says so.
    let missing = if geteuid().is_root() {
        unmet(needs)
    } else {
        Vec::new()
    };
    if missing.is_empty() {
        return Plan::Here;
    }
    let names = |needs: &[Need]| {
        needs
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", ")
    };
    let reason = format!("needs {}", names(&missing));
    if lab::is_here() || !missing.iter().all(|need| need.is_of_kernel()) {
        return Plan::Skip(reason);
    }
    let met = match lab::met_needs() {
        Ok(met) => met,
        Err(error) => return Plan::Skip(format!("{reason}; no lab kernel: {error}")),
    };
    let of_kernel = needs.iter().filter(|need| need.is_of_kernel());
    let lacking = of_kernel
        .copied()
        .filter(|need| !met.contains(&need.to_string()));
    let lacking = lacking.collect::<Vec<_>>();
    if lacking.is_empty() {
        return Plan::Lab(reason);
    }
    Plan::Skip(format!(
        "{reason}; the lab kernel lacks {}",
        names(&lacking)
    ))
}

/// Runs the body on a thread, to which its private host belongs: the next test of this process starts
/// in the original namespaces.
fn run_here(name: &str, case: &'static str, body: fn(&Host, &str)) -> Result<(), Failed> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let lab = if lab::is_here() { "lab " } else { "" };
    say(&format!("{name} on {lab}kernel {}", release.trim()));
    let thread = std::thread::Builder::new().name(name.to_owned());
    let worker = thread
        .spawn(move || body(&Host::new(), case))
        .map_err(Failed::from)?;
    worker.join().map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        Failed::from(
            text.or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("panicked"),
        )
    })
}

/// Reports why a test is skipped: on standard error when running, and in the report file. Runners list
/// ignored tests separately; only that listing is written to the file.
fn report_skipped(name: &str, reason: &str, arguments: &Arguments) {
    if !arguments.list {
        let _ = writeln!(std::io::stderr(), "skipped {name}: {reason}");
    } else if arguments.ignored {
        report("skipped", name, reason);
    }
}

fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Appends a line to the report file, if the variable names one; `make test` sums it up.
fn report(what: &str, name: &str, reason: &str) {
    let Some(path) = std::env::var_os(REPORT_VARIABLE) else {
        return;
    };
    let line = format!("{what} {name}: {reason}\n");
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.and_then(|mut file| file.write_all(line.as_bytes()))
        .expect("write the report");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(needs: &'static [Need], cases: &'static [&'static str]) -> &'static Test {
        Box::leak(Box::new(Test {
            module: "tests::group",
            name: "it",
            needs,
            needs_of_case: |case| match case {
                "hard" => &[Need::Tool("ferrule-no-such-command")],
                _ => &[],
            },
            cases,
            body: |_, _| unreachable!(),
        }))
    }

    fn as_trial(needs: &'static [Need]) -> Trial {
        let listing = Arguments {
            list: true,
            ..Arguments::default()
        };
        trial("it".to_owned(), "", declared(needs, &[]), &listing)
    }

    #[test]
    fn a_test_with_an_unmet_need_is_ignored() {
        assert!(as_trial(&[Need::Tool("ferrule-no-such-command")]).has_ignored_flag());
        assert!(!as_trial(&[Need::Tool("sh")]).has_ignored_flag());
        assert!(!as_trial(&[]).has_ignored_flag());
    }

    #[test]
    fn one_case_may_need_more_than_the_others() {
        let ignored = |case| {
            let listing = Arguments {
                list: true,
                ..Arguments::default()
            };
            trial(
                "it".to_owned(),
                case,
                declared(&[], &["easy", "hard"]),
                &listing,
            )
            .has_ignored_flag()
        };
        assert!(ignored("hard") && !ignored("easy"));
    }

    #[test]
    fn the_reason_names_what_is_missing() {
        let needs = [Need::Tool("sh"), Need::Tool("ferrule-no-such-command")];
        let Plan::Skip(reason) = plan(&needs) else {
            panic!("no machine has that command")
        };
        assert_eq!(reason, "needs the command ferrule-no-such-command");
    }

    #[test]
    fn an_ignored_test_fails_if_it_is_run() {
        let trial = as_trial(&[Need::Tool("ferrule-no-such-command")]);
        let all = Arguments {
            include_ignored: true,
            ..Arguments::default()
        };
        assert!(libtest_mimic::run(&all, vec![trial]).has_failed());
    }

    #[test]
    fn cases_have_names_of_their_own() {
        let names = |cases| {
            let all = super::cases(declared(&[], cases)).into_iter();
            all.map(|(name, case, _)| (name, case)).collect::<Vec<_>>()
        };
        assert_eq!(names(&[]), [("group::it".to_owned(), "")]);
        assert_eq!(
            names(&["1.0.0"]),
            [("group::it::1.0.0".to_owned(), "1.0.0")]
        );
    }
}
