//! A network namespace seen from outside: run code and tools in it.

use std::fs::File;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, setns};
use serde_json::Value;

use crate::outcome::Outcome;
use crate::process::{self, Running};
use crate::words::Words;

/// A network namespace that has a path. [`Host`](crate::Host) and
/// [`Container`](crate::Container) both lend theirs, so all of this works on either.
///
/// No descriptor is kept: when the path is unmounted, nothing here keeps the namespace alive.
#[derive(Debug, Clone)]
pub struct Namespace {
    path: PathBuf,
}

impl Namespace {
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where the namespace is mounted, for `CNI_NETNS`. The path stays known after the removal.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Run `work` on a thread inside this namespace and hand back what it returns. What it opens
    /// (sockets above all) stays in this namespace for good.
    ///
    /// # Panics
    /// When the namespace is gone, or when `work` panics.
    #[track_caller]
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) => panic!("open the namespace {}: {error}", self.path.display()),
        };
        let result = std::thread::scope(|scope| {
            let worker = scope.spawn(|| {
                setns(&file, CloneFlags::CLONE_NEWNET).expect("enter a namespace as root");
                work()
            });
            worker.join()
        });
        result.unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// Run any command inside, to its end.
    #[track_caller]
    pub fn exec(&self, words: impl Words) -> Outcome {
        self.start(words).wait()
    }

    /// Run any command inside with this on its standard input, to its end.
    #[track_caller]
    pub fn exec_with_input(&self, words: impl Words, input: &str) -> Outcome {
        let mut command = process::command(words.words());
        self.inside(|| Running::start(&mut command, input.as_bytes()))
            .wait()
    }

    /// Start any command inside and leave it running.
    #[track_caller]
    pub fn start(&self, words: impl Words) -> Running {
        let mut command = process::command(words.words());
        self.inside(|| Running::start(&mut command, b""))
    }

    /// Run `ip …` inside; it must succeed. Returns what it printed.
    #[track_caller]
    pub fn ip(&self, words: impl Words) -> String {
        self.tool("ip", words)
    }

    /// Run `ip -j -d …` inside; it must succeed. Returns the JSON it printed, an empty list where
    /// it printed nothing.
    #[track_caller]
    pub fn ip_json(&self, words: impl Words) -> Value {
        let mut all = "-j -d".words();
        all.extend(words.words());
        let text = self.tool("ip", all);
        let text = if text.trim().is_empty() { "[]" } else { &text };
        serde_json::from_str(text).expect("ip -j prints JSON")
    }

    /// Run a named tool inside; it must succeed. Returns what it printed.
    #[track_caller]
    pub fn tool(&self, name: &str, words: impl Words) -> String {
        let mut all = name.words();
        all.extend(words.words());
        self.exec(all).succeeds().stdout
    }

    /// The rules of an iptables table or of one of its chains (empty: all of them), as `-S` prints
    /// them. `tool` is `iptables` or `ip6tables`.
    ///
    /// # Panics
    /// When the tool is missing, or there is no such chain.
    pub fn iptables_rules(&self, tool: &str, table: &str, chain: &str) -> Vec<String> {
        self.inside(|| {
            let read = || {
                let tool = iptables::new(tool == "ip6tables")?;
                if chain.is_empty() {
                    tool.list_table(table)
                } else {
                    tool.list(table, chain)
                }
            };
            read().unwrap_or_else(|error| panic!("{tool} -t {table} -S {chain}: {error}"))
        })
    }

    /// Whether a link of this name exists here.
    pub fn has_link(&self, name: &str) -> bool {
        self.exec(["ip", "link", "show", "dev", name])
            .status
            .success()
    }

    /// One link as `ip -j -d address show` tells it: `["mtu"]`, `["address"]` (the MAC),
    /// `["master"]`, `["linkinfo"]["info_kind"]`, `["addr_info"]` (list of addresses).
    ///
    /// # Panics
    /// When there is no such link.
    #[track_caller]
    pub fn link(&self, name: &str) -> Value {
        self.ip_json(["address", "show", "dev", name])[0].take()
    }

    /// The addresses of a link as `address/prefix`, without the link-local IPv6 ones the kernel
    /// makes by itself.
    ///
    /// # Panics
    /// When there is no such link.
    #[track_caller]
    pub fn addresses(&self, name: &str) -> Vec<String> {
        let link = self.link(name);
        let entries = link["addr_info"].as_array().cloned().unwrap_or_default();
        let text = |entry: &Value| {
            Some(format!(
                "{}/{}",
                entry["local"].as_str()?,
                entry["prefixlen"].as_u64()?
            ))
        };
        let wanted = |entry: &&Value| {
            !entry["local"]
                .as_str()
                .is_some_and(|address| address.starts_with("fe80:"))
        };
        entries.iter().filter(wanted).filter_map(text).collect()
    }
}
