//! podman with its CNI back end, its own default network, and Ferrule's executables alone.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use ferrule_testkit::{Host, Outcome, assert_same, binaries_folder};

/// What stays of the network when its last container is gone, and podman's own process that ends by
/// itself.
const SHARED: [&str; 4] = ["cni-podman0", "/var/lib/cni", "/run/cni/locks", "conmon"];

/// podman with storage, networks and state of its own in the folder of the test.
struct Podman<'h> {
    host: &'h Host,
}

impl<'h> Podman<'h> {
    /// Configures podman and imports an image that holds nothing but busybox.
    fn new(host: &'h Host) -> Self {
        let work = host.work_folder();
        let folder = work.display();
        for name in ["networks", "tmp", "root/bin"] {
            fs::create_dir_all(work.join(name)).unwrap();
        }
        let plugins = binaries_folder();
        let plugins = plugins.display();
        let engine = format!(
            "[engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"none\"\nruntime = \"crun\"\n\
             [containers]\nlog_driver = \"k8s-file\"\ncgroups = \"disabled\"\n\
             default_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]\n\
             [network]\nnetwork_backend = \"cni\"\ncni_plugin_dirs = [\"{plugins}\"]\n\
             network_config_dir = \"{folder}/networks\"\n"
        );
        fs::write(work.join("containers.conf"), engine).unwrap();
        let storage = format!(
            "[storage]\ndriver = \"vfs\"\ngraphroot = \"{folder}/storage\"\nrunroot = \"{folder}/run\"\n"
        );
        fs::write(work.join("storage.conf"), storage).unwrap();
        fs::copy(busybox(), work.join("root/bin/busybox")).unwrap();
        // crun wants to see control groups, though its containers get none of their own.
        host.exec("mount -t cgroup2 cgroup2 /sys/fs/cgroup")
            .succeeds();
        let archive = format!("tar --create --file {folder}/image.tar --directory {folder}/root .");
        host.exec(archive).succeeds();
        let podman = Self { host };
        podman
            .run(&format!("import {folder}/image.tar busybox:test"))
            .succeeds();
        podman
    }

    fn run(&self, words: &str) -> Outcome {
        let folder = self.host.work_folder();
        let folder = folder.display();
        let environment = format!(
            "env CONTAINERS_CONF={folder}/containers.conf CONTAINERS_STORAGE_CONF={folder}/storage.conf \
             TMPDIR={folder}/tmp"
        );
        self.host.exec(format!("{environment} podman {words}"))
    }

    /// Starts a web server that the host publishes.
    fn start(&self, name: &str, host_port: u16) {
        let server = "busybox:test /bin/busybox httpd -f -p 80 -h /";
        let run = format!("run --detach --name {name} --publish {host_port}:80 {server}");
        self.run(&run).succeeds();
    }

    fn address(&self, name: &str) -> String {
        let format = "{{.NetworkSettings.IPAddress}}";
        let found = self
            .run(&format!("inspect --format {format} {name}"))
            .succeeds();
        found.stdout.trim().to_owned()
    }

    fn remove(&self, name: &str) {
        self.run(&format!("rm --force --time 0 {name}")).succeeds();
    }
}

fn busybox() -> &'static Path {
    Path::new("/bin/busybox")
}

/// Whether a web server answers there, which may need a moment to start.
fn is_served(host: &Host, address: &str, port: u16) -> bool {
    let address: SocketAddr = format!("{address}:{port}").parse().unwrap();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(10) {
        let answer = host.inside(|| {
            let mut server = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
            server.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
            server.write_all(b"GET /none HTTP/1.0\r\n\r\n").ok()?;
            let mut answer = String::new();
            server.read_to_string(&mut answer).ok()?;
            Some(answer)
        });
        if answer.is_some_and(|answer| answer.starts_with("HTTP/1.")) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    false
}

ferrule_testkit::test! {
    /// `podman run` publishes a port, `podman rm -f` leaves the host as it was.
    fn a_container_is_run_and_removed(host) needs [
        Tool("podman"), Tool("crun"), Tool("conmon"), Tool("busybox"), Iptables, Ip6tables
    ] {
        let podman = Podman::new(host);
        // What the first container makes for all of them stays.
        podman.start("first", 8080);
        podman.remove("first");
        let before = host.snapshot().ignoring(&SHARED);

        podman.start("web", 8080);
        let address = podman.address("web");
        assert!(address.starts_with("10.88."), "{address:?}");
        assert!(is_served(host, &address, 80), "by its address");
        assert!(is_served(host, "10.88.0.1", 8080), "by the host's port");
        assert!(is_served(host, "127.0.0.1", 8080), "by the host's port on loopback");
        podman.remove("web");
        assert!(!host.ping(&address));
        assert_same(&before, &host.snapshot().ignoring(&SHARED));
    }
}
