//! Which targets fail, as told by the requests themselves: sooner than health checks, and also
//! where those pass. Works with two targets, and with one tells that it should be replaced.

mod outcomes;
mod standing;

use std::time::Duration;

use tokio::time::Instant;

pub(crate) use outcomes::{Outcome, Outcomes};
pub(crate) use {outcomes::Counts, standing::Standing};

/// Failures in a row that are no chance.
const STREAK: u64 = 5;
/// Another target with fewer failures in a row still works.
const SHORT_STREAK: u64 = 3;
/// A ratio is much above the best other one if it is more than twice that and this.
const MARGIN: f64 = 0.2;
/// The ratio that is bad by itself where there is no other.
const BAD_ALONE: f64 = 0.5;

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
    Streak(u64),
    /// This part of its requests failed, and this part at the best of the others.
    Ratio { own: f64, best: Option<f64> },
}

/// The targets that one is compared with.
#[derive(Clone, Copy, Debug, Default)]
struct Others {
    /// Whether one of them works, where any had requests.
    works: Option<bool>,
    /// The lowest part that failed.
    best: Option<f64>,
}

/// Judges the targets of one group; called once a second, answers in their order.
///
/// - A target is anomalous if it fails in a row, or much more often than the best of the
///   others. If all fail alike it is not the target: nobody is anomalous.
/// - It is ejected if `mitigate`, for 10 s, longer each time, and only while another one that
///   can serve is left. For its ratio alone, no more than half of the targets are.
/// - Where nobody else is left, those ejected come back before their time.
pub(crate) fn judge(targets: &mut [Observed<'_>], mitigate: bool, now: Instant) -> Vec<Verdict> {
    let mut verdicts = vec![Verdict::default(); targets.len()];
    for target in targets.iter_mut() {
        target.standing.roll(target.counts);
    }
    readmit(targets, &mut verdicts, now, |standing| {
        standing.is_due(now) || !mitigate
    });
    if serving(targets) == 0 {
        readmit(targets, &mut verdicts, now, |_| true);
    }
    let causes: Vec<_> = (0..targets.len()).map(|of| cause(targets, of)).collect();
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

fn readmit(
    targets: &mut [Observed<'_>],
    verdicts: &mut [Verdict],
    now: Instant,
    may: impl Fn(&Standing) -> bool,
) {
    for (target, verdict) in targets.iter_mut().zip(verdicts) {
        if target.standing.is_ejected() && may(target.standing) {
            target.standing.readmit(now);
            verdict.change = Some(Change::Readmitted);
        }
    }
}

/// Ejects those with a cause, the worst first, as far as others are left.
fn eject(
    targets: &mut [Observed<'_>],
    causes: &[Option<Cause>],
    verdicts: &mut [Verdict],
    now: Instant,
) {
    let able = targets.iter().filter(|target| target.can_serve).count();
    let mut accused: Vec<_> = causes
        .iter()
        .enumerate()
        .filter_map(|(index, cause)| Some((index, (*cause)?)))
        .filter(|(index, _)| targets[*index].can_serve)
        .collect();
    let ratio = |index: usize| targets[index].standing.ratio().unwrap_or_default();
    accused.sort_by(|(one, _), (other, _)| ratio(*other).total_cmp(&ratio(*one)));
    for (index, cause) in accused {
        let kept = match cause {
            Cause::Streak(_) => 1,
            Cause::Ratio { .. } => able.div_ceil(2),
        };
        if serving(targets) > kept {
            let duration = targets[index].standing.eject(now);
            verdicts[index].change = Some(Change::Ejected { cause, duration });
        }
    }
}

/// What speaks against a target that is not ejected.
fn cause(targets: &[Observed<'_>], index: usize) -> Option<Cause> {
    let accused = &targets[index].standing;
    let own = accused.ratio().filter(|_| !accused.is_ejected())?;
    let others = Others::of(targets, index, own);
    if others.works == Some(false) {
        return None;
    }
    if accused.streak() >= STREAK {
        return Some(Cause::Streak(accused.streak()));
    }
    let best = others.best;
    let bad = best.map_or(BAD_ALONE, |best| best * 2.0 + MARGIN);
    (accused.is_telling() && own >= bad).then_some(Cause::Ratio { own, best })
}

/// How many can serve and are not ejected.
fn serving(targets: &[Observed<'_>]) -> usize {
    let serving = targets.iter();
    serving
        .filter(|target| target.can_serve && !target.standing.is_ejected())
        .count()
}

impl Others {
    /// Those who are not ejected and had requests, beside the one with the ratio `own`.
    fn of(targets: &[Observed<'_>], index: usize, own: f64) -> Self {
        let others = targets.iter().enumerate();
        let others =
            others.filter(|(other, target)| *other != index && !target.standing.is_ejected());
        others.fold(Self::default(), |known, (_, other)| {
            let Some(ratio) = other.standing.ratio() else {
                return known;
            };
            let works = other.standing.streak() < SHORT_STREAK && ratio * 2.0 < own;
            Self {
                works: Some(works || known.works == Some(true)),
                best: Some(known.best.map_or(ratio, |best| best.min(ratio))),
            }
        })
    }
}

#[cfg(test)]
mod tests;
