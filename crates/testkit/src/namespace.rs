//! A network namespace: runs code and tools in it.

use std::fs::File;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, setns};
use serde_json::Value;

use crate::outcome::Outcome;
use crate::process::{self, Running};
use crate::words::Words;

/// A network namespace that has a path. [`Host`](crate::Host) and
/// [`Container`](crate::Container) dereference to theirs.
///
/// It holds no descriptor, so it does not keep an unmounted namespace alive.
#[derive(Debug, Clone)]
pub struct Namespace {
    path: PathBuf,
}

impl Namespace {
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// The path on which the namespace is mounted, for `CNI_NETNS`; also after its removal.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `work` on a thread in this namespace and returns its result. Sockets that it opens stay in
    /// this namespace.
    ///
    /// # Panics
    /// If the namespace is gone, or if `work` panics.
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

    /// Runs a command in this namespace to its end.
    #[track_caller]
    pub fn exec(&self, words: impl Words) -> Outcome {
        self.start(words).wait()
    }

    /// As [`Self::exec`], with this standard input.
    #[track_caller]
    pub fn exec_with_input(&self, words: impl Words, input: &str) -> Outcome {
        let mut command = process::command(words.words());
        self.inside(|| Running::start(&mut command, input.as_bytes()))
            .wait()
    }

    /// Starts a command in this namespace without waiting.
    #[track_caller]
    pub fn start(&self, words: impl Words) -> Running {
        let mut command = process::command(words.words());
        self.inside(|| Running::start(&mut command, b""))
    }

    /// Runs `ip …`, which must succeed, and returns its output.
    #[track_caller]
    pub fn ip(&self, words: impl Words) -> String {
        self.tool("ip", words)
    }

    /// Runs `ip -j -d …`, which must succeed, and returns its JSON; an empty list for no output.
    #[track_caller]
    pub fn ip_json(&self, words: impl Words) -> Value {
        let mut all = "-j -d".words();
        all.extend(words.words());
        let text = self.tool("ip", all);
        let text = if text.trim().is_empty() { "[]" } else { &text };
        serde_json::from_str(text).expect("ip -j prints JSON")
    }

    /// Runs a tool, which must succeed, and returns its output.
    #[track_caller]
    pub fn tool(&self, name: &str, words: impl Words) -> String {
        let mut all = name.words();
        all.extend(words.words());
        self.exec(all).succeeds().stdout
    }

    /// The rules of an iptables table or of one of its chains (empty: of all chains), as `-S` prints
    /// them. `tool` is `iptables` or `ip6tables`.
    ///
    /// # Panics
    /// If the tool or the chain is missing.
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

    /// Whether a link of this name exists.
    pub fn has_link(&self, name: &str) -> bool {
        self.exec(["ip", "link", "show", "dev", name])
            .status
            .success()
    }

    /// A link as `ip -j -d address show` prints it: `["mtu"]`, `["address"]` (the MAC), `["master"]`,
    /// `["linkinfo"]["info_kind"]`, `["addr_info"]` (list of addresses).
    ///
    /// # Panics
    /// If there is no such link.
    #[track_caller]
    pub fn link(&self, name: &str) -> Value {
        self.ip_json(["address", "show", "dev", name])[0].take()
    }

    /// The addresses of a link as `address/prefix`, without link-local IPv6 ones.
    ///
    /// # Panics
    /// If there is no such link.
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
