//! Measured rates and delays.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ferrule_testkit::{Host, Namespace};
use ferrule_tests::Network;
use serde_json::json;

use crate::bandwidth::node::{Pod, both, pod};

/// After this time the burst is over and TCP has reached its rate.
const START: Duration = Duration::from_secs(1);
const MEASURED: Duration = Duration::from_secs(2);

/// Sends by TCP as fast as possible, runs `work` after the burst, and returns what arrived in two
/// seconds, in Mbit/s.
fn rate<T>(
    from: &Namespace,
    to: &Namespace,
    address: &str,
    work: impl FnOnce() -> T + Send,
) -> (f64, T)
where
    T: Send,
{
    let address = SocketAddr::new(address.parse().unwrap(), 0);
    let listener = to.inside(|| TcpListener::bind(address).unwrap());
    let address = listener.local_addr().unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut stream = from.inside(|| TcpStream::connect(address).unwrap());
            let block = [0; 16 * 1024];
            loop {
                if stop.load(Ordering::Relaxed) || stream.write_all(&block).is_err() {
                    break;
                }
            }
        });
        let (mut stream, _) = listener.accept().unwrap();
        let mut block = vec![0; 64 * 1024];
        let begun = Instant::now();
        while begun.elapsed() < START {
            assert!(stream.read(&mut block).unwrap() > 0);
        }
        let work = scope.spawn(work);
        let (begun, mut bytes) = (Instant::now(), 0);
        while begun.elapsed() < MEASURED {
            bytes += stream.read(&mut block).unwrap();
        }
        let elapsed = begun.elapsed().as_secs_f64();
        stop.store(true, Ordering::Relaxed);
        drop(stream);
        #[expect(clippy::cast_precision_loss, reason = "a few megabytes")]
        let rate = bytes as f64 * 8.0 / 1e6 / elapsed;
        (rate, work.join().unwrap())
    })
}

/// The rate in one direction, for the address at this position of the result.
fn measured<T: Send>(
    pod: &Pod,
    host: &Host,
    direction: &str,
    position: usize,
    work: impl FnOnce() -> T + Send,
) -> (f64, T) {
    let container = &pod.attachment.container;
    if direction == "ingress" {
        return rate(host, container, pod.attachment.address(position), work);
    }
    let gateway = pod.attachment.result["ips"][position]["gateway"].as_str();
    rate(container, host, gateway.unwrap(), work)
}

/// 20 Mbit/s, plus or minus 3. A busy machine may send less at times, but never more.
#[track_caller]
fn assert_rate(pod: &Pod, host: &Host, direction: &str, position: usize) {
    let mut rates = Vec::new();
    for _ in 0..3 {
        let (rate, ()) = measured(pod, host, direction, position, || ());
        assert!(rate < 23.0, "{rate} Mbit/s");
        if rate > 17.0 {
            return;
        }
        rates.push(rate);
    }
    panic!("{rates:?} Mbit/s");
}

ferrule_testkit::test! {
    /// Configured: 20 Mbit/s with a burst of a tenth of a second.
    fn rates_are_the_configured_ones(host, case in ["ingress 0", "ingress 1", "egress 0", "egress 1"])
        needs [Ifb, TokenBucketFilter, IngressRedirect, Ipv6] {
        let (direction, position) = case.split_once(' ').unwrap();
        let keys = json!({ "ingressRate": 20_000_000, "ingressBurst": 2_000_000,
            "egressRate": 20_000_000, "egressBurst": 2_000_000 });
        let pod = pod(host, &Network::bridge(), "c1", &keys);
        pod.limit();
        assert_rate(&pod, host, direction, position.parse().unwrap());
    }
}

ferrule_testkit::test! {
    /// A default burst of a runtime would last for minutes.
    fn rates_hold_with_a_default_burst(host, direction in ["ingress", "egress"])
        needs [Ifb, TokenBucketFilter, IngressRedirect, Ipv6] {
        let keys = json!({ "runtimeConfig": { "bandwidth": {
            "ingressRate": 20_000_000, "ingressBurst": u32::MAX,
            "egressRate": 20_000_000, "egressBurst": u32::MAX,
        } } });
        let pod = pod(host, &Network::ptp(), "c1", &keys);
        pod.limit();
        assert_rate(&pod, host, direction, 0);
    }
}

ferrule_testkit::test! {
    /// A packet waits at most for the queue of 25 ms and the burst of 10 ms. The median is
    /// compared, as the machine may be busy.
    fn delays_are_bounded(host, direction in ["ingress", "egress"])
        needs [Ifb, TokenBucketFilter, IngressRedirect, Ipv6] {
        let pod = pod(host, &Network::ptp(), "c1", &both());
        pod.limit();
        let address = pod.attachment.address(0);
        let ping = format!("ping -n -c 15 -i 0.1 -W 2 {address}");
        let (rate, output) = measured(&pod, host, direction, 0, || host.exec(&*ping).succeeds().stdout);
        let time = |line: &str| line.split_once("time=")?.1.split_once(' ')?.0.parse::<f64>().ok();
        let mut times: Vec<f64> = output.lines().filter_map(time).collect();
        times.sort_by(f64::total_cmp);
        let median = times[times.len() / 2];
        assert!(median < 35.0, "{median} ms of {times:?} at {rate} Mbit/s");
        assert!(median > 1.0, "the queue is in use: {times:?}");
    }
}
