//! Which targets fail, as told by the requests themselves: sooner than health checks, and also
//! where those pass. Works with two targets, and with one tells that it should be replaced.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::Instant;

/// How one request to a target ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Any answer but a 5xx.
    Success,
    ServerError,
    ConnectFailure,
    Timeout,
}

/// A target's outcomes since it was registered; counted on the data path.
#[derive(Debug, Default)]
pub(crate) struct Outcomes {
    requests: AtomicU64,
    failures: AtomicU64,
    /// Failures since the last success.
    streak: AtomicU32,
}

/// What was counted by some time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) requests: u64,
    pub(crate) failures: u64,
    pub(crate) streak: u32,
}

/// A target's record between judgements.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standing {
    last: Counts,
    window: Window,
    /// Requests before its last readmission, which are forgotten.
    forgotten: u64,
    ejected_until: Option<Instant>,
    /// Ejections that are not forgiven.
    ejections: u32,
    /// When it was readmitted or last forgiven one.
    good_since: Option<Instant>,
}

/// One target as the judge sees it.
#[derive(Debug)]
pub(crate) struct Observed<'a> {
    pub(crate) standing: &'a mut Standing,
    pub(crate) counts: Counts,
    /// Registered, not draining, and its health checks pass.
    pub(crate) can_serve: bool,
}

/// What to make of one target.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Verdict {
    /// Fails more than the others, or, alone, most of the time: wants to be replaced.
    pub(crate) is_anomalous: bool,
    /// Should get no requests.
    pub(crate) is_ejected: bool,
    pub(crate) change: Option<Change>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Change {
    Ejected {
        cause: Cause,
        duration: Duration,
    },
    /// Gets requests again, through slow start.
    Readmitted,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Cause {
    /// So many failures in a row.
    Streak(u32),
    /// This part of its requests failed, and this part at the best of the others.
    Ratio { own: f64, best: Option<f64> },
}

/// Failures in a row that are no chance.
const STREAK: u32 = 5;
/// Another target that has failed fewer than so many times in a row still works.
const SHORT_STREAK: u32 = 3;
/// Requests and failures in the window without which a ratio says nothing.
const LEAST_REQUESTS: u64 = 10;
const LEAST_FAILURES: u64 = 5;
/// A ratio is much above the best other one if it is more than twice that and this.
const MARGIN: f64 = 0.2;
/// The ratio that is bad by itself where there is no other.
const BAD_ALONE: f64 = 0.5;

const EJECTION: Duration = Duration::from_secs(10);
const LONGEST_EJECTION: Duration = Duration::from_secs(300);
/// Good conduct that takes one ejection off the record.
const FORGIVEN_AFTER: Duration = Duration::from_secs(60);

impl Outcomes {
    pub(crate) fn note(&self, outcome: Outcome) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        match outcome {
            // Written only if it changes: successes are most.
            Outcome::Success if self.streak.load(Ordering::Relaxed) == 0 => {}
            Outcome::Success => self.streak.store(0, Ordering::Relaxed),
            Outcome::ServerError | Outcome::ConnectFailure | Outcome::Timeout => {
                self.failures.fetch_add(1, Ordering::Relaxed);
                self.streak.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts {
            requests: self.requests.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            streak: self.streak.load(Ordering::Relaxed),
        }
    }
}

/// Judges the targets of one group; called once a second, answers in their order.
///
/// - A target is anomalous if it fails in a row, or much more often than the best of the
///   others. If all fail alike it is not the target: nobody is anomalous.
/// - It is ejected if `mitigate`, for 10 s, longer each time, and if another one that can
///   serve is left. For its ratio alone, no more than half of the targets are.
/// - Where nobody else is left, those ejected come back before their time.
pub(crate) fn judge(targets: &mut [Observed<'_>], mitigate: bool, now: Instant) -> Vec<Verdict> {
    let mut verdicts = vec![Verdict::default(); targets.len()];
    for (target, verdict) in targets.iter_mut().zip(&mut verdicts) {
        target.standing.roll(target.counts);
        verdict.change = target.readmit(|until| until <= now || !mitigate, now);
    }
    if serving(targets) == 0 {
        for (target, verdict) in targets.iter_mut().zip(&mut verdicts) {
            verdict.change = verdict.change.or(target.readmit(|_| true, now));
        }
    }
    let causes: Vec<_> = (0..targets.len())
        .map(|index| cause(targets, index))
        .collect();
    if mitigate {
        eject(targets, &causes, &mut verdicts, now);
    }
    for ((target, verdict), cause) in targets.iter_mut().zip(&mut verdicts).zip(causes) {
        verdict.is_ejected = target.standing.is_ejected();
        verdict.is_anomalous = verdict.is_ejected || cause.is_some();
        if !verdict.is_anomalous {
            target.standing.forgive(now);
        }
    }
    verdicts
}

/// Ejects those with a cause, the worst first, as far as others are left.
fn eject(
    targets: &mut [Observed<'_>],
    causes: &[Option<Cause>],
    verdicts: &mut [Verdict],
    now: Instant,
) {
    let able = targets.iter().filter(|target| target.can_serve).count();
    let mut accused: Vec<_> = (0..targets.len())
        .filter_map(|index| Some((index, causes[index]?)))
        .filter(|(index, _)| targets[*index].can_serve)
        .collect();
    accused.sort_by(|(one, _), (other, _)| {
        let ratio = |index: usize| targets[index].standing.window.ratio().unwrap_or_default();
        ratio(*other).total_cmp(&ratio(*one))
    });
    for (index, cause) in accused {
        let left = serving(targets);
        let least = match cause {
            Cause::Streak(_) => 1,
            Cause::Ratio { .. } => able.div_ceil(2),
        };
        if left > least.max(1) {
            let duration = targets[index].standing.eject(now);
            verdicts[index].change = Some(Change::Ejected { cause, duration });
        }
    }
}

/// What speaks against a target that is not ejected, compared with the others that are not.
fn cause(targets: &[Observed<'_>], index: usize) -> Option<Cause> {
    let accused = &targets[index];
    let own = accused.standing.window.ratio()?;
    if accused.standing.is_ejected() {
        return None;
    }
    let others = targets.iter().enumerate();
    let others = others.filter(|(other, target)| *other != index && !target.standing.is_ejected());
    let known =
        others.filter_map(|(_, target)| Some((target.streak(), target.standing.window.ratio()?)));
    let (works, best) = known.fold(
        (None, None),
        |(works, best): (Option<bool>, _), (streak, ratio)| {
            let this_works = streak < SHORT_STREAK && ratio * 2.0 < own;
            let best = best.map_or(ratio, |best: f64| best.min(ratio));
            (Some(works.unwrap_or(false) || this_works), Some(best))
        },
    );
    if works == Some(false) {
        return None;
    }
    if accused.streak() >= STREAK {
        return Some(Cause::Streak(accused.streak()));
    }
    let bad = best.map_or(BAD_ALONE, |best| best * 2.0 + MARGIN);
    let is_bad = accused.standing.window.is_telling() && own >= bad;
    is_bad.then_some(Cause::Ratio { own, best })
}

/// How many can serve and are not ejected.
fn serving(targets: &[Observed<'_>]) -> usize {
    let serving = targets.iter();
    serving
        .filter(|target| target.can_serve && !target.standing.is_ejected())
        .count()
}

impl Observed<'_> {
    /// Failures in a row since it was last readmitted.
    fn streak(&self) -> u32 {
        let since = self.counts.requests.saturating_sub(self.standing.forgotten);
        self.counts
            .streak
            .min(u32::try_from(since).unwrap_or(u32::MAX))
    }

    /// Takes it back if `is_due` says so of the end of its ejection.
    fn readmit(&mut self, is_due: impl Fn(Instant) -> bool, now: Instant) -> Option<Change> {
        self.standing.ejected_until.filter(|until| is_due(*until))?;
        self.standing.ejected_until = None;
        self.standing.good_since = Some(now);
        self.standing.window = Window::default();
        self.standing.forgotten = self.counts.requests;
        Some(Change::Readmitted)
    }
}

impl Standing {
    fn is_ejected(&self) -> bool {
        self.ejected_until.is_some()
    }

    /// Moves the window on by what came since the last time.
    fn roll(&mut self, counts: Counts) {
        let requests = counts.requests.saturating_sub(self.last.requests);
        let failures = counts.failures.saturating_sub(self.last.failures);
        // Read while they are counted, failures can be one ahead.
        self.window.push(requests, failures.min(requests));
        self.last = counts;
    }

    fn eject(&mut self, now: Instant) -> Duration {
        self.ejections = self.ejections.saturating_add(1);
        let duration = (EJECTION.saturating_mul(self.ejections)).min(LONGEST_EJECTION);
        self.ejected_until = Some(now + duration);
        duration
    }

    fn forgive(&mut self, now: Instant) {
        let is_due = |since| now.saturating_duration_since(since) >= FORGIVEN_AFTER;
        if self.ejections > 0 && self.good_since.is_none_or(is_due) {
            self.ejections -= 1;
            self.good_since = Some(now);
        }
    }
}
/// Seconds that a ratio is over.
const SECONDS: usize = 10;

/// Requests and failures of the last ten judgements.
#[derive(Clone, Debug, Default)]
struct Window {
    seconds: [(u64, u64); SECONDS],
    next: usize,
}

impl Window {
    fn push(&mut self, requests: u64, failures: u64) {
        self.seconds[self.next] = (requests, failures);
        self.next = (self.next + 1) % SECONDS;
    }

    fn sums(&self) -> (u64, u64) {
        let add =
            |(requests, failures), second: &(u64, u64)| (requests + second.0, failures + second.1);
        self.seconds.iter().fold((0, 0), add)
    }

    /// The part of requests that failed, if there were any.
    fn ratio(&self) -> Option<f64> {
        let (requests, failures) = self.sums();
        (requests > 0).then(|| failures as f64 / requests as f64)
    }

    /// Whether there is enough to go by.
    fn is_telling(&self) -> bool {
        let (requests, failures) = self.sums();
        requests >= LEAST_REQUESTS && failures >= LEAST_FAILURES
    }
}

#[cfg(test)]
mod tests;
