use rand::{Rng, RngExt};

/// One of those that may, each as likely as its weight says.
pub(super) fn weighted<C>(
    candidates: &[C],
    may: impl Fn(&C) -> bool,
    weight: impl Fn(&C) -> f64,
    rng: &mut impl Rng,
) -> Option<usize> {
    let mut total = 0.0;
    let mut chosen = None;
    // A reservoir of one: each stays with the probability of its part of the total so far.
    for (index, candidate) in candidates.iter().enumerate() {
        if !may(candidate) {
            continue;
        }
        let own = weight(candidate);
        total += own;
        if chosen.is_none() || rng.random::<f64>() * total < own {
            chosen = Some(index);
        }
    }
    chosen
}

/// Two different ones of those that may, or the only one.
pub(super) fn two<C>(
    candidates: &[C],
    may: impl Fn(&C) -> bool,
    rng: &mut impl Rng,
) -> (Option<usize>, Option<usize>) {
    let (mut first, mut second) = (None, None);
    let able = candidates.iter().enumerate().filter(|(_, c)| may(c));
    for (seen, (index, _)) in able.enumerate() {
        match seen {
            0 => first = Some(index),
            1 => second = Some(index),
            // A reservoir of two: the one after `seen` others stays with 2 in `seen + 1`.
            _ => match rng.random_range(0..=seen) {
                0 => first = Some(index),
                1 => second = Some(index),
                _ => {}
            },
        }
    }
    (first, second)
}
