use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use minicloud_agent_api::{Sample, names};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use tokio::time::Instant;

use super::*;
use crate::{
    metric::{CpuHistory, Scrape},
    scaling_policy::{MetricSpecification, PredefinedMetric, TargetTracking},
};

const TARGET: f64 = 80.0;

fn policy() -> TargetTracking {
    TargetTracking {
        metric: MetricSpecification::predefined(PredefinedMetric::AsgAverageCpuUtilization),
        target_value: TARGET,
        disable_scale_in: false,
        scale_in_cooldown: None,
        estimated_instance_warmup: None,
    }
}

/// A group on simulated seconds: CPU goes in, capacity comes out, new instances boot.
struct Group {
    pace: Pace,
    policy: TargetTracking,
    capacity: Capacity,
    instances: Vec<Member>,
    state: State,
    start: Instant,
    second: u64,
    next_id: u32,
    /// Desired capacity after each change, with the second it changed in.
    changes: Vec<(u64, u32)>,
    last_reason: String,
    stale: bool,
}

struct Member {
    id: InstanceId,
    cpu: CpuHistory,
    cpu_seconds: f64,
    warm_at: u64,
}

const WARM_UP: u64 = 15;
const BOOT: u64 = 3;

impl Group {
    fn new(pace: Pace, min_size: u32, max_size: u32) -> Self {
        let mut group = Self {
            pace,
            policy: policy(),
            capacity: Capacity {
                min_size,
                max_size,
                desired_capacity: min_size,
            },
            instances: Vec::new(),
            state: State::default(),
            start: Instant::now(),
            second: 0,
            next_id: 0,
            changes: Vec::new(),
            last_reason: String::new(),
            stale: false,
        };
        group.resize();
        group
            .instances
            .iter_mut()
            .for_each(|member| member.warm_at = 0);
        group
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_secs(self.second)
    }

    fn resize(&mut self) {
        while self.instances.len() < self.capacity.desired_capacity as usize {
            self.next_id += 1;
            self.instances.push(Member {
                id: format!("i-{:08x}", self.next_id).parse().unwrap(),
                cpu: CpuHistory::default(),
                cpu_seconds: 0.0,
                warm_at: self.second + BOOT + WARM_UP,
            });
        }
        self.instances
            .truncate(self.capacity.desired_capacity as usize);
    }

    /// One second in which instance `i` of `n` uses `load(i, n)` percent; `None` is a silent agent.
    fn step(&mut self, load: impl Fn(usize, usize) -> Option<f64>) {
        self.second += 1;
        let (now, count) = (self.now(), self.instances.len());
        let timestamp = i64::try_from(self.second * 1000).unwrap();
        for (index, member) in self.instances.iter_mut().enumerate() {
            let Some(percent) = load(index, count) else {
                continue;
            };
            member.cpu_seconds += percent.clamp(0.0, 100.0) / 100.0;
            let id = member.id.to_string();
            let labels = vec![(names::ID.to_owned(), format!("/process/{id}"))];
            let sample = Sample {
                name: names::CONTAINER_CPU_USAGE_SECONDS_TOTAL.to_owned(),
                labels,
                value: member.cpu_seconds,
                timestamp: Some(timestamp),
            };
            member
                .cpu
                .record(&Scrape::from_samples(vec![sample]), &[id], 1.0, now);
        }
        self.decide();
    }

    fn decide(&mut self) {
        let signals = InstanceSignals::default();
        let begin = self.start;
        let in_service = self.instances.iter().filter(|member| {
            // Those of the beginning are warm from the beginning.
            member.warm_at == 0 || member.warm_at <= self.second + WARM_UP
        });
        let tracked: Vec<TrackedInstance<'_>> = in_service
            .map(|member| TrackedInstance {
                id: &member.id,
                cpu: &member.cpu,
                signals: &signals,
                in_service_since: begin + Duration::from_secs(member.warm_at.max(WARM_UP))
                    - Duration::from_secs(WARM_UP),
            })
            .collect();
        let pending = (self.instances.len() - tracked.len()) as u32;
        let policies = [ScalingPolicy {
            name: "cpu80".to_owned(),
            enabled: true,
            kind: PolicyKind::TargetTracking(self.policy.clone()),
        }];
        let mono = self.now();
        let observation = Observation {
            pace: self.pace,
            capacity: self.capacity,
            default_instance_warmup: Duration::from_secs(WARM_UP),
            default_cooldown: Duration::from_secs(300),
            instances: &tracked,
            pending,
            terminating: 0,
            settling: pending > 0,
            signals: &GroupSignals::default(),
            customized: &BTreeMap::new(),
            now: Now {
                mono,
                wall: Timestamp::UNIX_EPOCH + (mono - begin),
            },
        };
        let verdict = evaluate(&policies, &observation, &mut self.state);
        let evaluation = &verdict.evaluations[0];
        let (before, after) = (self.capacity.desired_capacity, verdict.desired_capacity);
        self.last_reason.clone_from(&verdict.reason);
        self.stale = evaluation.stale;
        if before != after {
            self.state.record_scaling(before, after, self.now());
            self.capacity.desired_capacity = after;
            self.changes.push((self.second, after));
            self.resize();
        }
    }

    fn run(&mut self, seconds: u64, load: impl Fn(usize, usize) -> Option<f64>) -> &mut Self {
        for _ in 0..seconds {
            self.step(&load);
        }
        self
    }

    fn reversals(&self) -> usize {
        let sizes: Vec<u32> = std::iter::once(self.capacity.min_size)
            .chain(self.changes.iter().map(|(_, size)| *size))
            .collect();
        let directions: Vec<bool> = sizes.windows(2).map(|pair| pair[1] > pair[0]).collect();
        directions
            .windows(2)
            .filter(|pair| pair[0] != pair[1])
            .count()
    }
}

#[test]
fn stress_grows_the_group_within_seconds_and_rest_shrinks_it() {
    let mut group = Group::new(Pace::Fast, 1, 2);
    group.run(60, |_, _| Some(1.0));
    assert_eq!(group.changes, [], "{}", group.last_reason);
    // The stress stays in the first instance, whatever the group does.
    group.run(600, |index, _| Some(if index == 0 { 99.5 } else { 1.0 }));
    assert_eq!(group.changes.len(), 1, "{:?}", group.changes);
    let (out_at, size) = group.changes[0];
    assert_eq!(size, 2);
    assert!((64..=68).contains(&out_at), "{out_at}");
    group.run(300, |_, _| Some(1.0));
    let (in_at, size) = group.changes[1];
    assert_eq!((group.changes.len(), size), (2, 1));
    // The 120 s window, and the 30 s mean that it is made of.
    assert!((660 + 110..=660 + 160).contains(&in_at), "{in_at}");
}

#[test]
fn an_hour_around_the_target_never_flaps() {
    for (seed, center) in
        (0..2).flat_map(|seed| [(seed, 76.0), (seed, 80.0), (seed, 84.0), (seed, 88.0)])
    {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut group = Group::new(Pace::Fast, 1, 2);
        for _ in 0..3600 {
            let total = center + rng.random_range(-4.0..4.0);
            group.step(|_, count| Some(total / count as f64));
        }
        assert_eq!(
            group.reversals(),
            0,
            "seed {seed}, {center} %: {:?}",
            group.changes
        );
    }
}

#[test]
fn short_spikes_do_not_shake_the_group() {
    let mut group = Group::new(Pace::Fast, 1, 2);
    for _ in 0..30 {
        group
            .run(30, |_, count| Some(95.0 / count as f64))
            .run(90, |_, count| Some(20.0 / count as f64));
    }
    assert!(group.reversals() <= 1, "{:?}", group.changes);
}

#[test]
fn silence_holds_at_high_and_at_low_load() {
    for load in [1.0, 99.0] {
        let mut group = Group::new(Pace::Fast, 1, 4);
        group.capacity.desired_capacity = 3;
        group.resize();
        group.run(40, move |_, _| Some(load));
        let before = group.changes.clone();
        group.run(300, |_, _| None);
        assert_eq!(
            group.changes, before,
            "after {load} %: {}",
            group.last_reason
        );
        assert!(group.stale, "{}", group.last_reason);
    }
}

#[test]
fn one_silent_instance_counts_as_busy_for_scaling_in() {
    let mut group = Group::new(Pace::Fast, 1, 3);
    group.capacity.desired_capacity = 2;
    group.resize();
    group.run(60, |_, _| Some(70.0));
    group.run(600, |index, _| (index == 0).then_some(5.0));
    assert_eq!(group.changes, [], "{}", group.last_reason);
    group.run(300, |_, _| Some(5.0));
    assert_eq!(group.capacity.desired_capacity, 1, "{}", group.last_reason);
}

#[test]
fn a_restart_or_a_sleep_costs_a_whole_scale_in_window() {
    let mut group = Group::new(Pace::Fast, 1, 2);
    group.capacity.desired_capacity = 2;
    group.resize();
    group.run(90, |_, _| Some(5.0));
    group.second += 3600; // asleep
    group.run(100, |_, _| Some(5.0));
    assert_eq!(group.changes, [], "{}", group.last_reason);
    group.run(60, |_, _| Some(5.0));
    assert_eq!(group.changes.len(), 1, "{}", group.last_reason);
}

#[test]
fn saturation_of_many_grows_by_half_at_a_time() {
    let mut group = Group::new(Pace::Fast, 4, 40);
    group.run(120, |_, _| Some(100.0));
    let sizes: Vec<u32> = group.changes.iter().map(|(_, size)| *size).collect();
    // 4 at 100 % need 5 at 80 %: CPU cannot ask for more than that at once.
    assert_eq!(sizes[0], 5, "{:?}", group.changes);
    assert!(
        sizes
            .windows(2)
            .all(|pair| pair[1] > pair[0] && pair[1] <= pair[0] + pair[0] / 2),
        "{sizes:?}"
    );
}

#[test]
fn what_is_warming_is_not_asked_for_twice() {
    let mut group = Group::new(Pace::Fast, 1, 10);
    group.run(30, |_, _| Some(1.0));
    group.run(15, |index, _| Some(if index == 0 { 100.0 } else { 0.0 }));
    assert_eq!(group.capacity.desired_capacity, 2, "{:?}", group.changes);
}

#[test]
fn scale_in_can_be_disabled() {
    let mut group = Group::new(Pace::Fast, 1, 2);
    group.policy.disable_scale_in = true;
    group.capacity.desired_capacity = 2;
    group.resize();
    group.run(600, |_, _| Some(0.0));
    assert_eq!(group.changes, []);
    assert!(
        group.last_reason.contains("disabled"),
        "{}",
        group.last_reason
    );
}

#[test]
fn policy_says_how_long_from_one_scale_in_to_the_next() {
    for (cooldown, expected) in [(None, 60), (Some(10), 10), (Some(90), 90)] {
        let mut group = Group::new(Pace::Fast, 1, 4);
        group.policy.scale_in_cooldown = cooldown.map(Duration::from_secs);
        group.capacity.desired_capacity = 4;
        group.resize();
        group.run(600, |_, _| Some(1.0));
        let at: Vec<u64> = group.changes.iter().map(|(second, _)| *second).collect();
        assert_eq!(at.len(), 3, "{:?}", group.changes);
        for pair in at.windows(2) {
            assert_eq!(pair[1] - pair[0], expected, "{at:?}");
        }
    }
    let mut group = Group::new(Pace::Aws, 1, 2);
    group.policy.scale_in_cooldown = Some(Duration::from_secs(1800));
    group.run(300, |_, _| Some(100.0));
    group.run(2400, |_, _| Some(1.0));
    let [(out_at, 2), (in_at, 1)] = group.changes[..] else {
        panic!("{:?}", group.changes);
    };
    assert!((1800..1870).contains(&(in_at - out_at)), "{out_at} {in_at}");
}

#[test]
fn aws_takes_three_minutes_out_and_fifteen_in() {
    let mut group = Group::new(Pace::Aws, 1, 2);
    group.run(120, |_, _| Some(1.0));
    group.run(600, |index, _| Some(if index == 0 { 100.0 } else { 20.0 }));
    let (out_at, size) = group.changes[0];
    assert_eq!((group.changes.len(), size), (1, 2), "{}", group.last_reason);
    assert!((120 + 180..=120 + 240).contains(&out_at), "{out_at}");
    group.run(1200, |_, _| Some(1.0));
    let (in_at, size) = group.changes[1];
    assert_eq!((group.changes.len(), size), (2, 1), "{}", group.last_reason);
    assert!((720 + 900 - 60..=720 + 960).contains(&in_at), "{in_at}");
}

#[test]
fn reasons_carry_the_arithmetic() {
    let mut group = Group::new(Pace::Fast, 2, 4);
    group.run(60, |_, _| Some(50.4));
    assert_eq!(group.last_reason, "2 x 50.4 / 80 = 1.26 -> 2: hold");
}

mod signals;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn desired_stays_within_the_bounds(
        seed in any::<u64>(),
        (min_size, extra) in (0_u32..4, 0_u32..6),
        aws in any::<bool>(),
    ) {
        let mut rng = SmallRng::seed_from_u64(seed);
        let pace = if aws { Pace::Aws } else { Pace::Fast };
        let mut group = Group::new(pace, min_size, min_size + extra);
        for _ in 0..20 {
            let (load, silent) = (rng.random_range(0.0..120.0), rng.random_bool(0.2));
            let seconds = rng.random_range(1..120);
            group.run(seconds, |_, _| (!silent).then_some(load));
            let Capacity { min_size, max_size, desired_capacity } = group.capacity;
            prop_assert!((min_size..=max_size).contains(&desired_capacity));
        }
    }
}
