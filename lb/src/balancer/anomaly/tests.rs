use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// A group whose targets get requests second by second.
struct Group {
    now: Instant,
    outcomes: Vec<Outcomes>,
    standings: Vec<Standing>,
    can_serve: Vec<bool>,
}

impl Group {
    fn of(count: usize) -> Self {
        Self {
            now: Instant::now(),
            outcomes: (0..count).map(|_| Outcomes::default()).collect(),
            standings: vec![Standing::default(); count],
            can_serve: vec![true; count],
        }
    }

    /// A second in which each target meets these outcomes, in order.
    fn second(&mut self, outcomes: &[&[Outcome]]) -> Vec<Verdict> {
        for (target, outcomes) in self.outcomes.iter().zip(outcomes) {
            outcomes.iter().for_each(|outcome| target.note(*outcome));
        }
        self.judge(true)
    }

    fn judge(&mut self, mitigate: bool) -> Vec<Verdict> {
        self.now += SECOND;
        let each = self
            .standings
            .iter_mut()
            .zip(&self.outcomes)
            .zip(&self.can_serve);
        let mut observed: Vec<_> = each
            .map(|((standing, outcomes), can_serve)| Observed {
                standing,
                counts: outcomes.counts(),
                can_serve: *can_serve,
            })
            .collect();
        judge(&mut observed, mitigate, self.now)
    }
}

const GOOD: &[Outcome] = &[Outcome::Success; 10];
const BAD: &[Outcome] = &[Outcome::ConnectFailure; 10];
/// Three of ten fail, never five in a row.
const FLAKY: &[Outcome] = {
    use Outcome::{ServerError as Error, Success as Good, Timeout};
    &[
        Good, Good, Error, Good, Good, Timeout, Good, Good, Error, Good,
    ]
};

fn ejected(verdicts: &[Verdict]) -> Vec<bool> {
    verdicts.iter().map(|verdict| verdict.is_ejected).collect()
}

fn anomalous(verdicts: &[Verdict]) -> Vec<bool> {
    verdicts
        .iter()
        .map(|verdict| verdict.is_anomalous)
        .collect()
}

#[test]
fn one_of_two_that_fails_in_a_row_is_ejected() {
    for failure in [
        Outcome::ServerError,
        Outcome::ConnectFailure,
        Outcome::Timeout,
    ] {
        let mut group = Group::of(2);
        assert_eq!(ejected(&group.second(&[GOOD, GOOD])), [false, false]);
        let verdicts = group.second(&[&[failure; 5], GOOD]);
        let expected = Change::Ejected {
            cause: Cause::Streak(5),
            duration: Duration::from_secs(10),
        };
        assert_eq!(verdicts[0].change, Some(expected));
        assert_eq!(ejected(&verdicts), [true, false]);
    }
}

#[test]
fn four_failures_in_a_row_are_forgiven() {
    let mut group = Group::of(2);
    group.second(&[GOOD, GOOD]);
    let verdicts = group.second(&[&[Outcome::Timeout; 4], GOOD]);
    assert_eq!(anomalous(&verdicts), [false, false]);
}

#[test]
fn lone_target_is_anomalous_and_serves() {
    let mut group = Group::of(1);
    let verdicts = group.second(&[BAD]);
    assert_eq!(anomalous(&verdicts), [true]);
    assert_eq!(ejected(&verdicts), [false]);
    assert_eq!(
        anomalous(&group.second(&[GOOD])),
        [true],
        "half of all failed"
    );
    assert_eq!(anomalous(&group.second(&[GOOD])), [false]);
}

#[test]
fn where_all_fail_nobody_is_anomalous() {
    for count in 2..5 {
        let mut group = Group::of(count);
        group.second(&vec![GOOD; count]);
        for _ in 0..20 {
            let verdicts = group.second(&vec![BAD; count]);
            assert_eq!(anomalous(&verdicts), vec![false; count]);
        }
    }
}

#[test]
fn flaky_target_is_ejected_for_its_ratio() {
    let mut group = Group::of(2);
    let first = group.second(&[FLAKY, GOOD]);
    assert_eq!(
        ejected(&first),
        [false, false],
        "three failures are too few"
    );
    let verdicts = group.second(&[FLAKY, GOOD]);
    let expected = Cause::Ratio {
        own: 0.3,
        best: Some(0.0),
    };
    assert!(
        matches!(verdicts[0].change, Some(Change::Ejected { cause, .. }) if cause == expected),
        "{verdicts:?}"
    );
}

#[test]
fn where_all_are_flaky_nobody_is_anomalous() {
    let mut group = Group::of(3);
    for _ in 0..20 {
        assert_eq!(anomalous(&group.second(&[FLAKY, FLAKY, FLAKY])), [false; 3]);
    }
}

#[test]
fn ratio_ejects_half_at_most() {
    let mut group = Group::of(5);
    let mut verdicts = Vec::new();
    for _ in 0..3 {
        verdicts = group.second(&[FLAKY, FLAKY, FLAKY, FLAKY, GOOD]);
    }
    assert_eq!(
        ejected(&verdicts)
            .iter()
            .filter(|ejected| **ejected)
            .count(),
        2
    );
    assert_eq!(anomalous(&verdicts), [true, true, true, true, false]);
}

#[test]
fn ejection_ends_and_counts_start_anew() {
    let mut group = Group::of(2);
    group.second(&[BAD, GOOD]);
    for second in 1..10 {
        assert_eq!(
            ejected(&group.second(&[&[], GOOD])),
            [true, false],
            "{second}"
        );
    }
    let verdicts = group.second(&[&[], GOOD]);
    assert_eq!(verdicts[0].change, Some(Change::Readmitted));
    assert_eq!(
        anomalous(&verdicts),
        [false, false],
        "its old streak is forgotten"
    );
    let verdicts = group.second(&[BAD, GOOD]);
    assert!(
        matches!(
            verdicts[0].change,
            Some(Change::Ejected { duration, .. }) if duration == Duration::from_secs(20)
        ),
        "{verdicts:?}"
    );
}

#[test]
fn ejections_grow_to_five_minutes_and_are_forgiven() {
    let mut group = Group::of(2);
    let mut durations = Vec::new();
    while durations.len() < 32 {
        if let Some(Change::Ejected { duration, .. }) = group.second(&[BAD, GOOD])[0].change {
            durations.push(duration.as_secs());
        }
    }
    let grown: Vec<_> = (1..=32).map(|times| (times * 10).min(300)).collect();
    assert_eq!(durations, grown);
    for _ in 0..300 + 60 * 32 {
        group.second(&[GOOD, GOOD]);
    }
    let verdict = group.second(&[BAD, GOOD])[0];
    assert!(
        matches!(verdict.change, Some(Change::Ejected { duration, .. }) if duration.as_secs() == 10),
        "{verdict:?}"
    );
}

#[test]
fn ejected_target_returns_when_the_others_are_gone() {
    let mut group = Group::of(2);
    assert_eq!(ejected(&group.second(&[BAD, GOOD])), [true, false]);
    group.can_serve[1] = false;
    let verdicts = group.judge(true);
    assert_eq!(verdicts[0].change, Some(Change::Readmitted));
    assert_eq!(ejected(&verdicts), [false, false]);
}

#[test]
fn without_mitigation_nobody_is_ejected() {
    let mut group = Group::of(2);
    assert_eq!(ejected(&group.second(&[BAD, GOOD])), [true, false]);
    let verdicts = group.judge(false);
    assert_eq!(ejected(&verdicts), [false, false], "nor kept out");
    BAD.iter()
        .for_each(|outcome| group.outcomes[0].note(*outcome));
    let verdicts = group.judge(false);
    assert_eq!(anomalous(&verdicts), [true, false]);
    assert_eq!(ejected(&verdicts), [false, false]);
}

#[test]
fn failures_of_long_ago_count_no_more() {
    let mut group = Group::of(1);
    group.second(&[BAD]);
    for _ in 0..10 {
        group.second(&[&[]]);
    }
    assert_eq!(anomalous(&group.second(&[&[]])), [false]);
}

fn any_second(targets: usize) -> impl Strategy<Value = Vec<(u8, u8, bool)>> {
    prop::collection::vec((0_u8..12, 0_u8..12, prop::bool::weighted(0.8)), targets)
}

proptest! {
    #[test]
    fn never_are_all_ejected_that_can_serve(
        seconds in (1_usize..6).prop_flat_map(|targets| {
            prop::collection::vec(any_second(targets), 1..60)
        }),
    ) {
        let mut group = Group::of(seconds[0].len());
        for second in seconds {
            for (target, (good, bad, can_serve)) in second.iter().enumerate() {
                (0..*good).for_each(|_| group.outcomes[target].note(Outcome::Success));
                (0..*bad).for_each(|_| group.outcomes[target].note(Outcome::ServerError));
                group.can_serve[target] = *can_serve;
            }
            let verdicts = group.judge(true);
            let serving = verdicts.iter().zip(&group.can_serve);
            let left = serving.filter(|(verdict, can_serve)| **can_serve && !verdict.is_ejected);
            let able = group.can_serve.iter().any(|can_serve| *can_serve);
            prop_assert_eq!(left.count() > 0, able, "{:?}", verdicts);
        }
    }

    #[test]
    fn good_target_is_never_anomalous(
        bad in prop::collection::vec((0_u8..12, 0_u8..12), 1..40),
        targets in 1_usize..5,
    ) {
        let mut group = Group::of(targets);
        for (index, (good, failed)) in bad.iter().enumerate() {
            for target in &group.outcomes[1..] {
                (0..*good).for_each(|_| target.note(Outcome::Success));
                (0..*failed).for_each(|_| target.note(Outcome::Timeout));
            }
            (0..index % 7).for_each(|_| group.outcomes[0].note(Outcome::Success));
            prop_assert!(!group.judge(true)[0].is_anomalous);
        }
    }
}
