//! The daemon as a service manager and an operator see it.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::time::Duration;

use ferrule_tests::dhcp::{
    Daemon, Pool, SOCKET, Segment, Server, ServerKind, answers, held_leases, listing, wait_until,
};
use serde_json::json;

use crate::dhcp::client::{Client, config, plain};

fn dnsmasq(segment: &Segment) -> Server {
    Server::start(segment, "s1", ServerKind::Dnsmasq, Pool::new(120))
}

ferrule_testkit::test! {
    /// A socket file that nobody listens on is replaced, also twice in a row.
    fn a_stale_socket_is_replaced(host) {
        let mut daemon = Daemon::start(host);
        for _ in 0..2 {
            daemon.kill();
            assert!(Path::new(SOCKET).exists());
            daemon.start_again();
        }
        daemon.stop();
        assert!(!Path::new(SOCKET).exists());
    }
}

ferrule_testkit::test! {
    /// A second daemon on the socket says so and ends; the first one goes on.
    fn a_second_daemon_is_refused(host) {
        let mut first = Daemon::start(host);
        let second = listing(host, "daemon");
        assert!(second.status.code().is_some_and(|code| code != 0), "{second}");
        assert!(second.stderr.contains("another daemon runs"), "{second}");
        assert!(first.runs() && answers(SOCKET.as_ref()));
    }
}

ferrule_testkit::test! {
    /// The socket that systemd hands over is used, and left alone at the end.
    fn a_handed_over_socket_is_used(host) needs [Tool("dnsmasq")] {
        let segment = Segment::new(host);
        let _server = dnsmasq(&segment);
        let path = Path::new("/run/cni/activated.sock");
        let listener = UnixListener::bind(path).unwrap();
        let executable = ferrule_testkit::binaries_folder().join("dhcp");
        let script = format!("export LISTEN_PID=$$; exec {} daemon 3<&0 0</dev/null", executable.display());
        let call = host.executable("/bin/sh", ["-c", &script]).env("LISTEN_FDS", "1");
        let log = host.work_folder().join("activated.log");
        let mut service = call.serve_with_stdin(listener.into(), &log);
        let config = config("1.0.0", &json!({ "daemonSocketPath": path }));
        let client = Client::new(&segment, "c1", &config);
        client.lease();
        assert!(!Path::new(SOCKET).exists());
        client.call.del().succeeds();
        service.signal(nix::sys::signal::Signal::SIGTERM);
        assert!(service.wait(Duration::from_secs(10)).success(), "{}", service.log());
        // It belongs to the service manager, which goes on listening for the next start.
        assert!(path.exists());
    }
}

ferrule_testkit::test! {
    /// Readiness is told to the service manager once calls are answered.
    fn readiness_is_told(host) {
        let path = host.work_folder().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let executable = ferrule_testkit::binaries_folder().join("dhcp");
        let call = host.executable(executable, "daemon").env("NOTIFY_SOCKET", &path);
        let _service = call.serve(&host.work_folder().join("notified.log"));
        let mut text = [0; 256];
        let length = socket.recv(&mut text).unwrap();
        assert!(String::from_utf8_lossy(&text[..length]).contains("READY=1"));
        assert!(answers(SOCKET.as_ref()));
    }
}

ferrule_testkit::test! {
    /// The file with the process id is written before it listens, and removed at the end.
    fn the_process_id_is_written(host) {
        let path = host.work_folder().join("dhcp.pid");
        let mut daemon = Daemon::start_with(host, &format!("-pidfile {}", path.display()));
        assert_eq!(std::fs::read_to_string(&path).unwrap().trim(), daemon.pid().to_string());
        daemon.stop();
        assert!(!path.exists());
        let outcome = listing(host, "daemon -pidfile relative.pid").fails();
        assert!(outcome.stderr.contains("absolute"), "{outcome}");
    }
}

ferrule_testkit::test! {
    /// Flags are spelt as Go's are; others fail with the usage and status 2.
    fn flags_are_those_of_go(host) {
        let words = "-socketpath=/run/cni/a/b.sock --timeout=500ms -resendmax 1m30s --resendtimeout 2m30s -broadcast=false";
        let call = host.executable(ferrule_testkit::binaries_folder().join("dhcp"), format!("daemon {words}"));
        let mut daemon = Daemon::start_call(host, call, "/run/cni/a/b.sock".as_ref());
        wait_until("root's alone", 5, || {
            let socket = std::fs::metadata("/run/cni/a/b.sock").unwrap();
            socket.permissions().mode() & 0o777 == 0o600
        });
        daemon.stop();
        for wrong in ["-nonsense", "-timeout 5", "-timeout=soon", "-broadcast=perhaps"] {
            let outcome = listing(host, &format!("daemon {wrong}"));
            assert_eq!(outcome.status.code(), Some(2), "{outcome}");
            assert!(outcome.stderr.contains("timeout"), "{outcome}");
        }
    }
}

ferrule_testkit::test! {
    /// `-hostprefix` goes before the socket's path and the namespace's, as in a container that has
    /// the host's files below a folder.
    fn a_prefix_leads_to_the_hosts_files(host) needs [Tool("dnsmasq")] {
        let segment = Segment::new(host);
        let server = dnsmasq(&segment);
        let prefix = host.work_folder().join("host");
        std::fs::create_dir_all(prefix.join("run/netns")).unwrap();
        let client = Client::new(&segment, "c1", &plain());
        let inner = prefix.join("run/netns/c1");
        std::fs::File::create(&inner).unwrap();
        host.exec(["mount", "--bind", "/run/netns/c1", &inner.display().to_string()]).succeeds();
        let words = format!("daemon -hostprefix {}", prefix.display());
        let call = host.executable(ferrule_testkit::binaries_folder().join("dhcp"), words);
        let socket = prefix.join("run/cni/dhcp.sock");
        let _daemon = Daemon::start_call(host, call, &socket);
        let config = config("1.0.0", &json!({ "daemonSocketPath": socket }));
        let leased = {
            let call = client.call.clone().config(&config);
            crate::dhcp::client::address(&call.add().succeeds().json())
        };
        assert!(server.holds(&leased));
        // The socket's path is the plugin's own.
        client.call.add().fails().mentions(SOCKET);
        client.call.clone().config(&config).del().succeeds();
        wait_until("released", 10, || server.leases().is_empty());
    }
}

ferrule_testkit::test! {
    /// Who is not root is not served, even if the socket's file lets everybody in.
    fn only_root_is_served(host) needs [Tool("dnsmasq"), Tool("setpriv")] {
        let segment = Segment::new(host);
        let server = dnsmasq(&segment);
        let daemon = Daemon::start(host);
        assert_eq!(std::fs::metadata(SOCKET).unwrap().permissions().mode() & 0o077 & 0o007, 0);
        std::fs::set_permissions("/run/cni", Permissions::from_mode(0o755)).unwrap();
        std::fs::set_permissions(SOCKET, Permissions::from_mode(0o666)).unwrap();
        let client = Client::new(&segment, "c1", &plain());
        let copy = host.work_folder().join("dhcp");
        std::fs::copy(ferrule_testkit::binaries_folder().join("dhcp"), &copy).unwrap();
        let words = format!("--reuid 65534 --regid 65534 --clear-groups {}", copy.display());
        let call = host.executable("/usr/bin/setpriv", words).container("c1").ifname("eth0")
            .netns(&client.container).cni_path("/opt").config(plain());
        call.add().fails().mentions("root");
        assert!(server.leases().is_empty());
        assert_eq!(held_leases(host), json!([]));
        assert!(daemon.log().contains("65534"), "{}", daemon.log());
        client.lease();
    }
}

ferrule_testkit::test! {
    /// What an operator sees of a lease.
    fn leases_are_listed(host) needs [Tool("dnsmasq")] {
        let segment = Segment::new(host);
        let _server = dnsmasq(&segment);
        let mut daemon = Daemon::start(host);
        let client = Client::new(&segment, "c1", &plain());
        let leased = client.lease();
        let table = listing(host, "leases").succeeds().stdout;
        for word in ["c1", "net", "eth0", leased.as_str(), "10.9.0.1"] {
            assert!(table.contains(word), "{word}: {table}");
        }
        let held = held_leases(host);
        let text = held.to_string();
        assert!(text.contains(&leased) && text.contains("\"c1\""), "{text}");
        daemon.stop();
        let outcome = listing(host, "leases").fails();
        assert!(outcome.stderr.contains(SOCKET), "{outcome}");
    }
}

ferrule_testkit::test! {
    /// Bytes that are no call, from who may call: answered or dropped, and the next call is served.
    fn garbage_on_the_socket_is_survived(host) needs [Tool("dnsmasq")] {
        use std::io::{Read as _, Write as _};
        let segment = Segment::new(host);
        let _server = dnsmasq(&segment);
        let mut daemon = Daemon::start(host);
        let connect = || {
            let stream = std::os::unix::net::UnixStream::connect(SOCKET).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            stream.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
            stream
        };
        let silent = connect();
        for bytes in [&b""[..], b"\n", b"{", b"{}\n", b"CONNECT /_goRPC_ HTTP/1.0\n\n", &[0xff; 5000], &vec![b'['; 200_000]] {
            let mut stream = connect();
            let _ = stream.write_all(bytes);
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            assert!(answer.len() < 10_000);
        }
        // Far more than any call, never ended.
        let mut stream = connect();
        let block = vec![b'x'; 65536];
        let sent = (0..2000).take_while(|_| stream.write_all(&block).is_ok()).count();
        assert!(sent < 2000, "all of it was taken");
        let client = Client::new(&segment, "c1", &plain());
        client.lease();
        drop(silent);
        assert!(daemon.runs());
        assert!(daemon.memory() < 30_000, "{} kB", daemon.memory());
    }
}
