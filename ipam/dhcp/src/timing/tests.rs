use proptest::prelude::*;

use super::*;

const START: Duration = Duration::from_secs(1000);

fn at(seconds: f64) -> Duration {
    START + Duration::from_secs_f64(seconds)
}

fn lease(life: u32) -> Times {
    times(START, Some(life), None, None).unwrap()
}

#[test]
fn a_lease_passes_through_its_phases() {
    let times = lease(80);
    for (seconds, phase, next) in [
        (0.0, Phase::Bound, Some(40.0)),
        (39.9, Phase::Bound, Some(40.0)),
        (40.0, Phase::Renewing, Some(70.0)),
        (70.0, Phase::Rebinding, Some(80.0)),
        (80.0, Phase::Expired, None),
        (1e6, Phase::Expired, None),
    ] {
        assert_eq!(times.phase(at(seconds)), phase, "{seconds}");
        assert_eq!(times.next_phase(at(seconds)), next.map(at), "{seconds}");
    }
}

#[test]
fn what_the_server_says_counts_if_it_makes_sense() {
    let limits = |t1, t2| {
        let limits = times(START, Some(100), t1, t2).unwrap().limits.unwrap();
        [limits.renew, limits.rebind].map(|time| time.saturating_sub(START).as_millis())
    };
    assert_eq!(limits(Some(30), Some(60)), [30000, 60000]);
    assert_eq!(limits(None, None), [50000, 87500]);
    assert_eq!(limits(Some(0), Some(0)), [50000, 87500]);
    assert_eq!(limits(Some(90), Some(60)), [50000, 60000]);
    assert_eq!(limits(Some(10), Some(100)), [10000, 87500]);
    assert_eq!(limits(Some(90), Some(20)), [20000, 20000]);
}

#[test]
fn lives_of_nothing_and_without_an_end() {
    assert_eq!(times(START, Some(0), None, None), None);
    let endless = times(START, Some(u32::MAX), Some(1), Some(2)).unwrap();
    assert_eq!(endless.phase(at(1e9)), Phase::Bound);
    assert_eq!(endless.next_phase(at(1e9)), None);
    assert_eq!(endless.retry(at(1e9)), None);
    let untold = times(START, None, None, None).unwrap();
    assert_eq!(untold.limits.unwrap().expire, at(3600.0));
}

#[test]
fn attempts_get_denser_towards_the_end_of_a_phase() {
    let times = lease(3600);
    let mut now = at(1800.0);
    let mut attempts = Vec::new();
    while times.phase(now) == Phase::Renewing {
        attempts.push(now.saturating_sub(START).as_secs());
        now = times.retry(now).unwrap();
    }
    assert_eq!(attempts, [1800, 2475, 2812, 2981, 3065, 3125]);
    let short = lease(8);
    assert_eq!(short.retry(at(4.0)), Some(at(5.5)));
    assert_eq!(short.retry(at(6.5)), Some(at(7.0)));
}

#[test]
fn waits_double_up_to_the_limit() {
    let seconds = Duration::from_secs;
    let mut waits = BackOff::new(seconds(2), seconds(7));
    let got: Vec<Duration> = (0..4).map(|_| waits.next(500)).collect();
    assert_eq!(got, [seconds(2), seconds(4), seconds(7), seconds(7)]);
    assert_eq!(BackOff::new(seconds(10), seconds(60)).next(0), seconds(9));
    assert_eq!(
        BackOff::new(seconds(10), seconds(60)).next(1000),
        seconds(11)
    );
}

proptest! {
    /// Whatever a server says, the phases are in order and every attempt is followed by a later one.
    #[test]
    fn no_server_makes_it_spin(
        life in 1u32..,
        t1: Option<u32>,
        t2: Option<u32>,
        elapsed in 0u64..u64::from(u32::MAX),
    ) {
        let times = times(START, Some(life), t1, t2).unwrap();
        let now = START + Duration::from_secs(elapsed);
        if let Some(limits) = times.limits {
            prop_assert!(START < limits.renew && limits.renew <= limits.rebind && limits.rebind < limits.expire);
        }
        if let Some(next) = times.next_phase(now) {
            prop_assert!(next > now);
            let retry = times.retry(now).unwrap();
            prop_assert!(retry > now && retry <= next);
        }
    }
}
