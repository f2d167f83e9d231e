use std::task::Context;

use super::*;

const PATIENCE: Patience = Patience {
    idle: Duration::from_secs(60),
    keep_alive: Duration::from_secs(3600),
    min_body_rate: 240,
};

fn is_expired(watch: &Watch) -> bool {
    watch
        .poll_expired(&mut Context::from_waker(Waker::noop()))
        .is_ready()
}

/// Sweeps each second for `seconds`, doing `each` before; returns when it first expired.
fn run(watch: &Watch, from: Instant, seconds: u64, each: impl Fn(u64)) -> Option<u64> {
    let timeouts = Timeouts::default();
    // Takes note of what has happened until now.
    watch.sweep(from, Duration::ZERO, &timeouts, &PATIENCE);
    (1..=seconds).find(|&second| {
        each(second);
        let now = from + Duration::from_secs(second);
        watch.sweep(now, Duration::from_secs(1), &timeouts, &PATIENCE);
        is_expired(watch)
    })
}

#[tokio::test(start_paused = true)]
async fn each_phase_has_its_patience() {
    let now = Instant::now();
    let cases = [
        (Phase::Idle, 60),
        (Phase::Head, 10),
        (Phase::Waiting, 60),
        (Phase::Responding, 60),
        (Phase::Tunnel, 3600),
        (Phase::Linger, 1),
    ];
    for (phase, seconds) in cases {
        let watch = Watch::new(80, now);
        watch.enter(phase);
        assert_eq!(run(&watch, now, 4000, |_| ()), Some(seconds), "{phase:?}");
        watch.enter(Phase::Idle);
        assert!(!is_expired(&watch), "a new phase, a new patience");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_trickles_is_given_up() {
    let now = Instant::now();
    let watch = Watch::new(80, now);
    watch.enter(Phase::Waiting);
    watch.awaits(Side::Client);
    // Progress all the time, but 100 bytes a second.
    let trickle = |_| watch.progress(100);
    assert_eq!(run(&watch, now, 100, trickle), Some(11));
}

#[tokio::test(start_paused = true)]
async fn a_burst_buys_a_minute_of_trickling() {
    let now = Instant::now();
    let watch = Watch::new(80, now);
    watch.enter(Phase::Waiting);
    watch.awaits(Side::Client);
    let burst = |second| watch.progress(if second == 1 { 10 << 20 } else { 1 });
    let given_up = run(&watch, now, 3600, burst).unwrap();
    assert!((60..70).contains(&given_up), "after {given_up} s");
}

#[tokio::test(start_paused = true)]
async fn a_slow_target_is_not_the_clients_fault() {
    let now = Instant::now();
    let watch = Watch::new(80, now);
    watch.enter(Phase::Responding);
    // An event a minute, each taken at once.
    let events = |_| watch.target_progress();
    assert_eq!(run(&watch, now, 1000, events), None);
}

#[tokio::test(start_paused = true)]
async fn an_old_connection_retires() {
    let now = Instant::now();
    let watch = Watch::new(80, now);
    let keeps_busy = |_| watch.enter(Phase::Idle);
    run(&watch, now, 3599, keeps_busy);
    assert!(!watch.is_retiring());
    run(&watch, now + Duration::from_secs(3599), 1, |_| ());
    assert!(watch.is_retiring());
}

#[test]
fn membership_ends_when_dropped() {
    let watches = Rc::new(Watches::default());
    let watch = Rc::new(Watch::new(80, Instant::now()));
    let memberships = [watches.add(&watch), watches.add(&watch)];
    watches.retire(81);
    assert!(!watch.is_retiring());
    watches.retire(80);
    assert!(watch.is_retiring());
    drop(memberships);
    assert!(watches.is_empty());
}

#[test]
fn an_idle_connection_goes_dormant_until_it_is_used() {
    let now = Instant::now();
    let watch = Watch::new(80, now);
    run(&watch, now, 1, |_| ());
    assert!(watch.is_dormant());
    watch.enter(Phase::Head);
    run(&watch, now + Duration::from_secs(2), 5, |_| ());
    assert!(!watch.is_dormant(), "a request is no idleness");
}

#[tokio::test(start_paused = true)]
async fn an_alarm_waits_for_no_later_one() {
    let alarms = Alarms::new(Instant::now());
    let now = Instant::now();
    let [slow, fast] = [(); 2].map(|()| Rc::new(Watch::new(80, now)));
    let story = async {
        alarms.set(now + Duration::from_secs(1), now, &slow);
        tokio::task::yield_now().await;
        alarms.set(now + Duration::from_millis(20), now, &fast);
        sleep_until(now + Duration::from_millis(50)).await;
        assert!(fast.take_alarm() && !slow.take_alarm());
        sleep_until(now + Duration::from_millis(1050)).await;
        assert!(slow.take_alarm() && !fast.take_alarm());
    };
    tokio::select! {
        () = alarms.run() => {}
        () = story => {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_a_turn_is_nobodys_stall() {
    let now = Instant::now();
    let watch = Watch::new(80, now);
    watch.enter(Phase::Queued);
    assert_eq!(run(&watch, now, 3000, |_| ()), None);
}
