use super::Candidate;
use crate::stable_hash::mix;

/// Rendezvous hashing (Thaler and Ravishankar, 1998), weighted: every candidate draws a number
/// for the key, the highest owns it. A candidate that comes or goes moves the keys that it
/// gets or had, and no others.
pub(super) fn owner<C: Candidate>(
    candidates: &[C],
    may: impl Fn(&C) -> bool,
    weight: impl Fn(&C) -> f64,
    key: u64,
) -> Option<usize> {
    let able = candidates.iter().enumerate().filter(|(_, c)| may(c));
    let drawn = able.map(|(index, c)| (index, score(key, c.hash(), weight(c))));
    let best = drawn.reduce(|best, next| if next.1 > best.1 { next } else { best });
    best.map(|(index, _)| index)
}

/// Higher for the heavier, so that each owns keys in proportion to its weight.
fn score(key: u64, candidate: u64, weight: f64) -> f64 {
    let drawn = mix(mix(key) ^ candidate);
    // 53 bits and a half: never 0, never 1.
    let unit = ((drawn >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    -weight / unit.ln()
}
