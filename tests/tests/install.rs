//! The script that puts executables into a runtime's folder and goes back, by `make` and by itself.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use ferrule_testkit::{Host, Outcome, binaries_folder};

const NAMES: [&str; 3] = ["bridge", "host-local", "loopback"];

fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// A script in place of a plugin.
fn write_script(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// An executable of ours, as far as the installer sees: it ends with the name of a build, and says
/// what it is.
fn write_ours(path: &Path, version: &str) {
    write_script(path, &format!("echo Ferrule {version}\nexit"));
    let mut bytes = fs::read(path).unwrap();
    bytes.extend_from_slice(format!("#ferrule build {}", "0".repeat(64)).as_bytes());
    fs::write(path, bytes).unwrap();
}

/// The plugin folder of a node that runs Go plugins, one of which Ferrule does not have.
fn node(host: &Host) -> PathBuf {
    let folder = host.work_folder().join("cni");
    for name in ["bridge", "host-local", "sample"] {
        write_script(&folder.join(name), "echo Go");
    }
    folder
}

/// A folder of ours in this version.
fn build(host: &Host, version: &str, names: &[&str]) -> PathBuf {
    let folder = host.work_folder().join(version);
    for name in names {
        write_ours(&folder.join(name), version);
    }
    folder
}

fn installer(host: &Host, words: &str) -> Outcome {
    let script = repository().join("packaging/installer");
    host.exec(format!("{} {words}", script.display()))
}

/// What the executables of a folder say, by name; also those behind links.
fn answers(host: &Host, folder: &Path) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with('.'))
        .map(|name| {
            let path = folder.join(&name);
            let said = host.exec(format!("{} --version", path.display()));
            (name, said.succeeds().stdout.trim().to_owned())
        })
        .collect();
    found.sort();
    found
}

/// As [`answers`], of a folder in the state that [`node`] makes.
fn go() -> Vec<(String, String)> {
    ["bridge", "host-local", "sample"]
        .map(|name| (name.to_owned(), "Go".to_owned()))
        .to_vec()
}

fn remembers(folder: &Path) -> bool {
    folder.join(".ferrule").exists()
}

ferrule_testkit::test! {
    /// The verbs of make, for all executables there are.
    fn make_install_and_back(host, multicall in ["", "1"]) needs [Tool("make")] {
        let folder = node(host);
        let names = host.exec(repository().join("tools/names").display().to_string());
        let names: Vec<String> = names.succeeds().stdout.lines().map(str::to_owned).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let new = build(host, "new", &names);
        let tools = host.work_folder().join("tools");
        let make = |verb: &str| host.exec(format!(
            "make --silent --directory {} {verb} MULTICALL={multicall} BIN={} CNI_BIN_DIR={} BINDIR={}",
            repository().display(), new.display(), folder.display(), tools.display(),
        )).succeeds();
        for back in ["rollback", "uninstall"] {
            make("install");
            let now = answers(host, &folder);
            // All plugins, and `sample`; and what links lead to.
            let plugins = names.len() - 2;
            assert_eq!(now.len(), plugins + 1 + usize::from(multicall == "1"), "{now:?}");
            for (name, said) in now {
                assert_eq!(said, if name == "sample" { "Go" } else { "Ferrule new" }, "{name}");
            }
            assert_eq!(folder.join("bridge").is_symlink(), multicall == "1");
            assert_eq!(answers(host, &tools), [("cnitool".to_owned(), "Ferrule new".to_owned())]);
            make(back);
            assert_eq!(answers(host, &folder), go());
            assert!(!remembers(&folder));
            if back == "uninstall" {
                assert_eq!(answers(host, &tools), []);
            }
        }
    }
}

ferrule_testkit::test! {
    /// A rollback undoes the last install, uninstalling undoes all; a second install of the same
    /// files is none.
    fn one_step_back_and_all(host, shell in ["sh", "busybox sh"]) needs [Tool("busybox")] {
        let folder = node(host);
        let one = build(host, "one", &NAMES);
        let two = build(host, "two", &["ferrule"]);
        let script = repository().join("packaging/installer");
        let run = |words: String| host.exec(format!("{shell} {} {words}", script.display()));
        let cni = folder.display();
        let say = |version: &str| {
            let mut all = go();
            all.push(("loopback".to_owned(), String::new()));
            all.sort();
            for (name, said) in &mut all {
                if name != "sample" { *said = format!("Ferrule {version}"); }
            }
            all
        };
        run(format!("install {} {cni} {}", one.display(), NAMES.join(" "))).succeeds();
        assert_eq!(answers(host, &folder), say("one"));
        // An upgrade to one file and links, for fewer names.
        let links = format!("install {} {cni} ferrule bridge host-local", two.display());
        for _ in 0..2 {
            let again = host.exec(format!("env MULTICALL=1 {shell} {} {links}", script.display()));
            again.succeeds();
            let now = answers(host, &folder);
            let names: Vec<&str> = now.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, ["bridge", "ferrule", "host-local", "sample"]);
            assert_eq!(now[0].1, "Ferrule two");
            assert!(folder.join("bridge").is_symlink());
        }
        run(format!("rollback {cni}")).succeeds();
        assert_eq!(answers(host, &folder), say("one"));
        assert!(run(format!("rollback {cni}")).fails().stderr.contains("no install to go back"));
        assert_eq!(answers(host, &folder), say("one"));
        run(format!("uninstall {cni}")).succeeds();
        assert_eq!(answers(host, &folder), go());
        assert!(!remembers(&folder));
        run(format!("uninstall {cni}")).fails();
    }
}

ferrule_testkit::test! {
    /// What a package manager has put in place since stays, whichever way back.
    fn files_of_others_stay(host, back in ["rollback", "uninstall"]) {
        let folder = node(host);
        let new = build(host, "new", &NAMES);
        let cni = folder.display();
        installer(host, &format!("install {} {cni} {}", new.display(), NAMES.join(" "))).succeeds();
        write_script(&folder.join("upgrade"), "echo Go, newer");
        fs::rename(folder.join("upgrade"), folder.join("bridge")).unwrap();
        installer(host, &format!("{back} {cni}")).succeeds();
        let mut expected = go();
        "Go, newer".clone_into(&mut expected[0].1);
        assert_eq!(answers(host, &folder), expected);
    }
}

ferrule_testkit::test! {
    /// Executables that do not say that they are Ferrule's replace nothing, and if they say so only
    /// until they are in place, what they have replaced comes back.
    fn what_does_not_answer_is_not_installed(host) {
        let folder = node(host);
        let cni = folder.display();
        let new = build(host, "new", &["bridge"]);
        for (text, expected) in [
            ("echo CNI host-local plugin v1.9.1", "nothing was changed"),
            ("echo Ferrule; exit 1", "nothing was changed"),
            ("case $0 in */.ferrule/*) echo Ferrule;; esac", "rolled back"),
        ] {
            write_script(&new.join("host-local"), text);
            let mut bytes = fs::read(new.join("host-local")).unwrap();
            bytes.extend_from_slice(format!("exit\n#ferrule build {}", "0".repeat(64)).as_bytes());
            fs::write(new.join("host-local"), bytes).unwrap();
            let outcome = installer(host, &format!("install {} {cni} bridge host-local", new.display()));
            assert!(outcome.stderr.contains(expected), "{outcome}");
            outcome.fails();
            assert_eq!(answers(host, &folder), go(), "{text}");
        }
        installer(host, &format!("install {} {cni} bridge absent", new.display())).fails();
        assert_eq!(answers(host, &folder), go());
    }
}

ferrule_testkit::test! {
    /// The real executables answer as the installer asks.
    fn ours_answer(host) {
        let folder = node(host);
        let cni = folder.display();
        let from = binaries_folder();
        installer(host, &format!("install {} {cni} {}", from.display(), NAMES.join(" "))).succeeds();
        for name in NAMES {
            assert_eq!(fs::read(folder.join(name)).unwrap(), fs::read(from.join(name)).unwrap());
        }
        let again = installer(host, &format!("install {} {cni} {}", from.display(), NAMES.join(" ")));
        assert!(again.succeeds().stdout.contains("there already"));
        installer(host, &format!("rollback {cni}")).succeeds();
        assert_eq!(answers(host, &folder), go());
    }
}

/// A folder for `PATH`, whose tools that change files count down in `left`, and at 0 kill the whole
/// process group.
fn deadly_tools(host: &Host) -> PathBuf {
    let folder = host.work_folder().join("deadly");
    let left = host.work_folder().join("left");
    for tool in ["cp", "ln", "mkdir", "mv", "rm"] {
        let text = format!(
            "n=$(cat {left}); echo $((n - 1)) >{left}; [ $n != 0 ] || kill -9 0; exec /bin/{tool} \"$@\"",
            left = left.display()
        );
        write_script(&folder.join(tool), &text);
    }
    folder
}

/// Kills an install before its `step`th change. Returns whether it got that far.
fn kill_at(host: &Host, tools: &Path, step: usize, words: &str) -> bool {
    fs::write(host.work_folder().join("left"), step.to_string()).unwrap();
    let script = repository().join("packaging/installer");
    let outcome = host.exec(format!(
        "setsid --wait env PATH={}:/usr/bin:/bin {} {words}",
        tools.display(),
        script.display()
    ));
    !outcome.status.success()
}

ferrule_testkit::test! {
    /// Killed at any point, every file is an old or a new one, and both ways lead on: install again,
    /// or go back.
    fn killed_anywhere(host, then in ["install", "rollback"]) needs [Tool("setsid")] {
        let folder = node(host);
        let cni = folder.display();
        let tools = deadly_tools(host);
        let new = build(host, "new", &NAMES);
        let install = format!("install {} {cni} {}", new.display(), NAMES.join(" "));
        for step in 0.. {
            if !kill_at(host, &tools, step, &install) {
                assert!(step > 10, "the install has more steps than {step}");
                break;
            }
            let now = answers(host, &folder);
            for name in ["bridge", "host-local"] {
                assert!(now.iter().any(|(found, _)| found == name), "step {step}: {now:?}");
            }
            if then == "install" {
                installer(host, &install).succeeds();
                let said = answers(host, &folder);
                assert!(said.iter().all(|(name, said)| name == "sample" || said == "Ferrule new"));
            }
            let back = installer(host, &format!("rollback {cni}"));
            // Killed before anything was replaced, there is nothing to go back from.
            let nothing = back.stderr.contains("no install") || back.stderr.contains("nothing was");
            assert!(back.status.success() || then == "rollback" && nothing, "step {step}: {back}");
            assert_eq!(answers(host, &folder), go(), "step {step}");
        }
    }
}

ferrule_testkit::test! {
    /// The folder is the one that containerd names, in the spelling of any of its versions.
    fn containerd_names_the_folder(host, version in ["1.6", "2.0", "2.1"]) {
        let line = match version {
            "1.6" => r#"      bin_dir = "/usr/lib/elsewhere""#,
            "2.0" => "      bin_dir = '/usr/lib/elsewhere'",
            _ => "      bin_dir = ''\n      bin_dirs = ['/usr/lib/elsewhere', '/opt/cni/bin']",
        };
        let tools = host.work_folder().join("tools");
        write_script(&tools.join("containerd"), &format!("cat <<'END'\n[cni]\n{line}\nEND"));
        let script = repository().join("packaging/plugin-folder");
        let ask = format!("env PATH={}:/usr/bin:/bin {}", tools.display(), script.display());
        assert_eq!(host.exec(ask).succeeds().stdout, "/usr/lib/elsewhere\n");
    }
}

ferrule_testkit::test! {
    /// A link of the plugin folder's own stays one on the way back.
    fn a_link_that_was_there_comes_back(host) {
        let folder = node(host);
        let cni = folder.display();
        symlink("bridge", folder.join("loopback")).unwrap();
        let new = build(host, "new", &NAMES);
        installer(host, &format!("install {} {cni} {}", new.display(), NAMES.join(" "))).succeeds();
        assert!(!folder.join("loopback").is_symlink());
        installer(host, &format!("uninstall {cni}")).succeeds();
        assert_eq!(fs::read_link(folder.join("loopback")).unwrap(), Path::new("bridge"));
    }
}

ferrule_testkit::test! {
    /// The script of the container image installs what the image holds, once; when it ends it takes
    /// the plugins back if it was told to.
    fn a_node_of_a_daemon_set(host, end in ["stays", "goes"]) needs [Tool("busybox")] {
        let folder = node(host);
        let image = build(host, "new", &NAMES);
        fs::write(image.join("LICENSE"), "").unwrap();
        let environment = format!(
            "env FOLDER={} FROM={} INSTALLER={} UNINSTALL_AT_END={}",
            folder.display(),
            image.display(),
            repository().join("packaging/installer").display(),
            if end == "goes" { "1" } else { "" },
        );
        let script = repository().join("packaging/image/node");
        let script = format!("{environment} busybox sh {}", script.display());
        for _ in 0..2 {
            let said = host.exec(format!("{script} install")).succeeds().stdout;
            assert!(said.contains("3 plugins: Ferrule new"), "{said}");
        }
        // As a container that is ended: a signal to the waiting script.
        let ended = host.exec(format!("timeout --preserve-status 2 {script} install --wait"));
        ended.succeeds();
        let now = answers(host, &folder);
        if end == "goes" {
            assert_eq!(now, go());
            assert!(!remembers(&folder));
        } else {
            assert_eq!(now.iter().filter(|(_, said)| said == "Ferrule new").count(), NAMES.len());
            host.exec(format!("{script} rollback")).succeeds();
            assert_eq!(answers(host, &folder), go());
        }
        host.exec(format!("{script} nonsense")).fails();
    }
}
