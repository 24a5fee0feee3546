use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use cni_types::{Code, Error, SpecVersion};
use tempfile::TempDir;

use super::*;

/// A folder with one executable script called `plugin`.
fn plugin(body: &str) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("plugin");
    script(&path, body);
    (folder, path)
}

fn script(path: &Path, body: &str) {
    fs::write(path, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn run(body: &str) -> Result<Output, ExecError> {
    let (_folder, path) = plugin(body);
    Invocation::new(path).stdin(b"{}".to_vec()).run()
}

fn wire(body: &str) -> (u32, String) {
    let error = Error::from(run(body).unwrap_err());
    (error.code, error.to_string())
}

#[test]
fn the_first_folder_with_a_usable_file_wins() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in ["a", "b", "c", "d"] {
        fs::create_dir(at(name)).unwrap();
    }
    fs::create_dir(at("a/plugin")).unwrap();
    fs::write(at("b/plugin"), "").unwrap();
    script(&at("d/plugin"), "");
    symlink("../d/plugin", at("c/plugin")).unwrap();
    let show = |names: &[&str]| {
        let folders: Vec<String> = names.iter().map(|n| at(n).display().to_string()).collect();
        folders.join(":")
    };
    let find = |names: &[&str]| find_plugin("plugin", OsStr::new(&show(names)));
    assert_eq!(find(&["a", "b", "c", "d"]).unwrap(), at("c/plugin"));
    assert_eq!(find(&["d", "c"]).unwrap(), at("d/plugin"));
    assert_eq!(find(&["a", "b"]).unwrap(), at("b/plugin"));
    let text = find(&["a", "x"]).unwrap_err().to_string();
    let expected = show(&["a", "x"]).replace(':', " ");
    assert_eq!(
        text,
        format!("failed to find plugin \"plugin\" in path [{expected}]")
    );
}

#[test]
fn names_are_checked_before_the_path() {
    let text =
        |name: &str, path: &str| find_plugin(name, OsStr::new(path)).unwrap_err().to_string();
    assert_eq!(text("", ""), "no plugin name provided");
    assert_eq!(text("../x", ""), "invalid plugin name: ../x");
    assert_eq!(text("x", ""), "no paths provided");
    assert_eq!(text("Cargo.toml", "::"), "no paths provided");
    assert_eq!(
        text("..", "/etc"),
        "failed to find plugin \"..\" in path [/etc]"
    );
    let error = Error::from(find_plugin("x", OsStr::new("/nowhere")).unwrap_err());
    assert_eq!(error.code, 999);
}

#[test]
fn environment_and_input_arrive_and_output_comes_back() {
    let (_folder, path) = plugin(
        r#"echo "$CNI_COMMAND ${HOME-unset} ${PATH:+path} ${FERRULE_PARENT-none} $PPID"; cat; echo log >&2"#,
    );
    let output = |invocation: Invocation| {
        let invocation = invocation
            .env("CNI_COMMAND", "ADD")
            .env("CNI_COMMAND", "DEL")
            .env("FERRULE_PARENT", "1")
            .env_remove("HOME")
            .stdin(b"input".to_vec());
        String::from_utf8(invocation.run().unwrap().stdout).unwrap()
    };
    let own = std::process::id();
    let plain = Invocation::new(path);
    assert_eq!(
        output(plain.clone()),
        format!("DEL unset path none {own}\ninput")
    );
    assert_eq!(
        output(plain.die_with_parent()),
        format!("DEL unset path {own} {own}\ninput")
    );
}

#[test]
fn large_data_passes_both_ways_without_a_jam() {
    let (_folder, path) = plugin("head -c 500000 /dev/zero >&2; cat; cat /dev/null");
    let input = vec![b'x'; 3_000_000];
    let running = Invocation::new(path).stdin(input.clone()).start().unwrap();
    assert_eq!(running.finish().unwrap().stdout, input);
}

#[test]
fn a_plugin_need_not_read_its_input() {
    let (_folder, path) = plugin("exec <&-; echo done");
    let invocation = Invocation::new(path).stdin(vec![b'x'; 1_000_000]);
    assert_eq!(invocation.run().unwrap().stdout, b"done\n");
}

#[test]
fn work_goes_on_between_start_and_finish() {
    let (folder, path) = plugin("cat > $0.got; echo ok");
    let running = Invocation::new(path).stdin(b"{}".to_vec()).start().unwrap();
    let got = folder.path().join("plugin.got");
    let begin = Instant::now();
    while fs::read(&got).unwrap_or_default() != b"{}" {
        assert!(begin.elapsed() < Duration::from_secs(10));
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(running.finish().unwrap().stdout, b"ok\n");
}

#[test]
fn an_error_object_keeps_its_code_whatever_the_letter_case() {
    let body = r#"echo '{"Code": 11, "msg": "later", "DETAILS": "d", "cniVersion": "x"}'; echo log >&2; exit 1"#;
    assert_eq!(wire(body), (11, "later; d".into()));
}

#[test]
fn other_failures_have_code_zero_and_tell_what_is_known() {
    assert_eq!(
        wire("echo 'no \"such\" thing' >&2; exit 3"),
        (
            0,
            r#"exited with status 3 and only logged "no \"such\" thing\n""#.into()
        )
    );
    assert_eq!(
        wire("exit 1"),
        (0, "exited with status 1 without an error message".into())
    );
    assert_eq!(
        wire("kill -9 $$"),
        (0, "killed by SIGKILL without an error message".into())
    );
    let (code, text) = wire("printf panic; exit 2");
    assert_eq!(code, 0);
    let prefix = "exited with status 2 and printed \"panic\", which is no error object: ";
    assert!(text.starts_with(prefix), "{text}");
    let (code, text) = wire(r#"printf '{"cniVersion": "1.0.0"}'; exit 1"#);
    assert!(code == 0 && text.contains("no error object"), "{text}");
}

#[test]
fn what_cannot_be_started_says_why_in_lower_case() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("plugin");
    let text = || Invocation::new(file.clone()).run().unwrap_err().to_string();
    let expected = |cause| format!("failed to start plugin {}: {cause}", file.display());
    assert_eq!(text(), expected("no such file or directory"));
    fs::write(&file, "").unwrap();
    assert_eq!(text(), expected("permission denied"));
}

#[test]
fn a_file_being_written_is_tried_again() {
    let (_folder, path) = plugin("exit 1");
    // A script is never busy; a copy of a real executable is.
    fs::copy("/bin/true", &path).unwrap();
    let writer = OpenOptions::new().append(true).open(&path).unwrap();
    let closer = thread::spawn(move || {
        thread::sleep(Duration::from_millis(100));
        drop(writer);
    });
    Invocation::new(path.clone()).run().unwrap();
    closer.join().unwrap();

    let _writer = OpenOptions::new().append(true).open(&path).unwrap();
    let error = Invocation::new(path).run().unwrap_err();
    assert!(matches!(error, ExecError::Start { .. }));
    assert!(error.to_string().ends_with("text file busy"), "{error}");
}

#[test]
fn output_is_limited() {
    let (_folder, path) = plugin("yes");
    let error = Invocation::new(path).run().unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("more than 8388608 bytes on standard output"),
        "{error}"
    );
    // A long log is no failure.
    let (_folder, path) = plugin("yes | head -c 9000000 >&2; echo done");
    assert_eq!(Invocation::new(path).run().unwrap().stdout, b"done\n");
    let (_folder, path) = plugin("yes | head -c 9000000 >&2; exit 3");
    let error = Invocation::new(path).run().unwrap_err();
    let ExecError::OnlyLogged { stderr, .. } = error else {
        panic!("{error}")
    };
    assert!(stderr.len() <= 8 << 20);
}

#[test]
fn time_is_limited() {
    let begin = Instant::now();
    for body in [
        "sleep 60",
        "exec >&- 2>&-; sleep 60",
        "while :; do echo x; done",
        "exec yes >&2",
    ] {
        let (_folder, path) = plugin(body);
        let limit = Duration::from_millis(100);
        let error = Invocation::new(path.clone())
            .time_limit(Some(limit))
            .run()
            .unwrap_err();
        let path = path.display();
        let expected = format!("plugin {path} did not finish within 100ms and was killed");
        assert_eq!(error.to_string(), expected);
    }
    let (_folder, path) = plugin("echo quick");
    let invocation = Invocation::new(path).time_limit(Some(Duration::MAX));
    assert_eq!(invocation.run().unwrap().stdout, b"quick\n");
    assert!(begin.elapsed() < Duration::from_secs(10));
}

#[test]
fn processes_left_behind_are_not_waited_for() {
    let begin = Instant::now();
    for body in [
        "sleep 60 & echo done",
        "sleep 60 2>&- & echo done",
        "(while :; do echo; sleep 0.001; done) >&2 & echo done",
    ] {
        let (folder, path) = plugin(body);
        assert_eq!(Invocation::new(path).run().unwrap().stdout, b"done\n");
        drop(folder);
    }
    assert!(begin.elapsed() < Duration::from_secs(10));
}

#[test]
fn results_without_a_version_get_the_default() {
    let result = |text: &str| {
        let output = Output {
            stdout: text.into(),
        };
        output
            .result(SpecVersion::V0_4_0)
            .map(|(version, _)| version)
    };
    for text in [
        "{}",
        "null",
        r#"{"cniVersion": ""}"#,
        r#"{"cniVersion": 1}"#,
    ] {
        assert_eq!(result(text).unwrap(), SpecVersion::V0_4_0);
    }
    assert_eq!(
        result(r#"{"cniVersion": "1.0.0"}"#).unwrap(),
        SpecVersion::V1_0_0
    );
    assert!(
        result(r#"{"cniVersion": "9.0.0"}"#)
            .unwrap_err()
            .to_string()
            .contains("unsupported CNI result version \"9.0.0\"")
    );
    let empty = Error::from(result("").unwrap_err());
    assert_eq!(empty.code, Code::Internal as u32);
    assert!(empty.msg.starts_with("failed to unmarshal raw result: "));
}
