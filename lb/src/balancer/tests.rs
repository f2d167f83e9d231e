use std::{
    cell::{Cell, RefCell},
    time::Duration,
};

use minicloud_lb_api::HashKey;
use proptest::prelude::*;
use rand::{SeedableRng, rngs::SmallRng};

use super::{LoadBalancingAlgorithm as By, *};
use crate::stable_hash::stable_hash;

/// A target that is as told.
#[derive(Clone, Copy, Debug)]
struct Fake {
    in_flight: u64,
    weight: f64,
    latency: Option<f64>,
    headroom: f64,
    hash: u64,
}

impl Fake {
    fn named(name: usize) -> Self {
        Self {
            in_flight: 0,
            weight: 1.0,
            latency: Some(0.01),
            headroom: 1.0,
            hash: stable_hash(format!("i-{name}").as_bytes()),
        }
    }
}

impl Candidate for Fake {
    fn in_flight(&self) -> u64 {
        self.in_flight
    }

    fn weight(&self, _: Instant) -> f64 {
        self.weight
    }

    fn latency(&self, _: Instant) -> Option<f64> {
        self.latency
    }

    fn headroom(&self, _: Instant) -> f64 {
        self.headroom
    }

    fn hash(&self) -> u64 {
        self.hash
    }
}

fn algorithms() -> [By; 6] {
    [
        By::RoundRobin,
        By::LeastOutstandingRequests,
        By::WeightedRandom,
        By::PeakEwma,
        By::CpuHeadroom,
        By::ConsistentHash(HashKey::Path),
    ]
}

/// How often each is chosen in `turns`, of which each has another key.
fn shares(algorithm: &By, fakes: &[Fake], turns: usize) -> Vec<f64> {
    let mut rng = SmallRng::seed_from_u64(7);
    let now = Instant::now();
    let mut times = vec![0; fakes.len()];
    for turn in 0..turns {
        let key = Some(turn as u64);
        let chosen = choose(algorithm, fakes, |_| true, turn, key, now, &mut rng);
        times[chosen.unwrap()] += 1;
    }
    times
        .iter()
        .map(|&times| f64::from(times) / turns as f64)
        .collect()
}

fn assert_near(shares: &[f64], expected: &[f64], tolerance: f64) {
    for (share, expected) in shares.iter().zip(expected) {
        assert!((share - expected).abs() <= tolerance, "{shares:?}");
    }
}

#[test]
fn equal_targets_get_equal_shares() {
    let fakes: Vec<_> = (0..4).map(Fake::named).collect();
    for algorithm in algorithms() {
        let tolerance = match algorithm {
            By::RoundRobin | By::LeastOutstandingRequests => 0.0,
            _ => 0.02,
        };
        assert_near(&shares(&algorithm, &fakes, 8000), &[0.25; 4], tolerance);
    }
}

#[test]
fn shares_go_by_weight() {
    let mut fakes: Vec<_> = (0..3).map(Fake::named).collect();
    fakes[1].weight = 0.5;
    let expected = [0.4, 0.2, 0.4];
    for algorithm in [By::WeightedRandom, By::ConsistentHash(HashKey::SourceIp)] {
        assert_near(&shares(&algorithm, &fakes, 20_000), &expected, 0.02);
    }
    // Its turns, less those that it passes on: half of a third.
    let expected = [1.25 / 3.0, 0.5 / 3.0, 1.25 / 3.0];
    assert_near(&shares(&By::RoundRobin, &fakes, 20_000), &expected, 0.02);
}

#[test]
fn where_all_start_slowly_all_are_equal() {
    let mut fakes: Vec<_> = (0..3).map(Fake::named).collect();
    fakes.iter_mut().for_each(|fake| fake.weight = 0.1);
    assert_near(&shares(&By::RoundRobin, &fakes, 3000), &[1.0 / 3.0; 3], 0.0);
}

#[test]
fn fewest_outstanding_serves_and_equals_take_turns() {
    let mut fakes: Vec<_> = (0..4).map(Fake::named).collect();
    for (fake, in_flight) in fakes.iter_mut().zip([3, 1, 2, 1]) {
        fake.in_flight = in_flight;
        // New, and all the same in the count: ELB does not combine them.
        fake.weight = 0.1;
    }
    let shares = shares(&By::LeastOutstandingRequests, &fakes, 1000);
    assert_near(&shares, &[0.0, 0.5, 0.0, 0.5], 0.0);
}

#[test]
fn better_of_two_is_lighter() {
    for (quick, slow) in [
        (Some(0.010), Some(0.100)),
        (None, Some(0.010)),
        // Below a millisecond only requests in flight tell.
        (Some(0.0001), Some(0.002)),
    ] {
        let mut fakes = [Fake::named(0), Fake::named(1)];
        (fakes[0].latency, fakes[1].latency) = (quick, slow);
        assert_near(&shares(&By::PeakEwma, &fakes, 100), &[1.0, 0.0], 0.0);
    }
}

#[test]
fn requests_in_flight_outweigh_latency() {
    let mut fakes = [Fake::named(0), Fake::named(1)];
    (fakes[0].latency, fakes[0].in_flight) = (Some(0.010), 20);
    (fakes[1].latency, fakes[1].in_flight) = (Some(0.100), 0);
    assert_near(&shares(&By::PeakEwma, &fakes, 100), &[0.0, 1.0], 0.0);
}

#[test]
fn unanswered_target_gets_one_request_and_then_its_share() {
    let mut fakes = [Fake::named(0), Fake::named(1)];
    (fakes[0].latency, fakes[0].in_flight) = (None, 1);
    assert_near(&shares(&By::PeakEwma, &fakes, 100), &[0.0, 1.0], 0.0);
    fakes[1].in_flight = 2;
    assert_near(&shares(&By::PeakEwma, &fakes, 100), &[1.0, 0.0], 0.0);
}

#[test]
fn stressed_target_gets_less_by_its_headroom() {
    let mut fakes = [Fake::named(0), Fake::named(1)];
    (fakes[0].headroom, fakes[0].in_flight) = (0.05, 0);
    (fakes[1].headroom, fakes[1].in_flight) = (1.0, 10);
    assert_near(&shares(&By::CpuHeadroom, &fakes, 100), &[0.0, 1.0], 0.0);
    assert_near(&shares(&By::PeakEwma, &fakes, 100), &[1.0, 0.0], 0.0);
    fakes[1].in_flight = 30;
    assert_near(&shares(&By::CpuHeadroom, &fakes, 100), &[1.0, 0.0], 0.0);
}

#[test]
fn worst_of_many_is_never_the_better_of_two() {
    let mut fakes: Vec<_> = (0..5).map(Fake::named).collect();
    fakes[3].latency = Some(1.0);
    let expected = [0.25, 0.25, 0.25, 0.0, 0.25];
    assert_near(&shares(&By::PeakEwma, &fakes, 8000), &expected, 0.02);
}

#[test]
fn missing_key_is_no_obstacle() {
    let fakes: Vec<_> = (0..2).map(Fake::named).collect();
    let mut rng = SmallRng::seed_from_u64(7);
    let algorithm = By::ConsistentHash(HashKey::Path);
    let now = Instant::now();
    assert!(choose(&algorithm, &fakes, |_| true, 0, None, now, &mut rng).is_some());
}

/// A target of a simulated group: answers after `service` for each request it has.
struct Simulated {
    ewma: peak_ewma::PeakEwma,
    outstanding: RefCell<Vec<Instant>>,
    served: Cell<u32>,
}

impl Candidate for Simulated {
    fn in_flight(&self) -> u64 {
        self.outstanding.borrow().len() as u64
    }

    fn weight(&self, _: Instant) -> f64 {
        1.0
    }

    fn latency(&self, now: Instant) -> Option<f64> {
        self.ewma.expected(now)
    }

    fn headroom(&self, _: Instant) -> f64 {
        1.0
    }

    fn hash(&self) -> u64 {
        0
    }
}

/// Serves `count` requests, one every `gap`; answers how many each target got.
fn simulate(
    targets: usize,
    count: u32,
    gap: Duration,
    latency: impl Fn(usize, u32) -> Duration,
) -> Vec<u32> {
    let start = Instant::now();
    let fresh = || Simulated {
        ewma: peak_ewma::PeakEwma::new(start),
        outstanding: RefCell::default(),
        served: Cell::new(0),
    };
    let targets: Vec<_> = (0..targets).map(|_| fresh()).collect();
    let mut rng = SmallRng::seed_from_u64(7);
    let mut answers: Vec<(Instant, Duration, usize)> = Vec::new();
    for request in 0..count {
        let now = start + gap * request;
        answers.sort();
        while let Some(&(at, latency, index)) = answers.first().filter(|(at, ..)| *at <= now) {
            targets[index].ewma.observe(latency, at);
            targets[index].outstanding.borrow_mut().pop();
            answers.remove(0);
        }
        let turn = request as usize;
        let chosen = choose(&By::PeakEwma, &targets, |_| true, turn, None, now, &mut rng).unwrap();
        let latency = latency(chosen, targets[chosen].served.get());
        targets[chosen].served.update(|served| served + 1);
        targets[chosen].outstanding.borrow_mut().push(now);
        answers.push((now + latency, latency, chosen));
    }
    targets.iter().map(|target| target.served.get()).collect()
}

/// Traefik #12306: the strategy that goes by response times gave a good target 5 of 1500.
#[test]
fn good_target_with_a_slow_first_answer_is_not_starved() {
    let served = simulate(3, 1500, Duration::from_millis(10), |target, nth| {
        match (target, nth) {
            (0, 0) => Duration::from_millis(500),
            _ => Duration::from_millis(10),
        }
    });
    assert!(served[0] > 150, "{served:?}");
    let served = simulate(3, 1500, Duration::from_millis(10), |target, nth| {
        Duration::from_micros(9_000 + 100 * ((target as u64 * 7 + u64::from(nth) * 13) % 20))
    });
    assert!(served.iter().all(|&served| served > 300), "{served:?}");
}

#[test]
fn slow_target_gets_few_requests() {
    let served = simulate(
        2,
        3000,
        Duration::from_millis(10),
        |target, _| match target {
            0 => Duration::from_millis(500),
            _ => Duration::from_millis(5),
        },
    );
    assert!((2..30).contains(&served[0]), "{served:?}");
}

fn any_fake() -> impl Strategy<Value = Fake> {
    let weight = prop::sample::select(vec![0.0, 0.1, 0.5, 1.0]);
    let latency = prop::option::of(0.0_f64..10.0);
    (0_u64..5, weight, latency, 0.05_f64..=1.0, any::<u64>()).prop_map(
        |(in_flight, weight, latency, headroom, hash)| Fake {
            in_flight,
            weight,
            latency,
            headroom,
            hash,
        },
    )
}

proptest! {
    #[test]
    fn only_those_who_may_are_chosen(
        fakes in prop::collection::vec((any_fake(), any::<bool>()), 0..8),
        turn in any::<usize>(),
        key in any::<Option<u64>>(),
        seed in any::<u64>(),
    ) {
        let able: Vec<u64> = fakes.iter().filter(|(_, may)| *may).map(|(fake, _)| fake.hash).collect();
        let fakes: Vec<_> = fakes.iter().map(|(fake, _)| *fake).collect();
        let mut rng = SmallRng::seed_from_u64(seed);
        let may = |fake: &Fake| able.contains(&fake.hash);
        for algorithm in algorithms() {
            let chosen = choose(&algorithm, &fakes, may, turn, key, Instant::now(), &mut rng);
            prop_assert_eq!(chosen.is_some(), !able.is_empty(), "{:?}", algorithm);
            prop_assert!(chosen.is_none_or(|index| may(&fakes[index])), "{:?}", algorithm);
        }
    }

    /// Counters move and targets drain while one is chosen.
    #[test]
    fn changes_during_a_choice_do_no_harm(
        answers in prop::collection::vec(any::<bool>(), 1..40),
        count in 0_usize..6,
        turn in any::<usize>(),
    ) {
        let fakes: Vec<_> = (0..count).map(Fake::named).collect();
        let mut rng = SmallRng::seed_from_u64(7);
        for algorithm in algorithms() {
            let mut answers = answers.iter().cycle();
            let answers = RefCell::new(&mut answers);
            let may = |_: &Fake| *answers.borrow_mut().next().unwrap();
            let chosen = choose(&algorithm, &fakes, may, turn, Some(1), Instant::now(), &mut rng);
            prop_assert!(chosen.is_none_or(|index| index < count));
        }
    }

    #[test]
    fn removed_target_moves_only_its_own_keys(count in 2_usize..9, gone in any::<prop::sample::Index>()) {
        let fakes: Vec<_> = (0..count).map(Fake::named).collect();
        let gone = fakes[gone.index(count)].hash;
        let algorithm = By::ConsistentHash(HashKey::SourceIp);
        let mut rng = SmallRng::seed_from_u64(7);
        let mut owner = |key: u64, may: &dyn Fn(&Fake) -> bool| {
            let chosen = choose(&algorithm, &fakes, may, 0, Some(key), Instant::now(), &mut rng);
            fakes[chosen.unwrap()].hash
        };
        let mut moved = 0;
        for key in 0..1000 {
            let before = owner(key, &|_| true);
            let after = owner(key, &|fake| fake.hash != gone);
            prop_assert!(before == after || before == gone);
            moved += usize::from(before != after);
        }
        let expected = 1000 / count;
        prop_assert!(moved.abs_diff(expected) < 80, "{} of {}", moved, expected);
    }

    #[test]
    fn heavier_target_only_gains_keys(key in any::<u64>(), count in 2_usize..6, weight in 0.1_f64..1.0) {
        let mut fakes: Vec<_> = (0..count).map(Fake::named).collect();
        let algorithm = By::ConsistentHash(HashKey::SourceIp);
        let mut rng = SmallRng::seed_from_u64(7);
        let mut owner = |fakes: &[Fake]| {
            choose(&algorithm, fakes, |_| true, 0, Some(key), Instant::now(), &mut rng)
        };
        let full = owner(&fakes);
        fakes[0].weight = weight;
        let starting = owner(&fakes);
        prop_assert!(starting == full || full == Some(0));
    }

    #[test]
    fn turns_are_fair(count in 1_usize..9, start in any::<usize>(), rounds in 1_usize..20) {
        let fakes: Vec<_> = (0..count).map(Fake::named).collect();
        let mut rng = SmallRng::seed_from_u64(7);
        let mut served = vec![0; count];
        for turn in 0..count * rounds {
            let turn = (start % (usize::MAX / 2)) + turn;
            let chosen = choose(&By::RoundRobin, &fakes, |_| true, turn, None, Instant::now(), &mut rng);
            served[chosen.unwrap()] += 1;
        }
        prop_assert!(served.iter().all(|&times| times == rounds), "{:?}", served);
    }
}

#[test]
fn two_are_different_and_all_pairs_come() {
    let mut rng = SmallRng::seed_from_u64(7);
    let fakes: Vec<_> = (0..4).map(Fake::named).collect();
    let mut seen = [[0; 4]; 4];
    for _ in 0..4000 {
        let (first, second) = random::two(&fakes, |_| true, &mut rng);
        let (first, second) = (first.unwrap(), second.unwrap());
        seen[first.min(second)][first.max(second)] += 1;
    }
    for (first, row) in seen.iter().enumerate() {
        for (second, times) in row.iter().enumerate() {
            assert_eq!(*times > 500, first < second, "{first} {second}: {times}");
        }
    }
}
