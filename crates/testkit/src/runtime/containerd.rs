//! containerd, driven over CRI as the kubelet drives it.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use prost::Message;
use serde_json::Value;

use super::{PluginFolder, cri, image, kill_descendants, kill_process, mount_control_groups};
use crate::binaries;
use crate::host::Host;

const SOCKET: &str = "/run/ferrule/containerd.sock";

/// containerd on a test's host. It takes its network from [`Host::write_network`], and pods consist
/// of their sandbox alone, which serves HTTP on port 80. A test that uses it
/// `needs [Tool("containerd"), Tool("crun"), Tool("curl"), Tool("busybox")]`.
///
/// Dropping it kills it and everything it has started.
#[derive(Debug)]
pub struct Containerd<'h> {
    host: &'h Host,
    daemon: Child,
    plugins: PluginFolder,
}

/// A pod as containerd knows it once it runs.
#[derive(Debug, Clone)]
pub struct Pod {
    /// The identifier of its sandbox, which plugins get as `CNI_CONTAINERID`.
    pub id: String,
    /// Its addresses, the primary one first.
    pub addresses: Vec<String>,
    /// The process that serves HTTP.
    pub pid: u32,
    /// Its network namespace.
    pub netns: PathBuf,
}

impl<'h> Containerd<'h> {
    /// Starts containerd with our plugins and with a sandbox image that holds nothing but busybox.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start(host: &'h Host) -> Self {
        mount_control_groups(host);
        let plugins = PluginFolder::new(host);
        plugins.take_from(&binaries::folder());
        let folder = host.work_folder();
        // Nothing here needs control groups, and not every place that runs tests lets one make any.
        let runtime = folder.join("crun");
        let script = "#!/bin/sh\nexec crun --cgroup-manager=disabled \"$@\"\n";
        fs::write(&runtime, script).expect("write the runtime's script");
        host.tool("chmod", format!("755 {}", runtime.display()));
        let settings = format!(
            "version = 2\nroot = \"{work}/containerd\"\nstate = \"{work}/state\"\n\
             [grpc]\naddress = \"{SOCKET}\"\n\
             [plugins.\"io.containerd.grpc.v1.cri\"]\nsandbox_image = \"{image}\"\n\
             restrict_oom_score_adj = true\ndisable_cgroup = true\ndisable_apparmor = true\n\
             [plugins.\"io.containerd.grpc.v1.cri\".cni]\nbin_dir = \"{plugins}\"\nconf_dir = \"{networks}\"\n\
             [plugins.\"io.containerd.grpc.v1.cri\".containerd]\nsnapshotter = \"native\"\n\
             [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]\n\
             runtime_type = \"io.containerd.runc.v2\"\n\
             [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.options]\n\
             BinaryName = \"{runtime}\"\n",
            work = folder.display(),
            image = image::NAME,
            plugins = plugins.path.display(),
            networks = host.network_folder().display(),
            runtime = runtime.display(),
        );
        fs::write(Self::settings(host), settings).expect("write containerd's settings");
        fs::create_dir_all(host.network_folder()).expect("make the network folder");
        let daemon = Self::start_daemon(host);
        let archive = image::archive(host);
        let words = format!(
            "--address {SOCKET} --namespace k8s.io images import {}",
            archive.display()
        );
        host.tool("ctr", words);
        Self {
            host,
            daemon,
            plugins,
        }
    }

    fn settings(host: &Host) -> PathBuf {
        host.work_folder().join("containerd.toml")
    }

    fn start_daemon(host: &Host) -> Child {
        let log = host.work_folder().join("containerd.log");
        let log = File::options()
            .create(true)
            .append(true)
            .open(log)
            .expect("open a log file");
        let mut command = Command::new("containerd");
        command.arg("--config").arg(Self::settings(host));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let daemon = command.spawn().expect("start containerd");
        let start = Instant::now();
        loop {
            let ready =
                cri::call::<cri::Nothing>(host, Path::new(SOCKET), "Status", &cri::Nothing {});
            match ready {
                Ok(_) => return daemon,
                Err(error) => assert!(
                    start.elapsed() < Duration::from_secs(30),
                    "containerd does not come up: {error}\n{}",
                    Self::log_of(host)
                ),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn log_of(host: &Host) -> String {
        fs::read_to_string(host.work_folder().join("containerd.log")).unwrap_or_default()
    }

    /// What containerd has written on standard error so far.
    pub fn log(&self) -> String {
        Self::log_of(self.host)
    }

    /// Replaces the plugins by those of a folder, while everything goes on.
    pub fn use_plugins_of(&self, folder: &Path) {
        self.plugins.take_from(folder);
    }

    /// The folder it takes plugins from, to put a further one in.
    pub fn plugin_folder(&self) -> &Path {
        &self.plugins.path
    }

    /// Kills the daemon alone (SIGKILL); pods go on.
    pub fn kill(&self) {
        kill_process(self.daemon.id());
    }

    /// Kills the daemon and everything it has started, pods too.
    pub fn kill_all(&self) {
        kill_descendants();
    }

    /// Starts the daemon again after it was killed.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start_again(&mut self) {
        self.daemon.wait().expect("wait for containerd");
        self.daemon = Self::start_daemon(self.host);
    }

    /// Starts a pod; ports are pairs of the host's port and the pod's, annotations those of the pod.
    ///
    /// # Errors
    /// What containerd answered.
    pub fn run(
        &self,
        name: &str,
        ports: &[(u16, u16)],
        annotations: &[(&str, &str)],
    ) -> Result<Pod, String> {
        let id = self.start_pod(name, ports, annotations)?;
        Ok(self.inspect(&id))
    }

    /// As [`Self::run`]; returns only the sandbox's identifier.
    ///
    /// # Errors
    /// What containerd answered.
    pub fn start_pod(
        &self,
        name: &str,
        ports: &[(u16, u16)],
        annotations: &[(&str, &str)],
    ) -> Result<String, String> {
        let port_mappings = ports.iter().map(|&(host, container)| cri::PortMapping {
            container_port: container.into(),
            host_port: host.into(),
        });
        let metadata = cri::PodSandboxMetadata {
            name: name.to_owned(),
            uid: format!("uid-{name}"),
            namespace: "default".to_owned(),
            attempt: 0,
        };
        let annotations = annotations
            .iter()
            .map(|&(key, value)| (key.to_owned(), value.to_owned()));
        let config = cri::PodSandboxConfig {
            metadata: Some(metadata),
            port_mappings: port_mappings.collect(),
            annotations: annotations.collect::<HashMap<_, _>>(),
        };
        let request = cri::RunPodSandboxRequest {
            config: Some(config),
        };
        let answer: cri::PodSandboxId = self.call("RunPodSandbox", &request)?;
        Ok(answer.id)
    }

    /// What containerd knows of a pod.
    fn inspect(&self, id: &str) -> Pod {
        let request = cri::PodSandboxStatusRequest {
            id: id.to_owned(),
            verbose: true,
        };
        let answer: cri::PodSandboxStatusResponse = self
            .call("PodSandboxStatus", &request)
            .expect("the status of a pod that runs");
        let network = answer
            .status
            .and_then(|status| status.network)
            .unwrap_or_default();
        let others = network.additional_ips.into_iter().map(|address| address.ip);
        let info = answer
            .info
            .get("info")
            .map(String::as_str)
            .unwrap_or_default();
        let info: Value = serde_json::from_str(info).expect("verbose information is JSON");
        let namespaces = info["runtimeSpec"]["linux"]["namespaces"].as_array();
        let mut namespaces = namespaces.into_iter().flatten();
        let netns = namespaces.find(|namespace| namespace["type"] == "network");
        let netns = netns
            .and_then(|namespace| namespace["path"].as_str())
            .unwrap_or_default();
        Pod {
            id: id.to_owned(),
            addresses: [network.ip].into_iter().chain(others).collect(),
            pid: info["pid"]
                .as_u64()
                .and_then(|pid| u32::try_from(pid).ok())
                .unwrap_or_default(),
            netns: PathBuf::from(netns),
        }
    }

    /// Stops a pod and takes its network down, as the kubelet does.
    ///
    /// # Errors
    /// What containerd answered.
    pub fn stop(&self, id: &str) -> Result<(), String> {
        self.about("StopPodSandbox", id)
    }

    /// Removes a pod that was stopped.
    ///
    /// # Errors
    /// What containerd answered.
    pub fn remove(&self, id: &str) -> Result<(), String> {
        self.about("RemovePodSandbox", id)
    }

    /// The identifiers of all pods that containerd knows, also of those that do not run.
    ///
    /// # Panics
    /// When containerd does not answer.
    pub fn pods(&self) -> Vec<String> {
        let answer: cri::ListPodSandboxResponse = self
            .call("ListPodSandbox", &cri::Nothing {})
            .expect("a list of pods");
        answer.items.into_iter().map(|pod| pod.id).collect()
    }

    fn about(&self, method: &str, id: &str) -> Result<(), String> {
        let request = cri::PodSandboxId { id: id.to_owned() };
        self.call::<cri::Nothing>(method, &request).map(drop)
    }

    fn call<A: Message + Default>(
        &self,
        method: &str,
        request: &impl Message,
    ) -> Result<A, String> {
        cri::call(self.host, Path::new(SOCKET), method, request)
    }
}

impl Drop for Containerd<'_> {
    fn drop(&mut self) {
        self.kill_all();
        let _ = self.daemon.wait();
    }
}
