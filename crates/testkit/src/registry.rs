//! How tests are declared, listed and run.
//!
//! Tests run under `libtest-mimic` in place of the standard harness, as that one cannot ignore a
//! test for a reason found at run time. A test whose needs no kernel meets is listed as ignored,
//! so `cargo nextest` counts it as skipped and never as passed.

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

/// Names a file that gets one line per test that is skipped or runs on the lab kernel.
const REPORT_VARIABLE: &str = "FERRULE_REPORT";

/// A declared test. Made by [`test!`](crate::test), not by hand.
#[derive(Debug)]
pub struct Test {
    /// The module it is in, with the crate.
    pub module: &'static str,
    /// The function's name.
    pub name: &'static str,
    /// What it cannot do without.
    pub needs: &'static [Need],
    /// What one case cannot do without besides.
    pub needs_of_case: fn(&str) -> &'static [Need],
    /// The cases it runs once for each of; empty for a test without cases.
    pub cases: &'static [&'static str],
    /// The body; gets the case, or an empty string.
    pub body: fn(&Host, &str),
}

inventory::collect!(Test);

/// Declare a test. It gets a private [`Host`](crate::Host); what it lacks on the running kernel
/// it finds on the lab kernel, and where that lacks it too it is listed as ignored.
///
/// ```ignore
/// ferrule_testkit::test! {
///     /// Says what must hold.
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

/// The `main` of a test executable, at the end of its root, and a test that no file below the
/// package's `tests/` is forgotten.
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

/// List or run the tests declared in this executable, as its arguments say.
pub fn run_tests() -> ExitCode {
    if lab::is_probe() {
        lab::answer_probe();
        return ExitCode::SUCCESS;
    }
    let arguments = Arguments::from_args();
    let tests = inventory::iter::<Test>.into_iter().flat_map(cases);
    // Needs are tried by starting processes: only for the tests that are asked for.
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
    // As the standard harness names them: without the crate.
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

/// Where a test runs, and why not here.
enum Plan {
    Here,
    Lab(String),
    Skip(String),
}

fn plan(needs: &[Need]) -> Plan {
    // Nothing can be found out without root; the test then says that it needs it.
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

/// Run the body on a thread of its own, as a private host belongs to its thread: a second test
/// in this process starts from the untouched namespaces again.
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

/// Say why a test is skipped: on standard error when running, and in the report of the runner.
/// Runners list ignored tests in a pass of their own, and only that one is written down.
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

/// Add a line to the file that `make test` sums up at the end, if it asked for one.
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
    fn a_test_that_no_machine_can_run_is_ignored() {
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
    fn a_test_that_is_made_to_run_without_its_needs_fails() {
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
