use rand::{Rng, RngExt};

use super::{Candidate, random};

/// Takes turns. A target that weighs less than the heaviest passes on its turns in
/// proportion, to the others by their weight: where all start slowly, all are equal.
pub(super) fn round_robin<C>(
    candidates: &[C],
    may: impl Fn(&C) -> bool,
    weight: impl Fn(&C) -> f64,
    turn: usize,
    rng: &mut impl Rng,
) -> Option<usize> {
    let able = || candidates.iter().enumerate().filter(|(_, c)| may(c));
    let (count, heaviest) = able().fold((0_usize, 0_f64), |(count, heaviest), (_, c)| {
        (count + 1, heaviest.max(weight(c)))
    });
    let nth = turn.checked_rem(count)?;
    let (index, next) = match count == candidates.len() {
        true => (nth, &candidates[nth]),
        // Who may can change between the two looks: then the first who still may.
        false => able().nth(nth).or_else(|| able().next())?,
    };
    let own = weight(next);
    if own >= heaviest || rng.random::<f64>() * heaviest < own {
        return Some(index);
    }
    let is_other = |c: &C| !std::ptr::eq(c, next) && may(c);
    random::weighted(candidates, is_other, weight, rng).or(Some(index))
}

/// The fewest requests in flight; those with equally few take turns.
pub(super) fn least_outstanding<C: Candidate>(
    candidates: &[C],
    may: impl Fn(&C) -> bool,
    turn: usize,
) -> Option<usize> {
    let mut fewest = u64::MAX;
    let (mut first, mut equals) = (None, 0_usize);
    for (index, candidate) in candidates.iter().enumerate().filter(|(_, c)| may(c)) {
        let in_flight = candidate.in_flight();
        if first.is_none() || in_flight < fewest {
            (fewest, first, equals) = (in_flight, Some(index), 1);
        } else if in_flight == fewest {
            equals += 1;
        }
    }
    let as_few = candidates.iter().enumerate();
    let mut as_few = as_few.filter(|(_, c)| c.in_flight() == fewest && may(c));
    // Counts move while they are read: then the first that had the fewest will do.
    let in_turn = as_few.nth(turn.checked_rem(equals)?);
    in_turn.map(|(index, _)| index).or(first)
}
